"""The layers that the fast path answers from, opened and closed in order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from app.cache.lease import Lease
from app.cache.read_through import ReadThrough
from app.cache.redis_pipeline import RedisPipeline
from app.commands.identity.sessions.session_cache import SessionHolder, visitors
from app.commands.identity.sessions.session_use import SessionUse
from app.db import open_pool
from app.http.fast.access_log import AccessLog
from app.http.guards.local_counts import LocalCounts
from app.http.streaming.session_ends import SessionEnds
from app.queries.cache.answer_cache import AnswerCache
from app.queries.reading.store import Store
from app.settings import Settings

MIB = 1 << 20


class FastLayers(Struct, frozen=True):
    """The caches of answers and sessions, the lease that keeps them honest, and the log of what was answered."""

    store: Store
    cache: AnswerCache
    sessions: ReadThrough[SessionHolder]
    lease: Lease
    pipeline: RedisPipeline
    counts: LocalCounts
    access_log: AccessLog
    touches: SessionUse
    session_ends: SessionEnds

    def forget(self, word: str) -> None:
        """Drop what a notification names: `a` and an account, `s` and a session's hash, `*` everything."""
        if word.startswith("a"):
            self.cache.forget(word[1:])
        elif word.startswith("s"):
            self.sessions.forget(word[1:])
            self.session_ends.changed(word[1:])
        else:
            self.cache.forget_all()
            self.sessions.forget_all()
            self.session_ends.any_changed()


@asynccontextmanager
async def open_layers(settings: Settings) -> AsyncIterator[FastLayers]:
    """Open all layers, and close them in reverse."""
    async with AsyncExitStack() as stack:
        pool = await open_pool(settings.database_url, only_reads=True)
        stack.push_async_callback(pool.close)
        lease, pipeline, touches = Lease(), RedisPipeline(settings.redis_url), SessionUse(pool)
        stack.push_async_callback(touches.close)
        layers = FastLayers(
            Store(
                pool,
                settings.salesforce_channel,
                settings.whmcs_time_zone,
                settings.feed_bound_seconds,
                settings.tax_rates,
            ),
            AnswerCache(pool, lease, pipeline, settings.answer_memory_mib * MIB),
            visitors(pool, settings, touches),
            lease,
            pipeline,
            LocalCounts(pipeline),
            AccessLog(settings),
            touches,
            SessionEnds(),
        )
        for each in (pipeline, layers.counts, layers.access_log):
            each.open()
            stack.push_async_callback(each.close)
        lease.open(settings.database_url, layers.forget)
        stack.push_async_callback(lease.close)
        yield layers
