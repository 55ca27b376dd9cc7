"""Looks at WHMCS for what came of attempts in doubt: when staff ask, and again and again by the clock.

Reads: WHMCS invoice. Reads and writes: portal.captures, portal.capture_attempts. Writes: ingest.inbox, portal.audit.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from app.audit import Operator, audit
from app.commands.billing import captures, doubtful_captures
from app.commands.billing.captures import Attempt
from app.commands.billing.payable_invoices import in_progress, read
from app.commands.execution.context import Actor, Context, StaffCommand
from app.errors import NotFound, PortalError
from app.integrations.admission.priority import background
from app.integrations.whmcs.records import WhmcsRecord
from app.readmodels.billing.payment_attempts import SETTLE_SECONDS

MOST_LOOKS = 20
_DUE = """
SELECT attempt_id FROM portal.capture_attempts
WHERE outcome IS NULL AND sent_at < clock_timestamp() - $1 * interval '1 second'
    AND (looked_at IS NULL OR clock_timestamp() - looked_at > least((looked_at - sent_at) / 4, interval '6 hours'))
ORDER BY looked_at NULLS FIRST LIMIT $2
"""
"""Attempts are looked at ever more rarely as they grow older, and every six hours at the least."""

log = structlog.get_logger()


async def look_at_capture(ctx: Context, operator: Operator, attempt_id: int) -> Attempt:
    """Read the invoice of an attempt in doubt from WHMCS, and record what came of it if that shows. Safe to repeat.

    Raises:
        NotFound: `capture_not_found`, or the invoice is absent by now.
        Conflict: `payment_in_progress`, another look or charge of the invoice is under way.
        UpstreamError: WHMCS did not answer.
    """
    found = await _look(ctx, attempt_id)
    async with ctx.pool.acquire() as connection:
        await audit(connection, operator, "capture.look", [str(attempt_id)], result=found.outcome or "in_doubt")
    return found


async def look_at_due(ctx: Context) -> str:
    """Look at the attempts in doubt that are due. One that cannot be looked at does not stop the others."""
    found = await due(ctx.pool)
    ended = 0
    with background():
        for attempt_id in found:
            try:
                ended += (await _look(ctx, attempt_id)).outcome is not None
            except PortalError as error:
                log.warning("capture_not_looked_at", attempt_id=attempt_id, error=error.code)
                await doubtful_captures.note_look(ctx.pool, attempt_id)
    return f"{len(found)} looked at, {ended} no longer in doubt"


async def due(pool: asyncpg.Pool) -> list[int]:
    """Return the attempts in doubt that are to be looked at now, `MOST_LOOKS` at most."""
    return [row["attempt_id"] for row in await pool.fetch(_DUE, float(SETTLE_SECONDS), MOST_LOOKS)]


async def _look(ctx: Context, attempt_id: int) -> Attempt:
    async with in_hand(ctx, attempt_id) as attempt:
        if attempt.outcome is None:
            await doubtful_captures.resolve(ctx, attempt, await live(ctx, attempt))
    return await one(ctx, attempt_id)


@asynccontextmanager
async def in_hand(ctx: Context, attempt_id: int) -> AsyncIterator[Attempt]:
    """Keep everybody else from charging the attempt's invoice, and from deciding on the attempt.

    Raises:
        NotFound: `capture_not_found`.
        Conflict: `payment_in_progress`.
    """
    attempt = await one(ctx, attempt_id)
    async with ctx.locks.exclusively("pay_invoice", attempt.account_id, attempt.invoice_id) as mine:
        if not mine:
            raise in_progress(0)
        yield await one(ctx, attempt_id)


async def live(ctx: Context, attempt: Attempt) -> WhmcsRecord:
    """Read the invoice of an attempt from WHMCS, and submit it to the read model.

    Raises:
        NotFound: it is absent, a draft, or another account's by now.
        UpstreamError: WHMCS did not answer.
    """
    client_id = await ctx.pool.fetchval(
        "SELECT whmcs_client_id FROM portal.id_mappings WHERE account_id = $1", attempt.account_id
    )
    actor = Actor(account_id=attempt.account_id, whmcs_client_id=client_id or "")
    return (await read(ctx, actor, attempt.invoice_id, attempt.currency)).record


async def one(ctx: Context, attempt_id: int) -> Attempt:
    """Return an attempt.

    Raises:
        NotFound: `capture_not_found`.
    """
    found = await captures.one(ctx.pool, attempt_id)
    if found is None:
        raise NotFound("There is no such attempt to charge.", code="capture_not_found")
    return found


COMMAND = StaffCommand(look_at_capture, "capture.look", writes=(), away="refuse")
