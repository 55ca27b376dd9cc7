"""What customers are told of the dunning of an invoice: a pure function of the journal, holds, settings and the time.

A promise that the portal may not keep is not made: nothing of charges where WHMCS charges, nothing of suspension where
WHMCS suspends, no date that has passed.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from app.intake import parse
from app.readmodels.billing.dunning import UNEXPLAINED, DunningFacts, FactsStatus, ToldStep

LATE = timedelta(hours=1)
"""After this long a planned attempt that was not made is not shown any more."""
DAY = timedelta(days=1)


class JournalRow(Struct, frozen=True, kw_only=True):
    """A row of `portal.dunning`, as far as customers are told of it."""

    whmcs_invoice_id: int
    account_id: str
    whmcs_client_id: int
    state: str
    slot: int
    max_attempts: int
    next_attempt_at: datetime | None
    suspend_on: date | None
    suspended_at: datetime | None
    last_decline_kind: str | None
    last_decline_code: str | None
    subscription_ids: list[str]
    updated_at: datetime
    ended_at: datetime | None


class HoldInForce(Struct, frozen=True):
    """The hold that is in force; of several the longest. `until` is its last day."""

    until: date | None


class Surroundings(Struct, frozen=True, kw_only=True):
    """What the facts depend on besides the journal.

    Attributes:
        charges: whether the portal charges due invoices, by setting.
        suspends: whether it suspends unpaid services.
        now: the present.
        billing_zone: the zone of WHMCS, in which days of suspension and holds are.
        customer_zone: where the customer lives.
    """

    charges: bool
    suspends: bool
    now: datetime
    billing_zone: ZoneInfo
    customer_zone: ZoneInfo
    invoice_number: str | None = None

    @property
    def today(self) -> date:
        """The day in WHMCS's zone."""
        return self.now.astimezone(self.billing_zone).date()


def facts_of(
    row: JournalRow, pause: HoldInForce | None, steps: Sequence[ToldStep], around: Surroundings
) -> DunningFacts:
    """Build the facts of an invoice."""
    status = _status(row, pause, around)
    goes_on = status in ("trying", "grace")
    attempt_at = _planned_attempt(row, around) if status == "trying" else None
    suspend_on = row.suspend_on if goes_on and around.suspends else None
    overdue = suspend_on is not None and suspend_on < around.today
    return DunningFacts(
        invoice_id=str(row.whmcs_invoice_id),
        invoice_number=around.invoice_number,
        status=status,
        attempts=row.slot if around.charges else None,
        max_attempts=row.max_attempts if around.charges else None,
        next_attempt_at=attempt_at,
        next_attempt_on=attempt_at.astimezone(around.customer_zone).date() if attempt_at else None,
        suspend_on=None if overdue else suspend_on,
        suspension_due=overdue,
        suspended_at=row.suspended_at if status == "suspended" else None,
        decline_code=None if status == "ended" else _decline(row.last_decline_kind, row.last_decline_code),
        paused_until=pause.until if status == "paused" and pause else None,
        steps=list(steps),
    )


def of_service(
    facts: DunningFacts, billed: bool, suspension: Mapping[str, Any] | None, ended_at: datetime | None = None
) -> DunningFacts:
    """Return the facts as they are shown of one service: `billed` by the invoice, with what dunning did to it.

    `ended_at` is when the dunning of the invoice ended; what is suspended after that is not its doing.
    """
    return structs.replace(
        facts,
        status=facts.status if billed else "ended",
        service_suspended_at=suspension["suspended_at"] if suspension else None,
        service_resumed_at=(suspension["ended_at"] or ended_at) if suspension else None,
        steps=[],
    )


def told_step(found: Mapping[str, Any], around: Surroundings) -> ToldStep:
    """Read a step of the journal; a detail that is missing or cannot be read is left out."""
    detail = found["detail"]
    return ToldStep(
        round=found["round"],
        step=found["step"],
        number=found["number"],
        at=found["at"],
        decline_code=_decline(detail.get("decline_kind"), detail.get("decline_code")),
        next_attempt_on=parse.day(detail.get("next_attempt_on")) if around.charges else None,
        suspend_on=parse.day(detail.get("suspend_on")) if around.suspends else None,
        tried_after=detail.get("tried_after"),
    )


def recheck_at(facts: DunningFacts, around: Surroundings) -> datetime | None:
    """Return when the facts may change without a change of the journal."""
    planned = [
        facts.next_attempt_at + LATE if facts.next_attempt_at else None,
        _begins(facts.suspend_on, around.billing_zone),
        _begins(facts.paused_until, around.billing_zone),
    ]
    return min((each for each in planned if each), default=None)


def _status(row: JournalRow, pause: HoldInForce | None, around: Surroundings) -> FactsStatus:
    if row.ended_at is not None or not (around.charges or around.suspends):
        return "ended"
    if pause is not None:
        return "paused"
    if row.state == "suspended":
        return "suspended" if around.suspends else "ended"
    return "grace" if row.state == "grace" else "trying" if row.state == "trying" else "ended"


def _planned_attempt(row: JournalRow, around: Surroundings) -> datetime | None:
    planned = row.next_attempt_at if around.charges else None
    return planned if planned and planned > around.now - LATE else None


def _decline(kind: str | None, code: str | None) -> str | None:
    return code or (UNEXPLAINED if kind else None)


def _begins(day_before: date | None, zone: ZoneInfo) -> datetime | None:
    """Return when the day after this one begins."""
    return datetime.combine(day_before + DAY, time(), zone) if day_before and day_before < date.max else None
