"""Opening and closing of everything a process needs, in one place and in order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from msgspec import Struct

from app.cache.redis_breaker import GuardedRedis
from app.commands.execution.context import Context
from app.commands.execution.locks import Locks
from app.db import STATEMENT_SECONDS, open_pool
from app.ingest.inbox import unreadables
from app.ingest.inbox.inbox import Inbox
from app.ingest.inbox.settled_signal import SettledSignal
from app.integrations.admission.admission import Admission
from app.integrations.freebit.client import FreebitClient
from app.integrations.salesforce.cases import SalesforceCases
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.whm.client import WhmClient
from app.integrations.whmcs.client import WhmcsClient
from app.jobs import Jobs
from app.settings import Settings


class Resources(Struct):
    """The engines and upstream clients of one process."""

    settings: Settings
    pool: asyncpg.Pool
    redis: GuardedRedis
    jobs: Jobs
    inbox: Inbox
    salesforce: SalesforceClient
    whmcs: WhmcsClient
    freebit: FreebitClient
    whm: WhmClient
    cases: SalesforceCases
    """The port through which support-case queries read Salesforce live."""
    admission: Admission
    locks: Locks

    @property
    def context(self) -> Context:
        """The part that commands receive."""
        return Context(
            settings=self.settings,
            pool=self.pool,
            redis=self.redis,
            inbox=self.inbox,
            salesforce=self.salesforce,
            whmcs=self.whmcs,
            freebit=self.freebit,
            whm=self.whm,
            locks=self.locks,
        )


@asynccontextmanager
async def open_resources(
    settings: Settings, *, pool_size: int = 10, statement_seconds: float = STATEMENT_SECONDS
) -> AsyncIterator[Resources]:
    """Open everything; close it in reverse order however the block ends. No upstream is called."""
    async with AsyncExitStack() as stack:
        pool = await open_pool(settings.database_url, size=pool_size, statement_seconds=statement_seconds)
        stack.push_async_callback(pool.close)
        await stack.enter_async_context(unreadables.saved_periodically(pool))
        redis = GuardedRedis.open(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        admission = await Admission.open(settings)
        stack.push_async_callback(admission.close)
        upstreams = admission.upstreams
        salesforce = await SalesforceClient.open(settings, upstreams["salesforce"])
        stack.push_async_callback(salesforce.close)
        whmcs = await WhmcsClient.open(settings, upstreams["whmcs"])
        stack.push_async_callback(whmcs.close)
        freebit = await FreebitClient.open(settings, upstreams["freebit"])
        stack.push_async_callback(freebit.close)
        whm = await WhmClient.open(settings, upstreams["whm"])
        stack.push_async_callback(whm.close)
        jobs = Jobs(redis)
        locks = Locks(settings.database_url)
        stack.push_async_callback(locks.close)
        settled_signal = SettledSignal()
        settled_signal.listen(settings.database_url)
        stack.push_async_callback(settled_signal.close)
        inbox = Inbox(pool, jobs.waker(), settled_signal)
        cases = SalesforceCases(salesforce)
        yield Resources(settings, pool, redis, jobs, inbox, salesforce, whmcs, freebit, whm, cases, admission, locks)
