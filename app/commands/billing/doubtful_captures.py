"""Find out what came of a charge that nobody answered, from what WHMCS shows now and showed before it.

WHMCS books a payment, notes when it tried a charge, and writes what the gateway answered into its gateway log. Whatever
none of the three decides stays in doubt. Times of the two systems are not compared with each other.

Reads: WHMCS gateway log. Reads and writes: portal.captures, portal.capture_attempts.
"""

from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from msgspec import Struct

from app.commands.billing.captures import Attempt, Before, Outcome
from app.commands.billing.decline_kinds import Decline
from app.commands.billing.declines import Refused, logged
from app.commands.execution.context import Context
from app.intake import parse
from app.integrations.whmcs.charging.decline_texts import GatewayWords
from app.integrations.whmcs.records import WhmcsRecord
from app.readmodels.billing.payment_attempts import SETTLE_SECONDS

_TAKEN = "SELECT transaction_id FROM portal.capture_attempts WHERE invoice_id = $1 AND transaction_id IS NOT NULL"
_END = """
UPDATE portal.capture_attempts SET outcome = $2, ended_at = clock_timestamp(), transaction_id = $3, evidence = $4,
    resolved_by = $5, decline_kind = $6, decline_reason = $7, decline_code = $8, decline_text = $9,
    gateway_entry_id = $10, looked_at = clock_timestamp()
WHERE attempt_id = $1 AND (outcome IS NULL OR resolved_by IS NOT NULL) RETURNING attempt_id
"""
_LOOKED = "UPDATE portal.capture_attempts SET looked_at = clock_timestamp() WHERE attempt_id = $1"
_SETTLE_CHARGED = """
UPDATE portal.captures SET charged_at = clock_timestamp()
WHERE invoice_id = $1 AND command_key = $2 AND charged_at IS NULL
"""
_SETTLE_OTHERS = "DELETE FROM portal.captures WHERE invoice_id = $1 AND command_key = $2 AND charged_at IS NULL"
_IS_SETTLED = """
SELECT sent_at < clock_timestamp() - $2 * interval '1 second' FROM portal.capture_attempts WHERE attempt_id = $1
"""


class FoundOutcome(Struct, frozen=True, kw_only=True):
    """What came of an attempt, and what shows it. `decline` belongs to a declined one."""

    outcome: Outcome
    evidence: str
    transaction_id: str | None = None
    decline: Decline | None = None
    stated_by: str | None = None


def shown(invoice: WhmcsRecord) -> Before:
    """Return what an invoice shows of attempts and payments."""
    return Before(invoice.data.get("last_capture_attempt"), [str(each.get("id")) for each in _payments(invoice)])


async def is_settled(db: asyncpg.Pool, attempt: Attempt) -> bool:
    """Tell if nothing can come of the attempt any more."""
    return bool(await db.fetchval(_IS_SETTLED, attempt.attempt_id, float(SETTLE_SECONDS)))


async def resolve(ctx: Context, attempt: Attempt, invoice: WhmcsRecord) -> Outcome | None:
    """Record what came of an attempt in doubt, if its invoice as it is now tells; None if it does not, or not yet.

    The caller holds the lock of the invoice's charges.
    """
    found = await _judge(ctx, attempt, invoice)
    if found is None:
        await note_look(ctx.pool, attempt.attempt_id)
        return None
    await end(ctx.pool, attempt, found)
    return found.outcome


async def note_look(pool: asyncpg.Pool, attempt_id: int) -> None:
    """Record that somebody looked, and that the attempt is in doubt all the same."""
    await pool.execute(_LOOKED, attempt_id)


async def end(pool: asyncpg.Pool, attempt: Attempt, found: FoundOutcome) -> bool:
    """Record the outcome of an attempt, and that its charge is under way no more. False: WHMCS showed it already."""
    d = found.decline
    declined = (d.kind, d.reason, d.code, d.text, d.entry_id) if d else (None,) * 5
    stated = (found.transaction_id, found.evidence, found.stated_by)
    async with pool.acquire() as connection, connection.transaction():
        ended = await connection.fetchval(_END, attempt.attempt_id, found.outcome, *stated, *declined)
        if ended is not None:
            settle = _SETTLE_CHARGED if found.outcome == "charged" else _SETTLE_OTHERS
            await connection.execute(settle, attempt.invoice_id, attempt.command_key)
    return ended is not None


async def _judge(ctx: Context, attempt: Attempt, invoice: WhmcsRecord) -> FoundOutcome | None:
    before, now = attempt.before, shown(invoice)
    if before is None:
        return None
    if paid := await _payment_of(ctx.pool, attempt, before, invoice):
        evidence = f"WHMCS booked payment {paid.get('id')} ({paid.get('gateway')}, {paid.get('transid')})."
        return FoundOutcome(outcome="charged", evidence=evidence, transaction_id=str(paid.get("id")))
    if not await is_settled(ctx.pool, attempt):
        return None
    if now == before:
        return FoundOutcome(outcome="not_charged", evidence="WHMCS made no attempt, and booked no payment.")
    return await _declined(ctx, attempt, now) if now.tried_at != before.tried_at else None


async def _payment_of(
    pool: asyncpg.Pool, attempt: Attempt, before: Before, invoice: WhmcsRecord
) -> dict[str, Any] | None:
    """Return the payment that only this attempt can have made: new since then, of its amount, by the invoice's gateway,
    and not another attempt's."""
    known = {*before.payment_ids, *(row["transaction_id"] for row in await pool.fetch(_TAKEN, attempt.invoice_id))}
    tried = invoice.data.get("last_capture_attempt") != before.tried_at
    for each in _payments(invoice) if tried else []:
        same = parse.money(each.get("amountin")) == attempt.amount
        if same and each.get("gateway") == invoice.data["paymentmethod"] and str(each.get("id")) not in known:
            return each
    return None


async def _declined(ctx: Context, attempt: Attempt, now: Before) -> FoundOutcome | None:
    """Return the decline that the gateway's log has of the attempt that WHMCS made last."""
    tried_at = parse.instant(now.tried_at, ZoneInfo(ctx.settings.whmcs_time_zone))
    refused = Refused(attempt.account_id, attempt.invoice_id, GatewayWords((), ""), tried_at)
    decline = await logged(ctx, refused, only_declines=True)
    if decline is None:
        return None
    return FoundOutcome(
        outcome="declined", evidence=f"Entry {decline.entry_id} of WHMCS's gateway log.", decline=decline
    )


def _payments(invoice: WhmcsRecord) -> list[dict[str, Any]]:
    payments = invoice.data.get("transactions") or []
    return [each for each in payments if (parse.money(each.get("amountin")) or 0) > 0]
