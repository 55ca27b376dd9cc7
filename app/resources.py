"""Opens and closes everything a process needs, in one place and in order."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError
from saq.queue.redis import RedisQueue

from app.commands.context import Context
from app.db import STATEMENT_SECONDS, open_pool
from app.ingest import unreadables
from app.ingest.bell import Bell
from app.ingest.inbox import Inbox, Wake
from app.integrations.admission.admission import Admission
from app.integrations.freebit.client import FreebitClient
from app.integrations.salesforce.cases import SalesforceCases
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.whm.client import WhmClient
from app.integrations.whmcs.client import WhmcsClient
from app.settings import Settings

JOB_TIMEOUT_SECONDS = {"apply": 10, "fetch": 60, "fulfil": 120}
"""Kinds of work, each with a queue of its own so that a slow upstream never holds up pure database work."""

log = structlog.get_logger()


class Jobs:
    """Asks for work by key. A job is only a wake-up; what is to be done stands in Postgres."""

    def __init__(self, redis: Redis) -> None:
        self._queues = {kind: RedisQueue(redis, name=kind) for kind in JOB_TIMEOUT_SECONDS}

    async def enqueue(self, kind: str, key: str, **arguments: object) -> None:
        """Ask once. A keyed job is refused while one of the same key is queued *or running*, and a running one may
        already have looked for the last time; so a key has two slots, and the second waits behind the first. What slips
        through even so, and everything while Redis is away, is found by the worker's sweep."""
        queue, timeout = self._queues[kind], JOB_TIMEOUT_SECONDS[kind]
        try:
            for slot in ("a", "b"):
                if await queue.enqueue(kind, key=f"{key}:{slot}", timeout=timeout, retries=1, ttl=-1, **arguments):
                    return
        except (RedisError, OSError) as error:
            log.warning("wake_up_lost_sweep_will_find_it", kind=kind, error=repr(error))

    def waker(self) -> Wake:
        """Wakes the workers for (lane, shard) pairs of the inbox."""

        async def wake(pairs: Iterable[tuple[str, int]]) -> None:
            for lane, shard in pairs:
                await self.enqueue(lane, str(shard), shard=shard)

        return wake


class Resources(Struct):
    """Engines and clients of one process."""

    settings: Settings
    pool: asyncpg.Pool
    redis: Redis
    jobs: Jobs
    inbox: Inbox
    salesforce: SalesforceClient
    whmcs: WhmcsClient
    freebit: FreebitClient
    whm: WhmClient
    cases: SalesforceCases
    """The port through which the support-case queries read Salesforce live."""
    admission: Admission

    @property
    def context(self) -> Context:
        """What commands get of it."""
        return Context(
            settings=self.settings,
            pool=self.pool,
            redis=self.redis,
            inbox=self.inbox,
            salesforce=self.salesforce,
            whmcs=self.whmcs,
            freebit=self.freebit,
            whm=self.whm,
        )


@asynccontextmanager
async def open_resources(
    settings: Settings, *, pool_size: int = 10, statement_seconds: float = STATEMENT_SECONDS
) -> AsyncIterator[Resources]:
    """Everything, opened; closed in reverse however the block ends. No upstream is called."""
    async with AsyncExitStack() as stack:
        pool = await open_pool(settings.database_url, size=pool_size, statement_seconds=statement_seconds)
        stack.push_async_callback(pool.close)
        await stack.enter_async_context(unreadables.written_down(pool))
        redis = Redis.from_url(settings.redis_url, socket_timeout=2, socket_connect_timeout=1)
        stack.push_async_callback(redis.aclose)
        admission = await Admission.open(settings)
        stack.push_async_callback(admission.close)
        gates = admission.gates
        salesforce = await SalesforceClient.open(settings, gates["salesforce"])
        stack.push_async_callback(salesforce.close)
        whmcs = await WhmcsClient.open(settings, gates["whmcs"])
        stack.push_async_callback(whmcs.close)
        freebit = await FreebitClient.open(settings, gates["freebit"])
        stack.push_async_callback(freebit.close)
        whm = await WhmClient.open(settings, gates["whm"])
        stack.push_async_callback(whm.close)
        jobs = Jobs(redis)
        bell = Bell()
        bell.listen(settings.database_url)
        stack.push_async_callback(bell.close)
        inbox = Inbox(pool, jobs.waker(), bell)
        yield Resources(
            settings, pool, redis, jobs, inbox, salesforce, whmcs, freebit, whm, SalesforceCases(salesforce), admission
        )
