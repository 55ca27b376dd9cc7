"""Follow what is paid, cancelled, moved or held: end what is settled, and bring services back, within seconds.

The read models say where to look, whoever paid and however; WHMCS says what is so. Nothing here moves money, so the
emergency stop does not hold it, and it goes on where a setting gives charging and suspending back to WHMCS.

Reads: read_model.invoices, portal.dunning, portal.dunning_holds. Writes: portal.dunning, ingest.inbox, and what
`restore` writes.
"""

from datetime import date, datetime, timedelta
from uuid import uuid4

import structlog
from msgspec import structs

from app.commands.dunning import attend, candidates, journal
from app.commands.dunning.decide import End, standing
from app.commands.dunning.inherited import take_over
from app.commands.dunning.journal import COLUMNS, DunningRow
from app.commands.dunning.look import look
from app.commands.dunning.merged_holds import follow_merges
from app.commands.dunning.restore import held, restore_all
from app.commands.dunning.schedule import Calendar, calendar_of
from app.commands.execution.context import Context
from app.db import is_outage, rows
from app.ingest.refetch.owners import whmcs_hint

AT_ONCE = 50
LOOK_AGAIN_SECONDS = 20

_NEWS = f"""
SELECT {", ".join(f"d.{name.strip()}" for name in COLUMNS.split(","))} FROM portal.dunning d
LEFT JOIN read_model.invoices i ON i.account_id::text = d.account_id AND i.invoice_id = d.whmcs_invoice_id::text
WHERE d.ended_at IS NULL
  AND (i.invoice_id IS NULL OR i.status NOT IN ('unpaid', 'payment_pending', 'unknown') OR i.balance <= 0
       OR i.due_on > $1)
  AND coalesce(d.looked_at, '-infinity') < $2::timestamptz - $3 * interval '1 second'
ORDER BY d.looked_at NULLS FIRST LIMIT {AT_ONCE}
"""
_HELD = f"SELECT {COLUMNS} FROM portal.dunning d WHERE d.state = 'suspended' AND {held('d')} LIMIT {AT_ONCE}"
_ASK = f"""
UPDATE portal.dunning SET asked_at = $1 WHERE whmcs_invoice_id IN (
    SELECT whmcs_invoice_id FROM portal.dunning
    WHERE state = 'suspended' AND coalesce(asked_at, '-infinity') < $1::timestamptz - interval '5 minutes'
    ORDER BY asked_at NULLS FIRST LIMIT {AT_ONCE})
RETURNING whmcs_invoice_id
"""

log = structlog.get_logger()


async def follow(ctx: Context, at: datetime) -> int:
    """Follow everything that has news; returns the number of services that came back.

    Raises:
        OSError, asyncpg.PostgresError: the database went away.
    """
    calendar = calendar_of(ctx.settings)
    today = calendar.day_of(at)
    await follow_merges(ctx.pool)
    for row in await rows(ctx.pool, DunningRow, _NEWS, today, at, LOOK_AGAIN_SECONDS):
        try:
            await _settle(ctx, row, at, today)
        except Exception as error:
            if is_outage(error):
                raise
            log.warning("dunning_not_followed", invoice_id=row.invoice_id, error=repr(error))
            await journal.note_look(ctx.pool, row.invoice_id, at)
    for row in await rows(ctx.pool, DunningRow, _HELD, today):
        await _hold(ctx, row, calendar, at)
    await _ask_again(ctx, at)
    await take_over(ctx, calendar, at)
    return await restore_all(ctx, at, today)


async def _settle(ctx: Context, row: DunningRow, at: datetime, today: date) -> None:
    """Read an invoice of which the read models say that nothing is owed, and end its dunning if WHMCS says so too."""
    async with attend.turn(ctx, row.invoice_id) as mine:
        if not mine:
            return
        looked = await look(ctx, await candidates.subject_of(ctx, row), today)
        found = standing(looked.facts, today)
        if isinstance(found, End):
            await attend.end(ctx, looked, found, at)
        await journal.note_look(ctx.pool, row.invoice_id, at)


async def _hold(ctx: Context, row: DunningRow, calendar: Calendar, at: datetime) -> None:
    """Take a held invoice back into its grace: its services come back, until the hold is over."""
    async with attend.turn(ctx, row.invoice_id) as mine:
        if mine:
            until = await candidates.held_until(ctx, row, calendar.day_of(at))
            suspend_on = calendar.working_day(until + timedelta(days=1)) if until else None
            to = structs.replace(row, state="grace", suspend_on=suspend_on)
            await journal.store(ctx.pool, row, to, at)


async def _ask_again(ctx: Context, at: datetime) -> None:
    """Have suspended invoices read again now and then, because the news of a payment may be lost."""
    found = await ctx.pool.fetch(_ASK, at)
    await ctx.inbox.submit(
        [whmcs_hint("invoice", str(each["whmcs_invoice_id"]), f"dunning:{uuid4()}") for each in found]
    )
