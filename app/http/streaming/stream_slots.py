"""How many event streams are open: of a process, and of an account in all processes together.

A stream takes its place before it waits for anything, so opening many at once opens no more. Redis counts those of an
account; a process that is alive says so there, and what one has left behind does not count. Without Redis each process
counts alone.
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

ALIVE_SECONDS = 15
"""A process that has not said for so long that it lives has no streams."""
SAY_SECONDS = 5.0
KEPT_SECONDS = 86_400
"""Longer than any session, with which its streams end."""

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
    """One a process. `in_all`: of this process; `per_account`: of all of them."""

    def __init__(self, redis: GuardedRedis, *, per_account: int, in_all: int) -> None:
        self._redis, self._per_account, self._in_all = redis, per_account, in_all
        self._process = uuid4().hex
        self._own: dict[str, set[str]] = {}
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin to say that this process lives."""
        self._start(self._say_for_ever())

    async def close(self) -> None:
        """Say that it does no more, so that its streams count no more either."""
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.wait(tasks)
        with contextlib.suppress(RedisError, OSError):
            await self._redis.delete(_PROCESS + self._process)

    @asynccontextmanager
    async def place(self, account_id: UUID) -> AsyncIterator[None]:
        """For as long as a stream is open.

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
        """Whether all processes together have room for it; true where nobody can be asked."""
        more = (stream, str(self._per_account), _PROCESS, str(ALIVE_SECONDS), str(KEPT_SECONDS))
        try:
            return bool(await self._redis.eval(_TAKE, 1, _ACCOUNT + account, *more))  # type: ignore[misc]
        except (RedisError, OSError):
            return True

    async def _give_back(self, account: str, stream: str) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._redis.srem(_ACCOUNT + account, stream)  # type: ignore[misc]

    async def _say_for_ever(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                await self._say()
            await asyncio.sleep(SAY_SECONDS)

    async def _say(self) -> None:
        """That this process lives; and, where Redis had forgotten that, which streams it has."""
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
    return RateLimited("Too many event streams are open. Close one first.", code="too_many_streams")
