"""The cdc process: follows Salesforce's change events, and backfills the mirror when it has no replay position."""

import asyncio
import signal
from datetime import datetime
from functools import partial

import structlog
import uvloop
from msgspec import structs

from app import tasks
from app.db import is_outage
from app.ingest.catch_up.backfill import OBJECTS, Backfill
from app.ingest.refetch.owners import EVERYBODYS, whmcs_hint
from app.ingest.refetch.salesforce_window import resync
from app.ingest.sources.canary import Alarm, heard
from app.ingest.sources.cdc_listener import Listener
from app.ingest.sources.leader import lead
from app.integrations.salesforce.events.pubsub import PubSubClient
from app.leases import Lost
from app.logs import configure
from app.pooler import refuse_transaction_pooler
from app.processes.clock import canaries, registry
from app.processes.clock.job import ClockJob
from app.processes.clock.runner import JobRunner
from app.processes.sd_notify import READY, STOPPING, guarded, heartbeat, notify
from app.resources import Resources, open_resources
from app.settings import Settings

HEARTBEAT_SECONDS = 5

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Listen until told to stop.

    Raises:
        TransactionPooler: locks would not hold.
    """
    configure(settings)
    uvloop.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Listen until SIGTERM or SIGINT."""
    await refuse_transaction_pooler(settings.database_url)
    async with open_resources(settings, pool_size=8) as resources:
        pubsub = await PubSubClient.open(settings, resources.salesforce)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        running = [asyncio.create_task(_keep_leading(resources, pubsub)), asyncio.create_task(_keep_beating())]
        with guarded(settings.watchdog_seconds):
            notify(READY)
            await stopped.wait()
        notify(STOPPING)
        await tasks.end(*running)
        await pubsub.close()


async def _keep_leading(resources: Resources, pubsub: PubSubClient) -> None:
    while True:
        try:
            await lead(resources.pool, lambda: _follow(resources, pubsub))
        except Exception as error:
            if isinstance(error, Lost) or is_outage(error):
                log.error("listener_lost_lead", error=repr(error))
            else:
                log.exception("listener_lost_lead")
            await asyncio.sleep(1)


async def _keep_beating() -> None:
    """Send heartbeats. They prove that the process is not stuck; feeds and canaries prove that events arrive."""
    while True:
        heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _follow(resources: Resources, pubsub: PubSubClient) -> None:
    settings, pool, inbox = resources.settings, resources.pool, resources.inbox

    async def catch_up(since: datetime | None) -> None:
        """Read what changed since then, or everything if nothing is known.

        The stream that follows starts at the oldest retained event, so there is no gap.
        """
        if since is not None:
            async for name, count in resync(inbox, resources.salesforce, OBJECTS, since):
                log.info("resync_page", object=name, records=count, since=since.isoformat())
            return
        async for step in Backfill(pool, inbox).salesforce(resources.salesforce):
            log.info("backfill_page", part=step.name, done=step.done, total=step.total)
        await inbox.submit([whmcs_hint(each, "all", "first-fill") for each in EVERYBODYS])

    silence = settings.cdc_silence_seconds
    changes = Listener(pool, inbox, pubsub, settings.salesforce_channel, catch_up, silence)
    eligibility = Listener(pool, inbox, pubsub, settings.salesforce_eligibility_topic, None, silence)
    work = [changes.listen_forever(), eligibility.listen_forever()]
    if not settings.salesforce_canary_account_id:
        await heard(pool, settings.salesforce_channel)
    work.append(_run_jobs(resources, changes))
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)


async def _run_jobs(resources: Resources, changes: Listener) -> None:
    """Run the clock jobs of the listener for as long as this process leads. A lost canary has the feed reopened."""

    async def reopen() -> None:
        await changes.feed.report("stalled", "the canary did not come back")
        changes.renew()

    everything = registry.jobs(resources.settings)
    own = [_with_alarm(each, reopen) for each in everything if each.process == "cdc"]
    await JobRunner(resources, own, registry.registrations(resources.settings)).run_until_cancelled()


def _with_alarm(job: ClockJob, reopen: Alarm) -> ClockJob:
    if job.run is canaries.follow_change_events:
        return structs.replace(job, run=partial(canaries.follow_change_events, alarm=reopen))
    return job
