"""The streams of this process that wait for changes of an account, and the one Redis connection that announces them.

A message only says "read again"; the notices in Postgres are the truth. While Redis is away streams poll, so that
nothing is lost and little is late.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from app import tasks
from app.cache.redis_breaker import GuardedRedis
from app.readmodels.documents import event_channel
from app.readmodels.table import GLOBAL_ACCOUNT

RETRY_SECONDS = 1.0
POLL_SECONDS = 1.0
"""Below the connection's own time-out, which would end a quiet subscription."""
SILENCE_SECONDS = 20.0

log = structlog.get_logger()


class Subscribers:
    """The waiting streams of one process; `app/http/streaming/stream_slots.py` bounds their number."""

    def __init__(self, redis: GuardedRedis) -> None:
        self._subscribed = False
        self._logged_error = ""
        self.closing = False
        self._redis = redis
        self._open = 0
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._pubsub: Any = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_live(self) -> bool:
        """True while changes are announced at once. A Redis that refuses writes announces none, although it is
        connected."""
        return self._subscribed and self._redis.breaker.closed

    def open(self) -> None:
        """Start to listen, and resume after any interruption, until `close`."""
        self._task = asyncio.create_task(self._listen_until_closed())

    async def close(self) -> None:
        """End every stream and stop listening."""
        self.end_streams()
        await tasks.end(self._task)

    def end_streams(self) -> None:
        """End every stream. A client that reconnects here is disconnected at once, to resume in another process."""
        self.closing = True
        self._wake_all()

    @contextlib.contextmanager
    def at(self, account_id: UUID) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever the account, or what all accounts share, may have changed."""
        channel, woken = event_channel(account_id), asyncio.Event()
        same = self._waiting.setdefault(channel, set())
        same.add(woken)
        self._open += 1
        if len(same) == 1:
            self._resubscribe("subscribe", channel)
        try:
            yield woken
        finally:
            self._open -= 1
            same.discard(woken)
            if not same:
                del self._waiting[channel]
                self._resubscribe("unsubscribe", channel)

    def _resubscribe(self, word: str, channel: str) -> None:
        """Change the subscription in the background. If that fails, the listener starts again with all of them."""
        if self._pubsub is not None and self._subscribed:
            task = asyncio.create_task(self._change(word, channel))
            task.add_done_callback(lambda done: done.exception())

    async def _change(self, word: str, channel: str) -> None:
        with contextlib.suppress(RedisError, OSError):
            await getattr(self._pubsub, word)(channel)
            for woken in self._waiting.get(channel, ()):
                woken.set()  # a change before the subscription took effect

    async def _listen_until_closed(self) -> None:
        while not self.closing:
            try:
                async with self._redis.pubsub() as pubsub:
                    await self._listen(pubsub)
            except Exception as error:  # whatever Redis does, streams poll
                if self._logged_error != type(error).__name__:
                    self._logged_error = type(error).__name__
                    log.warning("event_streams_poll", error=repr(error))
            finally:
                self._subscribed, self._pubsub = False, None
                self._wake_all()
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, pubsub: Any) -> None:
        await pubsub.subscribe(event_channel(GLOBAL_ACCOUNT), *self._waiting)
        self._pubsub, self._subscribed, self._logged_error = pubsub, True, ""
        self._wake_all()
        clock = asyncio.get_running_loop().time
        heard_at = asked_at = clock()
        while not self.closing and clock() - heard_at < SILENCE_SECONDS:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=POLL_SECONDS)
            if message is not None:
                heard_at = clock()
                self._wake(message)
            elif clock() - max(heard_at, asked_at) > SILENCE_SECONDS / 2:
                asked_at = clock()
                await pubsub.ping()
        raise RedisConnectionError("no answer to a ping")

    def _wake(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":
            return
        channel = message["channel"].decode()
        if channel == event_channel(GLOBAL_ACCOUNT):
            self._wake_all()
        for woken in self._waiting.get(channel, ()):
            woken.set()

    def _wake_all(self) -> None:
        for same in self._waiting.values():
            for woken in same:
                woken.set()
