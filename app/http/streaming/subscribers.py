"""Who in this process waits for news of an account, and the one Redis connection that hears of it.

A message only says "look again"; the notices in Postgres are the truth. While Redis is away everybody looks again now
and then, so nothing is lost and little is late.
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
LOOK_SECONDS = 1.0
"""Below the connection's own time-out, which would end a quiet subscription."""
SILENCE_SECONDS = 20.0

log = structlog.get_logger()


class Subscribers:
    """The waiting streams of one process; `app/http/streaming/stream_slots.py` bounds their number."""

    def __init__(self, redis: GuardedRedis) -> None:
        self._subscribed = False
        self._told_of = ""
        self.closing = False
        self._redis = redis
        self._open = 0
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._pubsub: Any = None
        self._task: asyncio.Task[None] | None = None

    @property
    def hears(self) -> bool:
        """Whether news is heard of at once. A Redis that refuses is told none, though its connection lives."""
        return self._subscribed and self._redis.breaker.closed

    def open(self) -> None:
        """Begin to listen, and go on after any interruption, until `close`."""
        self._task = asyncio.create_task(self._listen_for_ever())

    async def close(self) -> None:
        """End every stream and stop listening."""
        self.end_streams()
        await tasks.end(self._task)

    def end_streams(self) -> None:
        """End every stream; whoever comes back is sent away at once, to resume elsewhere."""
        self.closing = True
        self._ring_all()

    @contextlib.contextmanager
    def at(self, account_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever the account, or what is everybody's, may have changed."""
        channel, rung = event_channel(account_id), asyncio.Event()
        same = self._waiting.setdefault(channel, set())
        same.add(rung)
        self._open += 1
        if len(same) == 1:
            self._tell("subscribe", channel)
        try:
            yield rung
        finally:
            self._open -= 1
            same.discard(rung)
            if not same:
                del self._waiting[channel]
                self._tell("unsubscribe", channel)

    def _tell(self, word: str, channel: str) -> None:
        """Change the subscription in the background; if that fails, the listener begins anew with all of them."""
        if self._pubsub is not None and self._subscribed:
            task = asyncio.create_task(self._change(word, channel))
            task.add_done_callback(lambda done: done.exception())

    async def _change(self, word: str, channel: str) -> None:
        with contextlib.suppress(RedisError, OSError):
            await getattr(self._pubsub, word)(channel)
            for rung in self._waiting.get(channel, ()):
                rung.set()  # what came before the subscription took hold

    async def _listen_for_ever(self) -> None:
        while not self.closing:
            try:
                async with self._redis.pubsub() as pubsub:
                    await self._listen(pubsub)
            except Exception as error:  # whatever Redis does, streams look for themselves
                if self._told_of != type(error).__name__:
                    self._told_of = type(error).__name__
                    log.warning("event_streams_poll", error=repr(error))
            finally:
                self._subscribed, self._pubsub = False, None
                self._ring_all()
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, pubsub: Any) -> None:
        await pubsub.subscribe(event_channel(GLOBAL_ACCOUNT), *self._waiting)
        self._pubsub, self._subscribed, self._told_of = pubsub, True, ""
        self._ring_all()
        clock = asyncio.get_running_loop().time
        heard_at = asked_at = clock()
        while not self.closing and clock() - heard_at < SILENCE_SECONDS:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=LOOK_SECONDS)
            if message is not None:
                heard_at = clock()
                self._ring(message)
            elif clock() - max(heard_at, asked_at) > SILENCE_SECONDS / 2:
                asked_at = clock()
                await pubsub.ping()
        raise RedisConnectionError("no answer to a ping")

    def _ring(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":
            return
        channel = message["channel"].decode()
        if channel == event_channel(GLOBAL_ACCOUNT):
            self._ring_all()
        for rung in self._waiting.get(channel, ()):
            rung.set()

    def _ring_all(self) -> None:
        for same in self._waiting.values():
            for rung in same:
                rung.set()
