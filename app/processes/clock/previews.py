"""What a dry run of a job says: what it would do now. Nothing is changed, here or upstream.

Reads: portal.mails, and what the functions that it calls read.
"""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import structs

from app.commands.billing import capture_looks
from app.commands.billing.watch_automation import ask
from app.commands.dunning.staff.adopt import left_alone
from app.commands.subscriptions.plan_changes import journal, scheduled_lists
from app.ingest import retention
from app.processes.clock.job import ClockJob
from app.projections import rebuild
from app.projections.engine import fan_outs
from app.projections.rebuild import requests
from app.projections.registry import projectors
from app.resources import Resources
from app.schedule.billing_tasks import conflicts, listed

MOST = 500
_DUE_MAILS = """
SELECT kind, count(*) FROM portal.mails WHERE finished_at IS NULL AND next_attempt_at <= clock_timestamp()
GROUP BY kind ORDER BY kind
"""


def added(jobs: Sequence[ClockJob]) -> list[ClockJob]:
    """Add the previews to their jobs."""
    return [structs.replace(each, preview=PREVIEWS.get(each.name)) for each in jobs]


async def _mail(r: Resources) -> list[str]:
    due = await r.pool.fetch(_DUE_MAILS)
    return [f"Would send {each['count']:,} mails of the kind {each['kind']}." for each in due]


async def _fanout(r: Resources) -> list[str]:
    return [f"Would recompute the rows that refer to {each}." for each in await fan_outs.waiting(r.pool, MOST)]


async def _plans(r: Resources) -> list[str]:
    due = await journal.due(r.pool, MOST)
    return [f"Would apply plan change {each.change_id} of service {each.subscription_id}." for each in due]


async def _doubts(r: Resources) -> list[str]:
    return [f"Would look at attempt {each} to charge an invoice." for each in await capture_looks.due(r.pool)]


async def _scheduled(r: Resources) -> list[str]:
    due = await scheduled_lists.due(r.pool, MOST)
    return [f"Would change service {each.subscription_id} to {each.product_name}." for each in due]


async def _rebuild(r: Resources) -> list[str]:
    known = projectors(r.settings)
    wanted = [*await rebuild.due(r.pool, known), *await requests.pending(r.pool, known)]
    return [f"Would rebuild {each.name}." for each in wanted]


async def _clean(r: Resources) -> list[str]:
    expired = await retention.expired(r.pool)
    return [f"Would delete {count:,} rows of {table}." for table, count in expired.items() if count]


async def _automation(r: Resources) -> list[str]:
    found = await ask(r.whmcs, r.settings.whmcs_time_zone)
    switches = [f"{each.task} is {each.whmcs_switch} in WHMCS, last done {each.whmcs_did_on}." for each in found.tasks]
    return [*filter(None, [found.concern]), *switches, *conflicts(await listed(r.pool), r.settings.whmcs_time_zone)]


PREVIEWS: dict[str, Callable[[Resources], Awaitable[list[str]]]] = {
    "automation": _automation,
    "captures": lambda r: left_alone(r.context, "captures"),
    "clean": _clean,
    "doubts": _doubts,
    "fanout": _fanout,
    "mail": _mail,
    "plans": _plans,
    "rebuild": _rebuild,
    "scheduled": _scheduled,
    "suspension": lambda r: left_alone(r.context, "suspension"),
}
