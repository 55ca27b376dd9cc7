"""The mobile network behind Freebit: lines that become active some time after they were asked for."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

ACTIVATION_SECONDS = 1.0


@dataclass
class Line:
    """A line. It is in service from `active_at` on."""

    account: str
    plan_code: str
    eid: str
    active_at: datetime
    voice_mail: bool = False
    call_waiting: bool = False
    ported_in: bool = False


@dataclass
class Freebit:
    """Everything Freebit knows."""

    oem_id: str = "OEM-SANDBOX"
    oem_key: str = "oem-key-of-the-sandbox"
    lines: dict[str, Line] = field(default_factory=dict)
    auth_keys: dict[str, datetime] = field(default_factory=dict)
    activation: timedelta = timedelta(seconds=ACTIVATION_SECONDS)
    assigned: int = 0

    def assigned_number(self) -> str:
        """The next free phone number."""
        self.assigned += 1
        return f"0701234{self.assigned:04}"

    def add(self, account: str, plan_code: str, eid: str, now: datetime, *, ported_in: bool = False) -> Line:
        """A new line, in service soon."""
        self.lines[account] = Line(account, plan_code, eid, now + self.activation, ported_in=ported_in)
        return self.lines[account]
