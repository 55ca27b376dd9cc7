"""What the fast lane works with while the application runs, opened and closed in order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from app.cache.lease import Lease
from app.cache.read_through import ReadThrough
from app.cache.redis_pipeline import RedisPipeline
from app.commands.identity.sessions.session_cache import SessionHolder, visitors
from app.commands.identity.sessions.session_use import SessionUse as Touches
from app.db import open_pool
from app.http.fast.access_log import AccessLog
from app.http.guards.local_counts import Tallies
from app.http.streaming.session_ends import SessionEnds
from app.queries.cache.answer_cache import AnswerCache
from app.queries.reading.store import Store
from app.settings import Settings

MIB = 1 << 20


class FastLayers(Struct, frozen=True):
    """The layers, what guards them, and what is noted of each answer."""

    store: Store
    pages: AnswerCache
    visitors: ReadThrough[SessionHolder]
    watch: Lease
    copies: RedisPipeline
    tallies: Tallies
    log: AccessLog
    touches: Touches
    session_ends: SessionEnds

    def forget(self, word: str) -> None:
        """What a notification names: `a` and an account, `s` and a session's hash, `*` everything."""
        if word.startswith("a"):
            self.pages.forget(word[1:])
        elif word.startswith("s"):
            self.visitors.forget(word[1:])
            self.session_ends.heard_of(word[1:])
        else:
            self.pages.forget_all()
            self.visitors.forget_all()
            self.session_ends.heard_nothing()


@asynccontextmanager
async def open_serving(settings: Settings) -> AsyncIterator[FastLayers]:
    """Everything, opened; closed in reverse."""
    async with AsyncExitStack() as stack:
        pool = await open_pool(settings.database_url, only_reads=True)
        stack.push_async_callback(pool.close)
        watch, copies, touches = Lease(), RedisPipeline(settings.redis_url), Touches(pool)
        stack.push_async_callback(touches.close)
        serving = FastLayers(
            Store(pool, settings.salesforce_channel, settings.whmcs_time_zone, settings.feed_bound_seconds),
            AnswerCache(pool, watch, copies, settings.answer_memory_mib * MIB),
            visitors(pool, settings, touches),
            watch,
            copies,
            Tallies(copies),
            AccessLog(settings),
            touches,
            SessionEnds(),
        )
        for each in (copies, serving.tallies, serving.log):
            each.open()
            stack.push_async_callback(each.close)
        watch.open(settings.database_url, serving.forget)
        stack.push_async_callback(watch.close)
        yield serving
