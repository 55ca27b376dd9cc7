"""The number of event streams, bounded per process and per account over all processes.

A stream takes its slot before it awaits anything, so that opening many at once opens no more. Redis counts the streams
of an account. A process reports there that it is alive, and the streams of one that is not do not count. Without Redis
each process counts alone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from redis.exceptions import RedisError

from app.cache.redis_breaker import GuardedRedis
from app.errors import RateLimited
from app.words.sentence import say

ALIVE_SECONDS = 15
"""The time after which a process that has not reported counts as dead."""
REPORT_SECONDS = 5.0
KEPT_SECONDS = 86_400
"""Longer than any session lasts; its streams end with it."""

_TAKE = """
redis.call('SET', ARGV[3] .. string.sub(ARGV[1], 1, 32), 1, 'EX', ARGV[4])
for _, stream in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('EXISTS', ARGV[3] .. string.sub(stream, 1, 32)) == 0 then redis.call('SREM', KEYS[1], stream) end
end
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""
_PROCESS = "portal:streams:process:"
_ACCOUNT = "portal:streams:account:"


class StreamSlots:
    """The slots of one process. `in_all` bounds this process, `per_account` all processes together."""

    def __init__(self, redis: GuardedRedis, *, per_account: int, in_all: int) -> None:
        self._redis, self._per_account, self._in_all = redis, per_account, in_all
        self._process = uuid4().hex
        self._own: dict[str, set[str]] = {}
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Start to report that this process is alive."""
        self._start(self._report_periodically())

    async def close(self) -> None:
        """Withdraw the report, so that the streams of this process count no more."""
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.wait(tasks)
        with contextlib.suppress(RedisError, OSError):
            await self._redis.delete(_PROCESS + self._process)

    @asynccontextmanager
    async def slot(self, account_id: UUID) -> AsyncIterator[None]:
        """Hold a slot while a stream is open.

        Raises:
            RateLimited: `too_many_streams`.
        """
        account, stream = str(account_id), f"{self._process}{uuid4().hex}"
        if len(self._own.get(account, ())) >= self._per_account or self._open >= self._in_all:
            raise _too_many()
        self._own.setdefault(account, set()).add(stream)
        self._open += 1
        try:
            if not await self._taken(account, stream):
                raise _too_many()
            yield
        finally:
            self._open -= 1
            self._own[account].discard(stream)
            if not self._own[account]:
                del self._own[account]
            self._start(self._give_back(account, stream))

    async def _taken(self, account: str, stream: str) -> bool:
        """Return whether all processes together have room for the stream; true while Redis is away."""
        more = (stream, str(self._per_account), _PROCESS, str(ALIVE_SECONDS), str(KEPT_SECONDS))
        try:
            return bool(await self._redis.eval(_TAKE, 1, _ACCOUNT + account, *more))  # type: ignore[misc]
        except (RedisError, OSError):
            return True

    async def _give_back(self, account: str, stream: str) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._redis.srem(_ACCOUNT + account, stream)  # type: ignore[misc]

    async def _report_periodically(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                await self._report()
            await asyncio.sleep(REPORT_SECONDS)

    async def _report(self) -> None:
        """Report that this process is alive and, where Redis has lost that, which streams it has."""
        if await self._redis.set(_PROCESS + self._process, 1, ex=ALIVE_SECONDS, xx=True):
            return
        await self._redis.set(_PROCESS + self._process, 1, ex=ALIVE_SECONDS)
        for account, streams in list(self._own.items()):
            await self._redis.sadd(_ACCOUNT + account, *streams)  # type: ignore[misc]
            await self._redis.expire(_ACCOUNT + account, KEPT_SECONDS)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _too_many() -> RateLimited:
    return RateLimited(say("problems.too_many_streams"), code="too_many_streams")
