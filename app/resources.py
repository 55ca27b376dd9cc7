"""Opens and closes everything a process needs, in one place and in order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from msgspec import Struct

from app.commands.context import Context
from app.db import open_pool
from app.ingest.bell import Bell
from app.ingest.inbox import Inbox
from app.integrations.freebit.client import FreebitClient
from app.integrations.salesforce.cases import SalesforceCases
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.whm.client import WhmClient
from app.integrations.whmcs.client import WhmcsClient
from app.jobs import Jobs
from app.redis_breaker import GuardedRedis
from app.settings import Settings


class Resources(Struct):
    """Engines and clients of one process."""

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
    """The port through which the support-case queries read Salesforce live."""

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
async def open_resources(settings: Settings, *, pool_size: int = 10) -> AsyncIterator[Resources]:
    """Everything, opened; closed in reverse however the block ends. No upstream is called."""
    async with AsyncExitStack() as stack:
        pool = await open_pool(settings.database_url, size=pool_size)
        stack.push_async_callback(pool.close)
        redis = GuardedRedis.open(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        salesforce = await SalesforceClient.open(settings)
        stack.push_async_callback(salesforce.close)
        whmcs = await WhmcsClient.open(settings)
        stack.push_async_callback(whmcs.close)
        freebit = await FreebitClient.open(settings)
        stack.push_async_callback(freebit.close)
        whm = await WhmClient.open(settings)
        stack.push_async_callback(whm.close)
        jobs = Jobs(redis)
        bell = Bell()
        bell.listen(settings.database_url)
        stack.push_async_callback(bell.close)
        inbox = Inbox(pool, jobs.waker(), bell)
        yield Resources(
            settings, pool, redis, jobs, inbox, salesforce, whmcs, freebit, whm, SalesforceCases(salesforce)
        )
