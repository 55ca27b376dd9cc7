"""The worker process: drains the inbox into the read models, reads again what hints name, drives fulfilment.

SAQ delivers the wake-ups; a sweep of our own, which needs no Redis, finds what a lost wake-up left behind.
"""

import asyncio
import contextlib
import signal
import time
from functools import partial
from typing import Any

import structlog
import uvloop
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from saq import Worker
from saq.queue.redis import RedisQueue

from app import collector
from app.commands import fulfilment
from app.commands.fulfilment.provision import templates
from app.ingest import drain, fetch, inbox
from app.ingest.pending import forget_pending
from app.ingest.upstreams import Upstreams
from app.integrations.admission.lanes import background
from app.logs import configure
from app.notify import READY, STOPPING, heartbeat, notify
from app.projections import engine, publish
from app.projections.registry import with_previous
from app.resources import Resources, open_resources
from app.settings import Settings
from app.upkeep import keep_up

GRACE_SECONDS = 3
BETWEEN_TELLINGS_SECONDS = 0.02
"""What follows a commit asks five small questions. Asked after every one of two hundred commits a second, they took
more than the commits did."""
ASKED_ANEW_SECONDS = 5
"""A job that died with its worker keeps its key until it times out, and an order whose key is taken would wait for as
long; so the key is another one every so often. Whoever comes second finds the order locked and leaves it."""

log = structlog.get_logger()


class QuietWorker(Worker[Any]):
    """A SAQ worker that leaves the signals to the process, which runs several."""

    SIGNALS = []  # noqa: RUF012


class Work:
    """The jobs of this process; each may run at any time, any number of times."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._upstreams = Upstreams(resources.salesforce, resources.whmcs)
        self._committed = asyncio.Event()
        self._project = partial(engine.project, with_previous(resources.settings))
        self._context = resources.context

    async def apply(self, job: Any, *, shard: int) -> None:
        """Drain a shard of changes into mirror and read models."""
        r = self._resources
        await drain.drain(r.pool, shard, self._project, r.inbox.wake, self._note_commit)

    async def fetch(self, job: Any, *, shard: int) -> None:
        """Read again what a shard of hints names."""
        with background():
            await fetch.fetch(self._resources.pool, shard, self._upstreams, self._resources.inbox.wake)

    async def fulfil(self, job: Any, *, order_id: str) -> None:
        """Take an order's fulfilment as far as it goes now."""
        await fulfilment.run(self._context, order_id)

    async def _note_commit(self) -> None:
        self._committed.set()

    async def follow_commits(self) -> None:
        """Do what commits ask for until cancelled: once for all that came while the last time took. What fails here is
        found by the sweep."""
        while True:
            await self._committed.wait()
            self._committed.clear()
            try:
                await self.after_commit()
            except Exception:
                log.exception("after_commit_failed")
            await asyncio.sleep(BETWEEN_TELLINGS_SECONDS)

    async def after_commit(self) -> None:
        """Tell Redis what changed, and start what it sets off: orders approved, or waiting for a card or money."""
        told = await publish.publish(self._resources.pool, self._resources.redis)
        resumed: list[str] = []
        for name, code in fulfilment.RESUMED_BY.items():
            accounts = {notice.account_id for notice in told if notice.slice == name}
            resumed += await fulfilment.resume_paused(self._resources.pool, accounts, code)
        if resumed or any(notice.slice == "orders" for notice in told):
            await self._start_fulfilments()

    async def sweep(self) -> None:
        """Once: everything that is due and that nobody was told about."""
        for lane, shard in await inbox.open_shards(self._resources.pool):
            await (self.apply if lane == "apply" else self.fetch)(None, shard=shard)
        await forget_pending(self._resources.pool)
        await self.after_commit()
        await self._start_fulfilments()

    async def _start_fulfilments(self) -> None:
        pool = self._resources.pool
        await fulfilment.take_approved(pool)
        window = int(time.time() // ASKED_ANEW_SECONDS)
        for order_id in [*await fulfilment.due(pool), *await fulfilment.provision_due(pool)]:
            await self._resources.jobs.enqueue("fulfil", f"{order_id}:{window}", order_id=order_id)

    async def sweep_for_ever(self, every_seconds: float) -> None:
        """Sweep until cancelled; a failing sweep is logged and tried again. One that hangs ends the heartbeat."""
        while True:
            try:
                await self.sweep()
            except Exception:
                log.exception("sweep_failed")
            heartbeat()
            await asyncio.sleep(every_seconds)


def run(settings: Settings) -> None:
    """Work until told to stop.

    Raises:
        SettingsError: a provisioning template cannot be used.
    """
    configure(settings)
    templates.load(settings.provision_templates)
    uvloop.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; running jobs get a grace period, and what they leave is found again."""
    async with open_resources(settings, pool_size=settings.worker_concurrency * 2 + 8) as resources:
        work = Work(resources)
        workers = _workers(settings, work)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        tasks = [asyncio.create_task(worker.start()) for worker in workers]
        background = [
            asyncio.create_task(work.sweep_for_ever(settings.sweep_seconds)),
            asyncio.create_task(work.follow_commits()),
            asyncio.create_task(keep_up(resources)),
        ]
        collector.settle()
        log.info("worker_ready", concurrency=settings.worker_concurrency)
        notify(READY)
        await stopped.wait()
        log.info("worker_stopping")
        notify(STOPPING)
        for worker in workers:
            worker.event.set()
        for task in background:
            task.cancel()
        await asyncio.wait([*tasks, *background], timeout=GRACE_SECONDS + 2)
        with contextlib.suppress(Exception):  # another worker's sweep does it otherwise, a little later
            await asyncio.wait_for(work.after_commit(), 1)


def _workers(settings: Settings, work: Work) -> list[Worker[Any]]:
    """One SAQ worker a kind of work. Their client waits between attempts, so that Redis being away costs no CPU.

    Fulfilments do little but wait for upstreams, some of which take a minute: a few slow ones must not hold up the
    rest. How much an upstream is asked at once is bounded by its client.
    """
    retry = Retry(ExponentialBackoff(cap=2, base=0.1), retries=8)
    redis = Redis.from_url(settings.redis_url, retry=retry, retry_on_error=[ConnectionError, OSError])
    kinds = {"apply": work.apply, "fetch": work.fetch, "fulfil": work.fulfil}
    share = max(settings.worker_concurrency // 2, 1)
    concurrency = {"apply": share, "fetch": max(share // 2, 1), "fulfil": settings.worker_concurrency}
    return [
        QuietWorker(
            RedisQueue(redis, name=kind),
            functions=[(kind, function)],  # type: ignore[list-item]
            concurrency=concurrency[kind],
            timers={"sweep": 2, "schedule": 1, "worker_info": 10, "abort": 5},
            shutdown_grace_period_s=GRACE_SECONDS,
            dequeue_timeout=1.0,
        )
        for kind, function in kinds.items()
    ]
