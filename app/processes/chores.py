"""The work of the worker's clock jobs, one function each. `app/processes/clock/registry.py` says when they run."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import structlog
from msgspec import structs

from app.clock import now
from app.commands import mail_outbox
from app.commands.account import checked_address, export_journal, report_to_salesforce
from app.commands.billing import capture_looks
from app.commands.billing import watch_automation as automation
from app.commands.dunning.shown.announce import announce_due
from app.commands.execution import ledger
from app.commands.providers.follow import follow as follow_billing
from app.commands.subscriptions.plan_changes.follow import follow
from app.commands.subscriptions.plan_changes.run_due import make_due
from app.db import is_outage
from app.errors import UpstreamError
from app.ingest import retention
from app.ingest.catch_up.reconcile import Reconcile
from app.ingest.refetch import case_sweep, hosting_accounts, merges
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.admission.priority import background
from app.personal_data.own_export import own_archive
from app.processes import queued_commands
from app.processes.clock.job import Postponed
from app.projections import rebuild
from app.projections.engine import fan_outs
from app.projections.projector import Projector
from app.projections.rebuild import requests
from app.projections.rebuild.pace import Pace
from app.projections.registry import projectors, with_previous
from app.resources import Resources

FANOUT_SHARE = 0.3
REBUILD_SHARE = 0.3
"""Maximum share of time for background work that no customer waits for."""

log = structlog.get_logger()


async def for_each(chore: str, members: Iterable[Any], work: Callable[[Any], Awaitable[None]]) -> None:
    """Run `work` for every member. A failing one is logged and does not stop the others.

    A database outage is not one member's failure, so it ends the run.
    """
    for member in members:
        try:
            await work(member)
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("chore_member_failed", chore=chore, member=str(member))


async def clean(resources: Resources) -> str:
    """Delete what is no longer needed."""
    gone: dict[str, int] = {}

    async def forget(what: str) -> None:
        if what == "ledger":
            await ledger.forget_old(resources.pool)
        else:
            gone.update(await retention.clean(resources.pool, inbox_days=resources.settings.inbox_retention_days))

    await for_each("clean", ("ledger", "retention"), forget)
    return _counted(sum(gone.values()), "rows")


async def rebuild_raised(resources: Resources) -> str:
    """Rebuild read models whose projector version this release raised, or that an operator requested.

    Old generations are dropped afterwards.
    """
    known = projectors(resources.settings)

    async def one(projector: Projector) -> None:
        outcome = await rebuild.rebuild(resources.pool, projector, pace=Pace(REBUILD_SHARE))
        await requests.done(resources.pool, projector.name)
        if not outcome.serving:
            log.error("rebuild_needs_a_decision", slice=projector.name, refusal=outcome.refusal)

    wanted = [*await rebuild.due(resources.pool, known), *await requests.pending(resources.pool, known)]
    await for_each("rebuild", wanted, one)
    for dropped in await rebuild.drop_old(resources.pool, known):
        log.info("generation_dropped", generation=dropped)
    return ", ".join(each.name for each in wanted)


async def fan_out(resources: Resources) -> str:
    """Recompute the rows that refer to a changed record, where there are many."""
    total = 0
    async for size in Pace(FANOUT_SHARE).paced(fan_outs.run(resources.pool, with_previous(resources.settings))):
        total += size
        log.info("fanned_out", groups=size)
    return _counted(total, "groups")


async def follow_merges(resources: Resources) -> str:
    """Request refetches for linked customers that disappeared upstream."""
    if asked := await merges.request(resources.pool, resources.inbox):
        log.info("customers_gone_upstream", asked=asked)
    return _counted(asked, "customers")


async def send_mail(resources: Resources) -> str:
    """Send the mails that are due."""
    return _counted(await mail_outbox.send_due(resources.pool, resources.settings), "mails")


async def make_exports(resources: Resources) -> str:
    """Make the copies of their data that customers asked for, and delete those that expired."""
    await export_journal.forget_expired(resources.pool)

    async def make(taken: export_journal.TakenExport) -> bytes:
        return await own_archive(resources.pool, taken.account_id)

    return _counted(await export_journal.make_due(resources.pool, make), "exports")


async def show_dunning(resources: Resources) -> str:
    """Show customers what dunning did and does next."""
    return _counted(await announce_due(resources.context), "invoices")


async def report_customers(resources: Resources) -> str:
    """Report new customers and sign-ins to Salesforce that were not reported at the time."""
    return _counted(await report_to_salesforce.report_pending(resources.pool, resources.salesforce), "customers")


async def record_checked_addresses(resources: Resources) -> str:
    """Record the addresses whose availability staff confirmed without naming them."""
    done = await checked_address.record_missing(resources.pool, resources.inbox, resources.salesforce)
    return _counted(done, "accounts")


async def sweep_cases(resources: Resources) -> str:
    """Read the support cases that changed."""
    with background():
        found = await case_sweep.sweep(resources.pool, resources.inbox, resources.salesforce)
    if found:
        log.info("cases_swept", changed=found)
    return _counted(found, "cases")


async def follow_plans(resources: Resources) -> str:
    """Apply paid changes of plan to the network or server."""
    return _counted(await follow(resources.context), "changes")


async def look_at_captures(resources: Resources) -> str:
    """Look at WHMCS again for charges that nobody answered."""
    return await capture_looks.look_at_due(resources.context)


async def follow_providers(resources: Resources) -> None:
    """Let providers follow what WHMCS says of the services that the portal provisioned."""
    await follow_billing(resources.context)


async def read_hosting(resources: Resources) -> None:
    """Request a read of WHM's list of accounts."""
    await resources.inbox.submit([hosting_accounts.list_hint(f"schedule:{now().isoformat()}")])


async def run_queued(resources: Resources) -> str:
    """Run the commands that waited for an upstream."""
    return await queued_commands.run_due(resources.context)


async def make_scheduled(resources: Resources) -> str:
    """Make the scheduled changes of plan that are due."""
    return _counted(await make_due(resources.context), "changes")


async def reconcile(resources: Resources) -> None:
    """Compare the upstreams with the mirror.

    Raises:
        Postponed: an upstream is away; the others were compared.
    """
    run = Reconcile(resources.pool, resources.inbox, Upstreams(resources.salesforce, resources.whmcs))
    away: list[str] = []

    async def compare(part: AsyncIterator[Any]) -> None:
        try:
            with background():
                async for found in part:
                    log.info("reconciled", **structs.asdict(found))
        except UpstreamError as error:
            away.append(str(error))

    parts = (run.salesforce(), run.whmcs(resources.settings.reconcile_whmcs_clients))
    await for_each("reconcile", parts, compare)
    if away:
        raise Postponed("; ".join(away))


async def watch_automation(resources: Resources) -> str:
    """Ask WHMCS whether its own automation runs, and what it does."""
    with background():
        return await automation.watch_automation(resources.context)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count else ""
