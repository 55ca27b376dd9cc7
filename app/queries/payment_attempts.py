"""Attempts to charge invoices: for the invoice's customer in plain words, for staff with the reason as the gateway gave
it.

Reads: portal.capture_attempts, read_model.invoices.
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from app.clock import now
from app.db import Db, rows
from app.errors import NotFound
from app.money import Money, money
from app.queries.reading.store import Answer, etag_of
from app.readmodels.billing.payment_attempts import SETTLE_SECONDS, DeclineKind, DeclineReason, told
from app.words.sentence import Phrase, say
from app.words.worded import Worded

MOST = 100
AttemptOutcome = Literal["paid", "declined", "not_charged", "in_progress", "being_checked"]
Initiator = Literal["customer", "staff", "dunning"]

_COLUMNS = """
a.attempt_id, a.invoice_id, a.account_id, a.initiator, a.amount, a.currency, a.pay_method_id, a.card_type,
a.card_last_four, a.sent_at, a.outcome, a.ended_at, a.decline_kind, a.decline_reason, a.decline_code, a.decline_text,
a.transaction_id, a.looked_at, a.resolved_by, a.evidence
"""
_FOR_STAFF = f"""
SELECT {_COLUMNS} FROM portal.capture_attempts a
WHERE ($1::text IS NULL OR a.invoice_id = $1) AND ($2::uuid IS NULL OR a.account_id = $2)
    AND (NOT $3 OR a.outcome IS NULL)
ORDER BY a.attempt_id DESC LIMIT $4
"""
_OWN = """
SELECT EXISTS (SELECT FROM read_model.invoices WHERE account_id = $1 AND invoice_id = $2 AND status <> 'draft')
"""
_OF_CUSTOMER = f"""
SELECT initiator, amount, currency, card_type, card_last_four, sent_at, outcome, decline_reason,
    clock_timestamp() - sent_at < interval '{SETTLE_SECONDS} seconds' AS open
FROM portal.capture_attempts WHERE account_id = $1 AND invoice_id = $2 ORDER BY attempt_id DESC LIMIT $3
"""
_DOUBTS = """
SELECT count(*) AS count, coalesce(extract(epoch FROM clock_timestamp() - min(sent_at)), 0)::float8 AS oldest_seconds
FROM portal.capture_attempts WHERE outcome IS NULL AND sent_at < clock_timestamp() - $1 * interval '1 second'
"""
_SENTENCES: dict[AttemptOutcome, str] = {
    "paid": say("billing.attempt_paid"),
    "not_charged": say("billing.attempt_not_charged"),
    "in_progress": say("billing.attempt_in_progress"),
    "being_checked": say("billing.attempt_checked"),
}


class PaymentAttempt(Worded, frozen=True, kw_only=True):
    """One attempt to charge an invoice. `by` says who asked for it: the customer, or the provider.

    `reason` is a code of the list of errors, such as `card_expired`, of a declined attempt alone; `message` says what
    happened and what to do next.
    """

    attempted_at: datetime
    """When the charge was sent."""
    by: Literal["you", "us"]
    """Who asked for it."""
    amount: Money
    card_type: str | None
    card_last_four: str | None
    outcome: AttemptOutcome
    reason: str | None
    """Why it was declined, for programs; null unless it was."""
    message: str
    message_phrases: tuple[Phrase, ...] = ()


class PaymentAttempts(Struct, frozen=True):
    """The attempts to charge an invoice through the portal, newest first."""

    items: list[PaymentAttempt]


class CaptureAttempt(Struct, frozen=True, kw_only=True):
    """One attempt to charge an invoice, for staff. Without an outcome it is in doubt.

    `decline_text` is what the gateway said, without numbers and personal data. `evidence` is what ended a doubt, and
    `resolved_by` who stated it, if WHMCS did not show it.
    """

    attempt_id: int
    """The id of the attempt."""
    invoice_id: str
    account_id: UUID
    initiator: Initiator
    """Who asked for the charge."""
    amount: Decimal
    currency: str
    pay_method_id: str | None
    """WHMCS's id of the charged payment method; null where it is not known."""
    card_type: str | None
    card_last_four: str | None
    sent_at: datetime
    """When the charge was sent."""
    outcome: Literal["charged", "declined", "not_charged"] | None
    ended_at: datetime | None
    decline_kind: DeclineKind | None
    """Whether another try may succeed; null unless it was declined."""
    decline_reason: DeclineReason | None
    """Why it was declined; null unless it was."""
    decline_code: str | None
    """The gateway's code of the refusal; null without one."""
    decline_text: str | None
    """The gateway's words; null without any."""
    transaction_id: str | None
    looked_at: datetime | None
    """When the billing system was last asked what came of it; null if it never was."""
    resolved_by: str | None
    """Who stated the outcome; null unless staff did."""
    evidence: str | None


class CaptureAttempts(Struct, frozen=True):
    """Attempts to charge invoices, newest first."""

    items: list[CaptureAttempt]


class Doubts(Struct, frozen=True):
    """How many attempts are in doubt that nothing can come of any more, and the age of the oldest."""

    count: int
    oldest_seconds: float


async def attempts_of_invoice(pool: asyncpg.Pool, account_id: UUID, invoice_id: str) -> PaymentAttempts:
    """Return the newest attempts to charge one of the account's invoices.

    Raises:
        NotFound: `invoice_not_found`, absent, a draft, or another account's.
    """
    if not await pool.fetchval(_OWN, account_id, invoice_id):
        raise NotFound(say("billing.invoice_not_found"), code="invoice_not_found")
    return PaymentAttempts([_plain(row) for row in await pool.fetch(_OF_CUSTOMER, account_id, invoice_id, MOST)])


async def own_attempts(pool: asyncpg.Pool, account_id: UUID, invoice_id: str) -> Answer:
    """Answer with the attempts. They are the portal's own records, and so as old as the answer.

    Raises:
        NotFound: as `attempts_of_invoice`.
    """
    body = msgspec.json.encode(await attempts_of_invoice(pool, account_id, invoice_id))
    return Answer(body, etag_of(body), now())


def _plain(row: asyncpg.Record) -> PaymentAttempt:
    outcome = _outcome(row)
    reason, message = None, _SENTENCES.get(outcome, "")
    if outcome == "declined":
        reason, message = told(row["decline_reason"] or "", row["card_last_four"])
    return PaymentAttempt(
        attempted_at=row["sent_at"],
        by="you" if row["initiator"] == "customer" else "us",
        amount=money(row["amount"], row["currency"]),
        card_type=row["card_type"],
        card_last_four=row["card_last_four"],
        outcome=outcome,
        reason=reason,
        message=message,
    )


def _outcome(row: asyncpg.Record) -> AttemptOutcome:
    if row["outcome"] == "charged":
        return "paid"
    if row["outcome"] in ("declined", "not_charged"):
        outcome: AttemptOutcome = row["outcome"]
        return outcome
    return "in_progress" if row["open"] else "being_checked"


async def attempts(
    db: Db, *, invoice_id: str | None = None, account_id: UUID | None = None, in_doubt: bool = False, limit: int = MOST
) -> CaptureAttempts:
    """Return the newest attempts: all, those of an invoice or an account, or those in doubt alone."""
    return CaptureAttempts(await rows(db, CaptureAttempt, _FOR_STAFF, invoice_id, account_id, in_doubt, limit))


async def doubts(db: Db) -> Doubts:
    """Count the attempts in doubt that nothing can come of any more."""
    [found] = await rows(db, Doubts, _DOUBTS, float(SETTLE_SECONDS))
    return found


def for_staff(attempt: object) -> CaptureAttempt:
    """Return an attempt of the journal, which has these fields and more, as staff see it."""
    return msgspec.convert(attempt, CaptureAttempt, from_attributes=True)
