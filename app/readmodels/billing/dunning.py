"""Dunning as the customer sees it: what was tried for an unpaid invoice, what follows, and what to do.

`DunningFacts` is what the portal's own journal says, as it is mirrored under the invoice and under each service that it
bills. `Dunning` is what is shown of it. Nothing is shown of an invoice that cannot be paid any more.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal

from msgspec import Struct

from app.readmodels.billing.payment_attempts import KINDS, told
from app.words.sentence import Phrase, Sentence, say
from app.words.worded import Worded

RECORD = "dunning"
"""The object under which the dunning of an invoice is mirrored, as a child of the invoice."""
OF_SERVICE = "service_dunning"
"""The object under which it is mirrored for each service that the invoice bills, as a child of the service."""

DunningState = Literal["retrying", "grace", "suspended", "paused"]
PayStep = Literal["pay_invoice", "add_payment_method"]
FactsStatus = Literal["trying", "grace", "suspended", "paused", "ended"]

MISSING = "payment_method_missing"
BLOCKED = say("dunning.declined_blocked")
DECLINES: Mapping[str, Sentence] = {
    "insufficient_funds": say("dunning.declined_insufficient_funds"),
    "issuer_unavailable": say("dunning.declined_issuer_unavailable"),
    "payment_gateway_error": say("dunning.declined_gateway_error"),
    "limit_reached": say("dunning.declined_limit_reached"),
    "card_expired": say("dunning.declined_card_expired"),
    "card_invalid": say("dunning.declined_card_invalid"),
    "card_blocked": BLOCKED,
    "do_not_retry": BLOCKED,
    "authentication_required": say("dunning.declined_confirm"),
    MISSING: say("dunning.declined_method_missing"),
}
"""Reason of a decline → what the customer reads. The advice that follows depends on what is planned next."""
DECLINED = say("dunning.declined_unexplained")
"""The sentence for any other code."""
UNEXPLAINED = "payment_declined"
CONFIRM = "authentication_required"
NEW_CARD_NEEDED = frozenset({reason for reason, kind in KINDS.items() if kind == "hard"} - {CONFIRM} | {MISSING})
"""Declines after which only another payment method helps."""


class ToldStep(Struct, frozen=True, kw_only=True):
    """A step of dunning that the customer is told: `round`, `step` and `number` are those of the journal.

    Attributes:
        tried_after: of a declined charge, WHMCS's time of the attempt before it, empty for none; null if not known.
    """

    round: int = 0
    step: str
    number: int
    at: datetime
    decline_code: str | None = None
    next_attempt_on: date | None = None
    suspend_on: date | None = None
    tried_after: str | None = None


class DunningFacts(Struct, frozen=True, kw_only=True):
    """The dunning of an invoice as it is mirrored.

    Attributes:
        invoice_number: the number that is printed on it, as it was known.
        status: `ended` when nothing more follows, or nothing of it is the portal's to say.
        attempts: planned attempts whose day has passed, of at most `max_attempts`; null where WHMCS charges.
        next_attempt_on: the day of `next_attempt_at` where the customer lives.
        suspend_on: null where nothing will be suspended, or WHMCS suspends.
        suspension_due: the day has passed, and the suspension may come at any time.
        paused_until: the last day of a hold; null for one without an end.
        service_suspended_at: when dunning suspended this service, on the record of a service.
        service_resumed_at: when it was switched on again.
        steps: what the customer was told, oldest first; only on the record of the invoice.
    """

    invoice_id: str
    status: FactsStatus
    invoice_number: str | None = None
    attempts: int | None = None
    max_attempts: int | None = None
    next_attempt_at: datetime | None = None
    next_attempt_on: date | None = None
    suspend_on: date | None = None
    suspension_due: bool = False
    suspended_at: datetime | None = None
    decline_code: str | None = None
    paused_until: date | None = None
    service_suspended_at: datetime | None = None
    service_resumed_at: datetime | None = None
    steps: list[ToldStep] = []


class LastDecline(Worded, frozen=True, kw_only=True):
    """Why the last charge failed: a code as in the table of errors, and a sentence."""

    code: str
    """The code of the refusal, as in the table of errors."""
    text: str
    text_phrases: tuple[Phrase, ...] = ()


def decline_of(reason: str) -> LastDecline:
    """Return what the customer is told of a reason; a plain decline for one that has no word here."""
    if reason == MISSING:
        return LastDecline(code=MISSING, text=DECLINES[MISSING])
    return LastDecline(code=told(reason)[0], text=DECLINES.get(reason, DECLINED))


class Dunning(Worded, frozen=True, kw_only=True):
    """What follows while an invoice stays unpaid.

    Attributes:
        state: retrying (the charge is repeated, or a new payment method is waited for), grace (no further attempt;
            suspension comes next), suspended, or paused (by staff: nothing is charged or suspended).
        text: all of it in sentences.
        next_steps: what helps, the best first.
        attempt: how many of the planned attempts to charge it again have passed, of `max_attempts`; null where the
            billing system charges.
        next_attempt_at: when it is repeated next; null if it is not.
        suspends_on: the day on which services are suspended unless the invoice is paid; null if they are not.
        paused_until: the last day of the pause; null for one without an end.
        decline: why the last charge failed; null if none was made.
    """

    invoice_id: str
    state: DunningState
    text: str
    next_steps: list[PayStep]
    attempt: int | None
    max_attempts: int | None
    next_attempt_at: datetime | None
    suspends_on: date | None
    suspended_at: datetime | None
    paused_until: date | None
    decline: LastDecline | None
    text_phrases: tuple[Phrase, ...] = ()


URGENCY: tuple[DunningState, ...] = ("suspended", "grace", "retrying", "paused")


def most_urgent(found: Sequence[Dunning]) -> Dunning | None:
    """Return the one of several that the customer must know of first."""
    return min(found, key=_urgency, default=None)


def _urgency(found: Dunning) -> tuple[int, date, int]:
    return URGENCY.index(found.state), found.suspends_on or date.max, int(found.invoice_id)
