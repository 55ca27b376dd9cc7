"""The worker process: drains the inbox into the read models, re-reads what hints name, drives fulfilment.

SAQ delivers the wake-ups; a sweep of our own, which needs no Redis, finds work whose wake-up was lost.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

import structlog
import uvloop
from saq import Worker

from app import leases, tasks
from app.cache.redis_breaker import GuardedRedis
from app.commands import fulfilment
from app.commands.execution import ledger
from app.commands.fulfilment.provision import templates
from app.db import is_outage
from app.ingest.apply import drain
from app.ingest.apply.live import LiveDrain
from app.ingest.inbox import inbox, rechecks
from app.ingest.inbox.pending import forget_pending
from app.ingest.refetch import fetch
from app.ingest.refetch.upstreams import Upstreams
from app.ingest.versions import publish
from app.integrations.admission.priority import background
from app.jobs import JOB_TIMEOUT_SECONDS, JobQueue
from app.logs import configure
from app.pooler import refuse_transaction_pooler
from app.processes import gc_tuning
from app.processes.clock import registry
from app.processes.clock.runner import RUNNER, JobRunner
from app.processes.sd_notify import READY, STOPPING, guarded, heartbeat, notify
from app.processes.sweep import OwnWork, isolated
from app.projections.engine import recompute
from app.projections.registry import with_previous
from app.resources import Resources, open_resources
from app.schedule import clock_jobs
from app.settings import Settings

GRACE_SECONDS = 3
FOLLOW_UP_SECONDS = 0.02
"""Interval between runs of the work that follows commits.

It takes five small queries. After each of two hundred commits a second, they cost more than the commits did.
"""
NEW_KEY_SECONDS = 5
"""Interval after which a fulfilment job gets a new key.

A job that died with its worker keeps its key until it times out, and an order whose key is taken would wait as long. If
two jobs run for one order, the second finds the order locked and gives up.
"""

OVERDUE_SECONDS = 15
"""An order that has been due for this long is started by the sweep itself, whatever the queue says."""
ALONE_SECONDS = 0.5
DEQUEUE_SECONDS = 1.0
BLOCKED_SECONDS = 5.0
LOOK_BACK = 1_000

log = structlog.get_logger()


class QuietWorker(Worker[Any]):
    """A SAQ worker without signal handlers (the process runs several), which leaves Redis alone while it fails."""

    SIGNALS = []  # noqa: RUF012

    async def upkeep(self) -> list[asyncio.Task[None]]:
        """Start the library's chores on the queue."""
        info = partial(self.worker_info, self.timers["worker_info"] + 1)
        chores: list[tuple[Callable[[], Awaitable[Any]], float]] = [
            (partial(self.abort, self.timers["abort"]), self.timers["abort"]),
            (partial(self.schedule, self.timers["schedule"]), self.timers["schedule"]),
            (partial(self.queue.sweep, self.timers["sweep"]), self.timers["sweep"]),
            (info, self.timers["worker_info"]),
        ]
        return [asyncio.create_task(self._repeat(chore, seconds)) for chore, seconds in chores]

    async def _repeat(self, chore: Callable[[], Awaitable[Any]], seconds: float) -> None:
        assert isinstance(self.queue, JobQueue)
        while not self.event.is_set():
            try:
                if self.queue.guarded.breaker.closed:
                    await chore()
            except Exception as error:
                await self.queue.repair(error)
                log.warning("queue_upkeep_failed", queue=self.queue.name, error=repr(error))
            await asyncio.sleep(seconds)


class WorkerJobs:
    """The jobs of this process. Each may run at any time, any number of times."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._upstreams = Upstreams(resources.salesforce, resources.whmcs, resources.whm)
        self._committed = asyncio.Event()
        self._project = partial(recompute.project, with_previous(resources.settings))
        self._context = resources.context
        share = max(resources.settings.worker_concurrency // 4, 1)
        at_once = {"apply": share, "fetch": share, "fulfil": resources.settings.worker_concurrency}
        self.own = OwnWork(at_once, JOB_TIMEOUT_SECONDS)
        self.live = LiveDrain(resources.pool, self._project, self._wake, self._note_commit, self._drain_alone)
        self._due_since: dict[str, float] = {}
        self._newest_notice, self._noticed = 0, frozenset[int]()

    async def fetch(self, job: Any, *, shard: int) -> None:
        """Re-read what a shard of hints names."""
        await isolated("fetch", str(shard), partial(self._fetch, shard), self.own.failures)

    async def fulfil(self, job: Any, *, order_id: str) -> None:
        """Advance an order's fulfilment as far as possible."""
        run = partial(fulfilment.run, self._context, order_id)
        await isolated("fulfil", order_id, run, self.own.failures)

    async def apply(self, shard: int) -> None:
        """Drain one shard of changes into mirror and read models."""
        r = self._resources
        await drain.drain(r.pool, shard, self._project, self._wake, self._note_commit)

    def _drain_alone(self, shard: int) -> None:
        self.own.start("apply", str(shard), partial(self.apply, shard))

    async def _wake(self, pairs: Iterable[tuple[str, int]]) -> None:
        """Continue follow-up work in this process, or through the queue."""
        if any(lane == "apply" for lane, _ in pairs):
            self.live.arrived()
        await self._resources.inbox.wake(pairs)

    async def _fetch(self, shard: int) -> None:
        with background():
            await fetch.fetch(self._resources.pool, shard, self._upstreams, self._resources.inbox.wake)

    async def _note_commit(self) -> None:
        self._committed.set()

    async def follow_commits(self) -> None:
        """Run `after_commit` until cancelled, once for all commits since the last run.

        The sweep makes up for a failure here.
        """
        while True:
            await self._committed.wait()
            self._committed.clear()
            try:
                await self.after_commit()
            except Exception as error:
                if is_outage(error):
                    log.warning("after_commit_postponed", error=repr(error))
                else:
                    log.exception("after_commit_failed")
            await asyncio.sleep(FOLLOW_UP_SECONDS)

    async def after_commit(self) -> None:
        """Publish changes to Redis, and start the orders they affect: approved, or waiting for a card or a payment."""
        published = await publish.publish(self._resources.pool, self._resources.redis)
        changes = published if self._resources.redis.breaker.closed else [*published, *await self._unheard()]
        resumed: list[str] = []
        for name, code in fulfilment.RESUMED_BY.items():
            accounts = {notice.account_id for notice in changes if notice.slice == name}
            resumed += await fulfilment.resume_paused(self._resources.pool, accounts, code)
        if resumed or any(notice.slice == "orders" for notice in changes):
            await self._start_fulfilments()

    async def _unheard(self) -> list[publish.ChangeNotice]:
        """Return changes that cannot be published to Redis, each once to this process.

        Concurrent commits become visible in any order, so some numbers before the newest are looked at again.
        """
        found = await publish.pending(self._resources.pool, self._newest_notice - LOOK_BACK)
        fresh = [notice for notice in found if notice.id not in self._noticed]
        self._noticed = frozenset(notice.id for notice in found)
        self._newest_notice = max([self._newest_notice, *self._noticed])
        return fresh

    async def sweep(self, *, wait: bool = True) -> None:
        """Run everything that is due and was not announced, once.

        Shards run concurrently. Unless `wait` is true they continue in the background, and so does what cannot be
        queued.
        """
        failures = self.own.failures
        await isolated("sweep", "frozen", partial(leases.end_frozen, self._resources.pool), failures)
        await isolated("sweep", "shards", self._start_shards, failures)
        if wait:
            await self.own.done()
        await isolated("sweep", "pending", partial(forget_pending, self._resources.pool), failures)
        lost = partial(rechecks.recheck_lost, self._resources.pool, self._resources.inbox.wake)
        await isolated("sweep", "lost_writes", lost, failures)
        await isolated("sweep", "commands", partial(ledger.give_up_lost, self._resources.pool), failures)
        await isolated("sweep", "news", self.after_commit, failures)
        await isolated("sweep", "fulfilments", self._start_fulfilments, failures)

    async def _start_shards(self) -> None:
        for lane, shard in await inbox.open_shards(self._resources.pool):
            run = partial(self.apply if lane == "apply" else self._fetch, shard)
            self.own.start(lane, str(shard), run)

    async def _start_fulfilments(self) -> None:
        """Queue due fulfilments; run those directly that cannot be queued or were queued without effect."""
        pool, now = self._resources.pool, time.monotonic()
        await fulfilment.take_up(pool)
        await fulfilment.resume_after_outages(pool)
        window = int(time.time() // NEW_KEY_SECONDS)
        due = list(dict.fromkeys([*await fulfilment.due(pool), *await fulfilment.provision_due(pool)]))
        self._due_since = {order_id: self._due_since.get(order_id, now) for order_id in due}
        for order_id in due:
            asked = await self._resources.jobs.enqueue("fulfil", f"{order_id}:{window}", order_id=order_id)
            if not asked or now - self._due_since[order_id] > OVERDUE_SECONDS:
                self._due_since[order_id] = now
                self.own.start("fulfil", order_id, partial(fulfilment.run, self._context, order_id))

    async def keep_sweeping(self, every_seconds: float) -> None:
        """Sweep until cancelled; a failing sweep is logged and tried again.

        A sweep that hangs ends the heartbeat. Without Redis there are no wake-ups, so it sweeps more often.
        """
        while True:
            started = time.monotonic()
            await self.sweep(wait=False)
            heartbeat()
            await self._note_sweep(time.monotonic() - started, every_seconds)
            alone = not self._resources.redis.breaker.closed
            await asyncio.sleep(min(every_seconds, ALONE_SECONDS) if alone else every_seconds)

    async def _note_sweep(self, seconds: float, every_seconds: float) -> None:
        """Record the sweep among the clock jobs, and how much of the work it starts keeps failing."""
        failing = sum(count > 0 for count in self.own.failures.values())
        detail = f"{failing} pieces of work fail" if failing else ""
        noting = partial(
            clock_jobs.note,
            self._resources.pool,
            "sweep",
            RUNNER,
            seconds=seconds,
            detail=detail,
            next_in_seconds=every_seconds,
        )
        await isolated("sweep", "note", noting, self.own.failures)


def run(settings: Settings) -> None:
    """Work until told to stop.

    Raises:
        SettingsError: a provisioning template cannot be used.
        TransactionPooler: locks would not hold.
    """
    configure(settings)
    templates.load(settings.provision_templates)
    uvloop.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT. Running jobs get a grace period, and another worker finds the rest."""
    await refuse_transaction_pooler(settings.database_url)
    async with open_resources(settings, pool_size=settings.worker_concurrency * 2 + 24) as resources:
        work = WorkerJobs(resources)
        workers = _workers(settings, resources, work)
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        serving = [asyncio.create_task(worker.start()) for worker in workers]
        background = [
            asyncio.create_task(work.keep_sweeping(settings.sweep_seconds)),
            asyncio.create_task(work.live.follow(resources.inbox.settled_signal)),
            asyncio.create_task(work.follow_commits()),
            asyncio.create_task(_clock_jobs(resources).run_until_cancelled()),
        ]
        gc_tuning.settle()
        with guarded(settings.watchdog_seconds):
            log.info("worker_ready", concurrency=settings.worker_concurrency)
            notify(READY)
            await stopped.wait()
        log.info("worker_stopping")
        notify(STOPPING)
        for worker in workers:
            worker.event.set()
        await tasks.end(*background)
        await asyncio.wait(serving, timeout=GRACE_SECONDS + 2)
        await tasks.end(*serving)
        await work.own.stop()
        with contextlib.suppress(Exception):  # otherwise another worker's sweep does it a little later
            async with asyncio.timeout(1):
                await work.after_commit()


def _clock_jobs(resources: Resources) -> JobRunner:
    jobs = registry.jobs(resources.settings)
    own = [each for each in jobs if each.process == "worker"]
    return JobRunner(resources, own, registry.registrations(resources.settings))


def _workers(settings: Settings, resources: Resources, work: WorkerJobs) -> list[Worker[Any]]:
    """Create one SAQ worker per kind of work.

    They wait in Redis for the next job, so their client is more patient. Fulfilments mostly wait for upstreams, some of
    which take a minute: a few slow ones must not delay the rest. The upstream's client bounds concurrent calls.
    """
    redis = GuardedRedis.open(settings.redis_url, resources.redis.breaker, BLOCKED_SECONDS)
    kinds = {"fetch": work.fetch, "fulfil": work.fulfil}
    share = max(settings.worker_concurrency // 2, 1)
    concurrency = {"fetch": max(share // 2, 1), "fulfil": settings.worker_concurrency}
    return [
        QuietWorker(
            JobQueue(redis, kind),
            functions=[(kind, function)],  # type: ignore[list-item]
            concurrency=concurrency[kind],
            timers={"sweep": 2, "schedule": 1, "worker_info": 10, "abort": 5},
            shutdown_grace_period_s=GRACE_SECONDS,
            dequeue_timeout=DEQUEUE_SECONDS,
        )
        for kind, function in kinds.items()
    ]
