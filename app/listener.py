"""The cdc process: follows Salesforce's change events and fills the mirror when it has no position to follow from."""

import asyncio
import signal

import structlog
import uvloop

from app.ingest.accounts import whmcs_hint
from app.ingest.backfill import Backfill
from app.ingest.listener import Listener, lead
from app.integrations.salesforce.pubsub import PubSubClient
from app.logs import configure
from app.resources import Resources, open_resources
from app.settings import Settings

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Listen until told to stop."""
    configure(settings)
    uvloop.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Listen until SIGTERM or SIGINT."""
    async with open_resources(settings, pool_size=4) as resources:
        pubsub = await PubSubClient.open(settings, resources.salesforce)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        task = asyncio.create_task(_lead_for_ever(resources, pubsub))
        await stopped.wait()
        task.cancel()
        await asyncio.wait([task], timeout=5)
        await pubsub.close()


async def _lead_for_ever(resources: Resources, pubsub: PubSubClient) -> None:
    while True:
        try:
            await lead(resources.pool, lambda: _follow(resources, pubsub))
        except Exception:
            log.exception("listener_lost_lead")
            await asyncio.sleep(1)


async def _follow(resources: Resources, pubsub: PubSubClient) -> None:
    settings = resources.settings

    async def fill() -> None:
        """A snapshot; the stream that follows starts at the oldest retained event, so nothing falls in between."""
        run = Backfill(resources.pool, resources.inbox)
        async for step in run.salesforce(resources.salesforce):
            log.info("backfill_page", part=step.name, done=step.done, total=step.total)
        await resources.inbox.submit([whmcs_hint("gateways", "all", "first-fill")])

    changes = Listener(resources.pool, resources.inbox, pubsub, settings.salesforce_channel, resync=fill)
    eligibility = Listener(resources.pool, resources.inbox, pubsub, settings.salesforce_eligibility_topic)
    await asyncio.gather(changes.listen_for_ever(), eligibility.listen_for_ever())
