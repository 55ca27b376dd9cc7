"""Wake-ups through Redis.

A job only says that there may be work; the work itself is recorded in Postgres. So a lost job, or a damaged queue,
costs a short delay and nothing else.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from saq import Job
from saq.job import Status
from saq.queue.redis import RedisQueue

from app.cache.redis_breaker import GuardedRedis, state_of
from app.ingest.inbox.inbox import Wake

JOB_TIMEOUT_SECONDS = {"apply": 10, "fetch": 60, "fulfil": 120}
"""Kinds of work, each with a queue of its own so that a slow upstream never delays database work."""
REST_SECONDS = 1.0
HELD_IN = {"incomplete": "zset", "queued": "list", "active": "list", "stats": "zset", "schedule": "string"}
"""Redis type of each of a queue's keys."""
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)
"""Errors that the library raises over a malformed job."""
_DROP_STRAYS = """
local known = {}
for _, list in ipairs({KEYS[2], KEYS[3]}) do
  for _, id in ipairs(redis.call('LRANGE', list, 0, -1)) do known[id] = true end
end
local strays = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], 0, 0)) do
  if not known[id] then
    redis.call('ZREM', KEYS[1], id)
    strays[#strays + 1] = id
  end
end
return strays
"""
"""Removes jobs that are recorded as incomplete but are neither queued nor active: they would block their key forever.
"""

log = structlog.get_logger()


class JobQueue(RedisQueue):
    """The library's queue, with failures of Redis contained."""

    def __init__(self, redis: GuardedRedis, name: str) -> None:
        super().__init__(redis, name=name)
        self.guarded = redis

    async def offer(self, key: str, **arguments: Any) -> bool:
        """Enqueue a job; False when Redis cannot.

        A keyed job is refused while one of the same key is queued *or running*, and a running one may already have
        looked for work the last time. So a key has two slots, and the second waits behind the first.
        """
        timeout = JOB_TIMEOUT_SECONDS[self.name]
        try:
            for slot in ("a", "b"):
                job = Job(self.name, kwargs=arguments, key=f"{key}:{slot}", timeout=timeout, retries=1, ttl=-1)
                if await self.enqueue(job):
                    break
            return True
        except (RedisError, *UNREADABLE) as error:
            await self.repair(error)
            return False

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> Job | None:  # noqa: ASYNC109
        """Return the next job, or None; pause briefly before returning None when Redis fails."""
        try:
            return await super().dequeue(timeout, poll_interval)
        except (RedisError, *UNREADABLE) as error:
            await self.repair(error)
            await asyncio.sleep(REST_SECONDS)
            return None

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:
        """Also drop jobs that no worker will run."""
        keys = [self._incomplete, self._queued, self._active]
        if strays := await self.redis.eval(_DROP_STRAYS, len(keys), *keys):  # type: ignore[misc]
            log.warning("queue_strays_dropped", queue=self.name, jobs=len(strays))
        return await super().sweep(lock, abort)

    async def repair(self, error: Exception) -> None:
        """Delete the damaged keys of this queue, unless the error is about the server.

        The work that the jobs stood for is found again by the sweep.
        """
        if not self.guarded.breaker.closed or state_of(error) is not None:
            return
        try:
            damaged = await damaged_keys(self.guarded, self.name)
            if damaged or isinstance(error, UNREADABLE) or "WRONGTYPE" in str(error):
                keys = {*damaged, self._incomplete, self._queued, self._active}
                await self.guarded.delete(*keys)
                log.error("queue_damaged_and_emptied", queue=self.name, keys=sorted(damaged), error=repr(error))
        except RedisError as again:
            log.warning("queue_damaged", queue=self.name, error=repr(again))

    async def _update(self, job: Job, status: Status | None = None, **kwargs: Any) -> None:
        await self._record(super()._update(job, status, **kwargs))

    async def _finish(self, job: Job, status: Status, *, result: Any = None, error: str | None = None) -> None:
        await self._record(super()._finish(job, status, result=result, error=error))

    async def _retry(self, job: Job, error: str | None) -> None:
        await self._record(super()._retry(job, error))

    async def _record(self, recording: Any) -> None:
        """Record the end of a job; it counts as done even if Redis does not record it."""
        try:
            await recording
        except (RedisError, *UNREADABLE) as error:
            await self.repair(error)


async def damaged_keys(redis: Redis, kind: str) -> list[str]:
    """List keys of a queue with the wrong type."""
    damaged = []
    for name, held in HELD_IN.items():
        key = f"saq:{kind}:{name}"
        if await redis.type(key) not in (b"none", held.encode()):
            damaged.append(key)
    return damaged


class Jobs:
    """Enqueues work by key."""

    def __init__(self, redis: GuardedRedis) -> None:
        self._queues = {kind: JobQueue(redis, kind) for kind in JOB_TIMEOUT_SECONDS}

    async def enqueue(self, kind: str, key: str, **arguments: object) -> bool:
        """Enqueue once; False when Redis cannot.

        The worker's sweep finds what slips through, and everything while Redis is away.
        """
        return await self._queues[kind].offer(key, **arguments)

    def waker(self) -> Wake:
        """Return a function that wakes the workers for (lane, shard) pairs of the fetch lane.

        Entries of the apply lane announce themselves in the commit that adds them.
        """

        async def wake(pairs: Iterable[tuple[str, int]]) -> None:
            for lane, shard in pairs:
                if lane == "fetch":
                    await self.enqueue(lane, str(shard), shard=shard)

        return wake
