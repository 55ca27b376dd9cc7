"""What follows for one invoice, given what WHMCS says now and what the journal knows. Pure.

    WHMCS says                                             then
    paid, nothing owed, cancelled, refunded, a draft       settled; what it suspended comes back
    absent, or due later                                   settled
    of another client, in collection, closed client        abandoned: nothing more is done
    open again after it was settled                        abandoned: staff decide
    payment pending, also of a mass payment that pays it   the clock stands still
    on hold, a charge in doubt                             the clock stands still
    a status, balance or date that cannot be read          the clock stands still
    anything else                                          owed

Of what is owed, `charge_decision` says whether it is charged now, and `grace_decision` whether it is suspended now.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from app.commands.dunning.policy import DunningPolicy
from app.commands.dunning.schedule import Calendar, slot_day
from app.readmodels.invoices import PAYABLE

State = Literal["trying", "grace", "suspended", "settled", "abandoned"]
OPEN: tuple[State, ...] = ("trying", "grace", "suspended")
RESTARTABLE = ("due_date_moved", "withdrawn")
"""Reasons of an end after which an invoice that is owed again starts over."""
OVER = {"paid": "paid", "cancelled": "cancelled", "refunded": "refunded", "draft": "withdrawn"}
"""Status in which nothing is to be paid → reason."""


class LiveInvoice(Struct, frozen=True, kw_only=True):
    """An invoice as WHMCS has it now.

    Attributes:
        chargeable: its gateway charges what is on file. A customer who pays by transfer is not charged.
        not_billed_for: `prepayment` of one that adds funds, `collective` of one that collects others: nothing was
            delivered for it.
        subscription_ids: the services whose period it bills.
    """

    client_id: str
    status: str
    balance: Decimal | None
    due_on: date | None
    issued_on: date | None
    chargeable: bool
    not_billed_for: Literal["", "prepayment", "collective"] = ""
    subscription_ids: tuple[str, ...] = ()


class Client(Struct, frozen=True, kw_only=True):
    """The client as WHMCS has it now. `exempt`: its group is never suspended."""

    closed: bool = False
    charges_off: bool = False
    exempt: bool = False
    group_id: str = "0"


class JournalFacts(Struct, frozen=True, kw_only=True):
    """What the journal knows of the invoice."""

    state: State
    ended_reason: str | None = None
    slot: int = 0
    due_on: date
    next_step_at: datetime | None = None
    grace_seen: int = 0
    grace_seen_on: date | None = None
    suspend_on: date | None = None
    methods_seen: frozenset[str] = frozenset()
    methods_refused: frozenset[str] = frozenset()


class InvoiceFacts(Struct, frozen=True, kw_only=True):
    """Everything that a decision rests on. `invoice` is None if WHMCS has none; `methods` are fingerprints of the
    payment methods on file, the one that is charged first in front. `mass_payment_pending`: a collective invoice that
    pays it is being paid."""

    invoice: LiveInvoice | None
    owner_id: str
    client: Client = Client()
    known: JournalFacts | None = None
    methods: tuple[str, ...] = ()
    held: bool = False
    in_doubt: bool = False
    mass_payment_pending: bool = False
    paid_before: bool = False


class End(Struct, frozen=True):
    """Nothing more follows. `settled` brings back what the invoice suspended."""

    state: Literal["settled", "abandoned"]
    reason: str


class StandStill(Struct, frozen=True):
    """The clock stands still, for this reason."""

    reason: str


class StillOwed(Struct, frozen=True):
    """It is owed since its due date, and nothing speaks against going on."""

    invoice: LiveInvoice
    due_on: date


class NotYet(Struct, frozen=True):
    """Nothing is to be done now."""


class ChargeNow(Struct, frozen=True):
    """Charge these methods, one after another until one is accepted. `slot` is the repetition, 0 for the charge on the
    due date, None for a new method, which uses up no repetition."""

    slot: int | None
    methods: tuple[str, ...]


class PassSlot(Struct, frozen=True):
    """The day of a repetition has come, and nothing can be charged. The reason is one that the customer can change."""

    slot: int
    reason: str | None


class CountDay(Struct, frozen=True):
    """One more day of grace was given."""


class Suspend(Struct, frozen=True):
    """The grace is over, and today is a day for it. The day is counted too."""


Standing = End | StandStill | StillOwed
ChargeDecision = End | StandStill | NotYet | ChargeNow | PassSlot
GraceDecision = End | StandStill | NotYet | CountDay | Suspend


def standing(facts: InvoiceFacts, today: date) -> Standing:
    """Say whether the invoice is owed, by whom it was taken up, and may be acted on."""
    invoice, known = facts.invoice, facts.known
    if invoice is None:
        return End("settled", "absent")
    if invoice.client_id != facts.owner_id:
        return End("abandoned", "owner_changed")
    if invoice.status in OVER:
        return End("settled", OVER[invoice.status])
    if invoice.status == "collections":
        return End("abandoned", "collections")
    if invoice.status not in PAYABLE or invoice.balance is None or invoice.due_on is None:
        return StandStill("payment_pending" if invoice.status == "payment_pending" else "unclear")
    if invoice.balance <= 0:
        return End("settled", "paid")
    if invoice.due_on > today:
        return End("settled", "due_date_moved")
    if facts.client.closed:
        return End("abandoned", "client_closed")
    if invoice.not_billed_for:
        return End("abandoned", invoice.not_billed_for)
    if facts.paid_before or (known and known.state == "settled" and known.ended_reason not in RESTARTABLE):
        return End("abandoned", "open_again")
    return _pause(facts) or StillOwed(invoice, invoice.due_on)


def _pause(facts: InvoiceFacts) -> StandStill | None:
    if facts.mass_payment_pending:
        return StandStill("payment_pending")
    if facts.in_doubt:
        return StandStill("payment_in_doubt")
    return StandStill("on_hold") if facts.held else None


def charge_decision(facts: InvoiceFacts, policy: DunningPolicy, calendar: Calendar, at: datetime) -> ChargeDecision:
    """Say whether the invoice is charged now."""
    today = calendar.day_of(at)
    stands = standing(facts, today)
    if not isinstance(stands, StillOwed):
        return stands
    methods, known = _chargeable(facts), facts.known
    if known is None or known.state not in OPEN:
        return _first(stands, facts, policy, calendar, at)
    if methods and (new := [each for each in methods if each not in known.methods_seen]):
        return ChargeNow(None, tuple(new))
    if known.state != "trying" or known.next_step_at is None or known.next_step_at > at:
        return NotYet()
    return _slot(known.slot + 1, facts, methods)


def _chargeable(facts: InvoiceFacts) -> tuple[str, ...]:
    """Return what may be charged, without what was refused for good."""
    if facts.invoice is None or not facts.invoice.chargeable or facts.client.charges_off:
        return ()
    refused = facts.known.methods_refused if facts.known else frozenset()
    return tuple(each for each in facts.methods if each not in refused)


def _first(
    owed: StillOwed, facts: InvoiceFacts, policy: DunningPolicy, calendar: Calendar, at: datetime
) -> ChargeDecision:
    """Decide for an invoice that is not in dunning. It is charged on its due date, unless it was issued on that day:
    then its customer may be paying it at this moment."""
    today, methods = calendar.day_of(at), _chargeable(facts)
    if at < calendar.opening(today):
        return NotYet()
    if today >= slot_day(policy, 1, owed.due_on, None):
        return _slot(1, facts, methods)
    issued_on = owed.invoice.issued_on
    if today == owed.due_on and issued_on is not None and issued_on < today and methods:
        return ChargeNow(0, methods)
    return NotYet()


def _slot(slot: int, facts: InvoiceFacts, methods: tuple[str, ...]) -> ChargeDecision:
    if methods:
        return ChargeNow(slot, methods)
    return PassSlot(slot, _why_nothing_is_charged(facts))


def _why_nothing_is_charged(facts: InvoiceFacts) -> str | None:
    """Return what the customer could change; None where the invoice is not for charging at all."""
    if facts.invoice is None or not facts.invoice.chargeable or facts.client.charges_off:
        return None
    return "payment_method_refused" if facts.methods else "payment_method_missing"


def grace_decision(facts: InvoiceFacts, policy: DunningPolicy, calendar: Calendar, at: datetime) -> GraceDecision:
    """Say what becomes of the grace today. A day counts only if the process was there to count it."""
    today = calendar.day_of(at)
    stands = standing(facts, today)
    if not isinstance(stands, StillOwed):
        return stands
    known = facts.known
    if known is None or known.state != "grace" or policy.grace_days is None or facts.client.exempt:
        return NotYet()
    counts = known.grace_seen_on is None or known.grace_seen_on < today
    seen = known.grace_seen + counts
    over = seen >= policy.grace_days and (today - stands.due_on).days >= policy.patience_days
    if over and known.suspend_on is not None and known.suspend_on <= today and calendar.is_working_day(today):
        return Suspend()
    return CountDay() if counts else NotYet()
