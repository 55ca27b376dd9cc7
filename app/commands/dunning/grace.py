"""The days of grace, and the suspension after them: what a run of the suspension job does for one invoice.

Reads: read_model.subscriptions, portal.dunning, portal.dunning_suspensions, portal.suspension_permits. Writes:
portal.dunning, portal.suspension_permits, and what `suspend` writes.
"""

from collections.abc import Sequence
from datetime import date, datetime

import asyncpg
import structlog
from msgspec import Struct

from app.audit import Operator, audit
from app.clock import now
from app.commands.dunning import attend, candidates, journal, moves
from app.commands.dunning.decide import End, NotYet, StandStill, Suspend, grace_decision
from app.commands.dunning.journal import DunningRow
from app.commands.dunning.look import Looked, look
from app.commands.dunning.moves import InvoiceTerms
from app.commands.dunning.policy import MOST_DAYS, policies
from app.commands.dunning.schedule import Calendar, calendar_of
from app.commands.dunning.suspend import is_fresh, suspend
from app.commands.execution.context import Context, StaffCommand
from app.readmodels.services import ENDED
from app.schedule import requests

ALWAYS = 3
"""Accounts that may be suspended in one day however few there are."""

_ACCOUNTS = "SELECT count(DISTINCT account_id) FROM read_model.subscriptions WHERE status <> ALL($1::text[])"
_SUSPENDED = """
SELECT DISTINCT account_id FROM portal.dunning
WHERE suspended_at >= $1::timestamptz AND suspended_at < $1::timestamptz + interval '1 day'
"""
_PERMIT = """
INSERT INTO portal.suspension_permits (day, most, permitted_by) VALUES ($1, $2, $3)
ON CONFLICT (day) DO UPDATE SET most = excluded.most, permitted_by = excluded.permitted_by, permitted_at = now()
"""

log = structlog.get_logger()


class Today(Struct, frozen=True):
    """The rows that a run attends to: those whose grace goes on, and those that are due for suspension today."""

    going_on: Sequence[DunningRow]
    due: Sequence[DunningRow]


async def of_today(ctx: Context, calendar: Calendar, at: datetime) -> Today:
    """Return what a run attends to, as far as the journal alone tells."""
    today, since = calendar.day_of(at), await candidates.handed_over_on(ctx, "suspension", calendar)
    shortest = min(each.grace_days or MOST_DAYS for each in policies(ctx.settings).all)
    open_rows = await journal.all_open(ctx.pool, ["grace"])
    ours = [each for each in open_rows if since is not None and (each.due_on > since or each.adopted_by)]
    due = [each for each in ours if _may_be_due(each, shortest, today)]
    return Today([each for each in ours if each not in due], due)


def _may_be_due(row: DunningRow, shortest: int, today: date) -> bool:
    return row.suspend_on is not None and row.suspend_on <= today and row.grace_seen + 1 >= shortest


async def excess(ctx: Context, calendar: Calendar, due: Sequence[DunningRow], at: datetime) -> str | None:
    """Return why nobody is suspended today, if more accounts are due than one day may suspend."""
    today = calendar.day_of(at)
    done = {each["account_id"] for each in await ctx.pool.fetch(_SUSPENDED, calendar.midnight(today))}
    wanted = {each.account_id for each in due} | done
    accounts: int = await ctx.pool.fetchval(_ACCOUNTS, list(ENDED))
    percent = ctx.settings.suspensions_per_day_percent
    most = max(ALWAYS, int(accounts * percent / 100))
    permitted = await ctx.pool.fetchval("SELECT most FROM portal.suspension_permits WHERE day = $1", today) or 0
    if len(wanted) <= max(most, permitted):
        return None
    return (
        f"Nobody is suspended: {len(wanted):,} of {accounts:,} accounts are due today, and {most:,} may be suspended "
        f"in one day ({percent:g} %). Look with `portal schedule run suspension --dry-run`; if that is right, permit "
        f"it for today with `portal schedule run suspension --confirm {len(wanted)}`."
    )


class SuspensionPermit(Struct, frozen=True):
    """The permission to suspend up to `accounts` accounts on `day`, whatever the bound of a day says."""

    day: date
    """The day for which it counts."""
    accounts: int
    permitted_by: str
    """Who gave it."""


async def permit(
    pool: asyncpg.Pool, operator: Operator, day: date, accounts: int, reason: str = ""
) -> SuspensionPermit:
    """Permit this many accounts to be suspended on a day; the last permission of a day counts."""
    permitted = SuspensionPermit(day, accounts, operator.name or str(operator.user_id))
    detail = {"most": str(accounts), **({"reason": reason} if reason else {})}
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_PERMIT, day, accounts, permitted.permitted_by)
        await audit(connection, operator, "suspension.permit", [day.isoformat()], **detail)
    return permitted


async def permit_today(ctx: Context, operator: Operator, accounts: int, reason: str) -> SuspensionPermit:
    """Permit this many suspensions for the rest of WHMCS's day, and have a process run the job at once.

    Raises:
        Conflict: `job_not_runnable`, WHMCS suspends.
        NotFound: `no_job`, no process has registered it yet.
    """
    await requests.runnable(ctx.pool, "suspension")
    permitted = await permit(ctx.pool, operator, calendar_of(ctx.settings).day_of(now()), accounts, reason)
    await requests.request_run(ctx.pool, operator, name="suspension")  # whoever runs it must find the permission
    return permitted


async def pass_day(ctx: Context, row: DunningRow, at: datetime, *, may_suspend: bool) -> None:
    """Count a day of an invoice's grace, or suspend what it bills if the grace is over and `may_suspend`.

    Raises:
        UpstreamError: nothing was counted.
        Conflict: `subscription_busy`, the next run goes on.
    """
    calendar = calendar_of(ctx.settings)
    async with attend.turn(ctx, row.invoice_id) as mine:
        if not mine:
            return
        today = calendar.day_of(at)
        looked = await look(ctx, await candidates.subject_of(ctx, row), today)
        if looked.row is None or looked.row.ended_at is not None:
            return
        terms = await attend.terms_of(ctx, looked)
        decision = grace_decision(looked.facts, terms.policy, calendar, at)
        if isinstance(decision, End):
            await attend.end(ctx, looked, decision, at)
            return
        if isinstance(decision, Suspend) and may_suspend and await _suspended(ctx, looked, looked.row, at, today):
            return
        if not isinstance(decision, NotYet):
            await _count(ctx, looked.row, terms, at, today, counted=not isinstance(decision, StandStill))


async def _suspended(ctx: Context, looked: Looked, row: DunningRow, at: datetime, today: date) -> bool:
    """Suspend, if the read models agree that the invoice is unpaid. Returns whether that settles the day."""
    if not await is_fresh(ctx, row.owner, row.invoice_id):
        log.warning("suspension_postponed", invoice_id=row.invoice_id, reason="the read models are not fresh")
        return False
    outcome = await suspend(ctx, looked, row, at, today)
    if outcome == "nothing":
        await attend.end(ctx, looked, End("abandoned", "nothing_to_suspend"), at)
    return outcome != "kept"


async def _count(
    ctx: Context, row: DunningRow, terms: InvoiceTerms, at: datetime, today: date, *, counted: bool
) -> None:
    if counted and row.grace_seen_on is not None and row.grace_seen_on >= today:
        return  # a run that is repeated on a day, such as one that asked for permission, moves no suspension
    to, told = moves.after_day(row, terms, today, counted=counted)
    if to != row:
        await journal.store(ctx.pool, row, to, at, told)


COMMANDS = (
    StaffCommand(permit, "suspension.permit", writes=(), away="refuse"),
    StaffCommand(permit_today, "suspension.permit", writes=(), away="refuse"),
)
