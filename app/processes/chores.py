"""The worker's chores: periodic background work, each done by one worker at a time and throttled."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import structlog
from msgspec import Struct, structs

from app import leases
from app.clock import now
from app.commands import mail_outbox
from app.commands.account import report_to_salesforce
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
from app.lock_numbers import LockSpace
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


class Chore(Struct, frozen=True):
    """A periodic task; `name` is also the name of its lock."""

    name: str
    every_seconds: float
    run: Callable[[Resources], Awaitable[None]]
    most_seconds: float = 900.0
    """A run that takes longer counts as hung and is started again."""


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


async def clean(resources: Resources) -> None:
    """Delete what is no longer needed."""

    async def forget(what: str) -> None:
        if what == "ledger":
            await ledger.forget_old(resources.pool)
        else:
            await retention.clean(resources.pool, inbox_days=resources.settings.inbox_retention_days)

    await for_each("clean", ("ledger", "retention"), forget)


async def rebuild_raised(resources: Resources) -> None:
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


async def fan_out(resources: Resources) -> None:
    """Recompute the rows that refer to a changed record, where there are many."""
    async for size in Pace(FANOUT_SHARE).paced(fan_outs.run(resources.pool, with_previous(resources.settings))):
        log.info("fanned_out", groups=size)


async def follow_merges(resources: Resources) -> None:
    """Request refetches for linked customers that disappeared upstream."""
    if asked := await merges.request(resources.pool, resources.inbox):
        log.info("customers_gone_upstream", asked=asked)


async def send_mail(resources: Resources) -> None:
    """Send the mails that are due."""
    await mail_outbox.send_due(resources.pool, resources.settings)


async def report_customers(resources: Resources) -> None:
    """Report new customers and sign-ins to Salesforce that were not reported at the time."""
    await report_to_salesforce.report_pending(resources.pool, resources.salesforce)


async def sweep_cases(resources: Resources) -> None:
    """Read the support cases that changed. If Salesforce is away, the next run makes up for it."""
    try:
        with background():
            found = await case_sweep.sweep(resources.pool, resources.inbox, resources.salesforce)
        if found:
            log.info("cases_swept", changed=found)
    except UpstreamError as error:
        log.warning("case_sweep_postponed", error=str(error))


async def follow_plans(resources: Resources) -> None:
    """Apply paid changes of plan to the network or server."""
    await follow(resources.context)


async def follow_providers(resources: Resources) -> None:
    """Let providers follow what WHMCS says of the services that the portal provisioned."""
    await follow_billing(resources.context)


async def read_hosting(resources: Resources) -> None:
    """Request a read of WHM's list of accounts."""
    await resources.inbox.submit([hosting_accounts.list_hint(f"schedule:{now().isoformat()}")])


async def make_scheduled(resources: Resources) -> None:
    """Make the scheduled changes of plan that are due."""
    await make_due(resources.context)


async def reconcile(resources: Resources) -> None:
    """Compare the upstreams with the mirror. If an upstream is away, the next run tries again."""
    run = Reconcile(resources.pool, resources.inbox, Upstreams(resources.salesforce, resources.whmcs))

    async def compare(part: AsyncIterator[Any]) -> None:
        try:
            with background():
                async for found in part:
                    log.info("reconciled", **structs.asdict(found))
        except UpstreamError as error:
            log.warning("reconcile_postponed", error=str(error))

    parts = (run.salesforce(), run.whmcs(resources.settings.reconcile_whmcs_clients))
    await for_each("reconcile", parts, compare)


CHORES = (
    Chore("fanout", 1, fan_out, most_seconds=3_600),
    Chore("clean", 600, clean),
    Chore("mail", 1, send_mail),
    Chore("salesforce", 60, report_customers),
    Chore("merges", 10, follow_merges),
    Chore("plans", 1, follow_plans),
    Chore("scheduled", 5, make_scheduled),
    Chore("providers", 2, follow_providers),
    Chore("rebuild", 30, rebuild_raised, most_seconds=86_400),
)


async def run_chores(resources: Resources) -> None:
    """Run every chore at its own interval until cancelled."""
    chores = [*CHORES]
    if every_seconds := resources.settings.case_sweep_seconds:
        chores.append(Chore("cases", every_seconds, sweep_cases))
    if every_seconds := resources.settings.whm_sync_seconds:
        chores.append(Chore("whm", every_seconds, read_hosting))
    if every_seconds := resources.settings.reconcile_seconds:
        chores.append(Chore("reconcile", every_seconds, reconcile))
    await asyncio.gather(*(_repeat(resources, chore) for chore in chores))


async def _repeat(resources: Resources, chore: Chore) -> None:
    """Run a chore for as long as the process lives.

    Start after a random delay, so that a restarted worker drains the queue first.
    """
    await asyncio.sleep(chore.every_seconds * random.uniform(0.1, 0.3))
    while True:
        try:
            await leases.alone(
                resources.pool, LockSpace.CHORE, chore.name, partial(chore.run, resources), chore.most_seconds
            )
        except TimeoutError:
            log.error("chore_hung", chore=chore.name, seconds=chore.most_seconds)
        except leases.Lost as error:
            log.warning("chore_given_up", chore=chore.name, error=str(error))
        except Exception as error:
            if is_outage(error):
                log.error("chore_postponed", chore=chore.name, error=repr(error))
            else:
                log.exception("chore_failed", chore=chore.name)
        await asyncio.sleep(chore.every_seconds * random.uniform(0.8, 1.2))
