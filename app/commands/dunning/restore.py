"""Restore what dunning suspended, once nothing of it is owed any more, or while staff hold it.

A service comes back when no invoice that bills it is in dunning any more: of two overdue invoices, when both are paid.
A suspension that staff have changed meanwhile, or that has another reason, is left as it is.

Reads and writes: portal.dunning_suspensions, WHMCS services. Writes: portal.dunning_steps, ingest.inbox.
"""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import uuid4

import structlog
from msgspec import Struct

from app.commands.dunning import journal
from app.commands.dunning.holding import covers
from app.commands.dunning.journal import Told
from app.commands.dunning.suspend import has_own_module
from app.commands.execution.context import Context
from app.commands.subscriptions.service_lock import lock_service
from app.db import is_outage, rows
from app.errors import OutcomeUnknown, UpstreamNotFound
from app.ingest.refetch.owners import whmcs_hint
from app.integrations.whmcs import suspensions

AT_ONCE = 50
AGAIN = timedelta(seconds=30)


def held(row: str) -> str:
    """Return the condition, in SQL, that the invoice of a row of `portal.dunning` is held on the day `$1`."""
    covered = covers(account=f"{row}.account_id", invoice=f"{row}.whmcs_invoice_id", today="$1")
    return f"EXISTS (SELECT FROM portal.dunning_holds h WHERE {covered})"


_RESTORABLE = f"""
SELECT s.subscription_id, bool_or(s.suspended_at IS NOT NULL) AS was_suspended
FROM portal.dunning_suspensions s JOIN portal.dunning d USING (whmcs_invoice_id)
WHERE s.ended_at IS NULL AND coalesce(s.not_before, '-infinity') <= $2
  AND NOT EXISTS (SELECT FROM portal.erasures e WHERE e.account_id::text = s.account_id)
GROUP BY s.subscription_id
HAVING bool_and(d.state = 'settled' OR {held("d")}) AND NOT EXISTS (
    SELECT FROM portal.dunning o WHERE o.ended_at IS NULL AND s.subscription_id = ANY (o.subscription_ids)
      AND NOT {held("o")})
ORDER BY s.subscription_id LIMIT {AT_ONCE}
"""
_END = """
UPDATE portal.dunning_suspensions SET ended_at = $2, outcome = $3 WHERE subscription_id = $1 AND ended_at IS NULL
RETURNING whmcs_invoice_id, suspended_at IS NOT NULL AS was_suspended
"""
_LEFT = "SELECT EXISTS (SELECT FROM portal.dunning_suspensions WHERE whmcs_invoice_id = $1 AND ended_at IS NULL)"
_LATER = "UPDATE portal.dunning_suspensions SET not_before = $2 WHERE subscription_id = $1 AND ended_at IS NULL"

Prove = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class Restorable(Struct, frozen=True):
    """A service that may come back."""

    subscription_id: str
    was_suspended: bool


async def restore_all(ctx: Context, at: datetime, today: date) -> int:
    """Restore every service that may come back; returns how many did. One that fails is tried again soon."""
    count = 0
    for each in await rows(ctx.pool, Restorable, _RESTORABLE, today, at):
        try:
            count += await _restore(ctx, each, at)
        except Exception as error:
            if is_outage(error):
                raise
            log.warning("restore_postponed", subscription_id=each.subscription_id, error=repr(error))
            await ctx.pool.execute(_LATER, each.subscription_id, at + AGAIN)
    return count


async def _restore(ctx: Context, service: Restorable, at: datetime) -> bool:
    async with lock_service(ctx, service.subscription_id) as mine:
        outcome = await _lift(ctx, service.subscription_id, mine.prove)
        await _note(ctx, service.subscription_id, outcome, at)
    await ctx.inbox.submit([whmcs_hint("service", service.subscription_id, f"dunning:{uuid4()}")])
    log.info("service_restored", subscription_id=service.subscription_id, outcome=outcome)
    return outcome == "restored"


async def _lift(ctx: Context, subscription_id: str, prove: Prove) -> Literal["restored", "left"]:
    """Lift the suspension in WHMCS, if it is still the one for an unpaid invoice."""
    try:
        standing = await suspensions.service_standing(ctx.whmcs, subscription_id)
    except UpstreamNotFound:
        return "left"
    if standing.is_overdue_suspension:
        await prove()
        try:
            by_module = await has_own_module(ctx, subscription_id)
            await suspensions.restore(ctx.whmcs, subscription_id, by_module=by_module)
        except OutcomeUnknown:
            standing = await suspensions.service_standing(ctx.whmcs, subscription_id)
            if standing.is_overdue_suspension:
                raise
        return "restored"
    return "restored" if standing.status.lower() == "active" else "left"


async def _note(ctx: Context, subscription_id: str, outcome: str, at: datetime) -> None:
    """Note the end of a service's suspension; an invoice whose last one it was tells its customer."""
    async with ctx.pool.acquire() as connection, connection.transaction():
        for each in await connection.fetch(_END, subscription_id, at, outcome):
            invoice_id = each["whmcs_invoice_id"]
            last = each["was_suspended"] and not await connection.fetchval(_LEFT, invoice_id)
            if last and outcome == "restored":
                await journal.tell(connection, str(invoice_id), Told("restored"), at)
