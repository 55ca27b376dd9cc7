"""Requests to Freebit and their results."""

from typing import Literal

from msgspec import Struct

LineState = Literal["activating", "active", "cancelled", "unknown"]


class Mnp(Struct, frozen=True, kw_only=True):
    """A number to transfer. Names must equal those at the carrier it leaves; kana are full-width."""

    phone_number: str
    reservation_number: str
    expires_on: str
    lastname: str
    firstname: str
    lastname_kana: str
    firstname_kana: str
    gender: str
    birthday: str


class EsimActivation(Struct, frozen=True, kw_only=True):
    """A new eSIM line; without `mnp` Freebit assigns the number. `sim_kind`: E0 voice, E2 data, E3 data and SMS."""

    eid: str
    plan_code: str
    sim_kind: str
    account: str | None = None
    mnp: Mnp | None = None


class LineDetail(Struct, frozen=True, kw_only=True):
    """A line at Freebit. `eid` is empty for a physical SIM; `voice_options` names those that are on."""

    account: str
    state: LineState
    eid: str
    plan_code: str
    product_number: str
    contract_line: str
    voice_options: tuple[str, ...]

    @property
    def active(self) -> bool:
        """True if the line is in service."""
        return self.state == "active"


class LineUsage(Struct, frozen=True, kw_only=True):
    """Data usage of a line, today and on the days before, latest first. `limited`: the network has throttled it."""

    account: str
    today_kilobytes: int
    recent_days_kilobytes: tuple[int, ...]
    limited: bool
