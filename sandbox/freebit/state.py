"""The state of the Freebit stand-in: lines, keys, and the duration of its asynchronous work."""

from dataclasses import dataclass, field

ACTIVE, ACTIVATING, CANCELLED = "active", "activating", "cancelled"


@dataclass
class Line:
    """One mobile line. Times are epoch seconds; a change is done once its time has come."""

    account: str
    plan_code: str
    kind: str
    done_at: float
    eid: str = ""
    product_number: str = ""
    sim_kind: str = ""
    contract_line: str = "4G"
    talk_option: dict[str, str] = field(default_factory=dict)
    voice_done_at: float = 0.0
    locked_until: float = 0.0
    cancel_at: float | None = None
    master: bool = False
    next_plan_code: str = ""
    next_plan_at: float = 0.0

    def plan(self, now: float) -> str:
        """Return the plan at an instant."""
        return self.next_plan_code if self.next_plan_code and now >= self.next_plan_at else self.plan_code

    def state(self, now: float) -> str:
        """Return the state at an instant."""
        if self.cancel_at is not None and now >= self.cancel_at:
            return CANCELLED
        return ACTIVE if now >= self.done_at else ACTIVATING


@dataclass
class Queued:
    """A semi-black SIM that waits for its activation."""

    account: str
    plan_code: str
    product_number: str
    state: str = "10"


@dataclass
class Freebit:
    """The whole service. `delay_seconds` is how long asynchronous work takes after it was accepted, `cancel_seconds`
    how long the end of a line takes, which the vendor carries out within ten minutes."""

    oem_id: str = "PASI"
    oem_key: str = "sandboxOemKey0000000000000000000"
    key_seconds: float = 3_000.0
    delay_seconds: float = 1.0
    cancel_seconds: float = 0.0
    auth_keys: dict[str, float] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    queued: dict[str, Queued] = field(default_factory=dict)
    next_number: int = 1
    answers: int = 0
    revision: int = 0

    def new_account(self) -> str:
        """Return a phone number that no line has."""
        while (number := f"070{30_000_000 + self.next_number:08d}") in self.lines:
            self.next_number += 1
        self.next_number += 1
        return number

    def changed(self) -> None:
        """Count a write."""
        self.revision += 1
