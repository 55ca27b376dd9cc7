"""Health checks of the engines, run concurrently and bounded to less than a second.

Each check has a connection of its own, so that a crowded pool does not make a healthy engine look sick. Concurrent
requests share one check, so that a hanging engine is asked once. What does not answer in time counts as away.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, TypeVar

import asyncpg
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from app.ingest.lag.report import SILENT_SECONDS
from app.settings import Settings

CHECK_SECONDS = 0.8
"""The time after which a check counts as failed."""
GIVE_UP_SECONDS = 3.0
"""The time after which a check is abandoned; the next request starts another, over another connection."""
PROBE_KEY = "portal:health"

T = TypeVar("T")

_FEEDS = """
SELECT feed, state, greatest(extract(epoch FROM now() - as_of), 0)::float8 AS age_seconds
FROM read_model.feeds ORDER BY feed
"""


WAITED_SECONDS = 1
"""A longer wait for a table means that all of it is locked."""
_LOCKED = f"""
SELECT DISTINCT n.nspname || '.' || c.relname AS name
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.locktype = 'relation' AND NOT l.granted AND l.waitstart < clock_timestamp() - interval '{WAITED_SECONDS} s'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1 LIMIT 5
"""


class FeedStanding(Struct, frozen=True, kw_only=True):
    """A change feed and its state: as the feed reports it, `silent` when it has not answered for too long, `never` when
    it never did."""

    feed: str
    state: str
    """The state that the feed reports; `silent`, `never`: it has not answered for too long, or at all."""
    age_seconds: float | None


class HealthReport(Struct, frozen=True, kw_only=True):
    """The results of all checks.

    Attributes:
        feeds: None when they could not be read in time.
        locked: tables that statements wait for.
    """

    postgres: Literal["ok", "read_only", "away"]
    redis: Literal["ok", "refusing", "away"]
    feeds: list[FeedStanding] | None
    locked: Sequence[str] = ()


async def within(seconds: float, work: Awaitable[T]) -> T | None:
    """Return the result of the work, or None when it fails or takes longer; it is then cancelled and not waited for."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        task.cancel()
        return None
    return None if task.cancelled() or task.exception() else task.result()


class Check:
    """A check that concurrent requests share."""

    def __init__(self, ask: Callable[[], Awaitable[Any]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[Any] | None = None

    async def result(self) -> Any:
        """Return the result, or None when there is none in time."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._bounded())
        done, _ = await asyncio.wait({self._asking}, timeout=CHECK_SECONDS)
        return self._asking.result() if done else None

    async def _bounded(self) -> Any:
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                return await self._ask()
        except Exception:  # whatever went wrong, it is not healthy
            return None


class ProbeConnection:
    """A connection to Postgres for one kind of check, replaced when a statement fails on it."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: asyncpg.Connection | None = None

    async def fetch(self, statement: str) -> list[Any]:
        """Run a statement and return its rows."""
        connection, self._connection = self._connection, None
        try:
            if connection is None or connection.is_closed():
                names = {"application_name": "portal-health"}
                connection = await asyncpg.connect(self._url, timeout=GIVE_UP_SECONDS, server_settings=names)
            rows: list[Any] = await connection.fetch(statement)
        except BaseException:
            if connection is not None:
                connection.terminate()
            raise
        self._connection = connection
        return rows

    def close(self) -> None:
        """Close the connection at once."""
        if self._connection is not None:
            self._connection.terminate()


class HealthChecks:
    """The health checks of one process."""

    def __init__(self, settings: Settings) -> None:
        self._connections = [ProbeConnection(settings.database_url) for _ in range(3)]
        self._redis = Redis.from_url(
            settings.redis_url, socket_timeout=CHECK_SECONDS, socket_connect_timeout=CHECK_SECONDS, max_connections=2
        )
        self._expected = (settings.salesforce_channel, settings.salesforce_eligibility_topic)
        self._checks = [Check(self._postgres), Check(self._answering_redis), Check(self._feeds), Check(self._locked)]

    async def close(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.close()
        await self._redis.aclose()

    async def examine(self) -> HealthReport:
        """Run all checks; takes `CHECK_SECONDS` at most."""
        postgres, redis, feeds, locked = await asyncio.gather(*(check.result() for check in self._checks))
        return HealthReport(postgres=postgres or "away", redis=redis or "away", feeds=feeds, locked=locked or ())

    async def _postgres(self) -> str:
        rows = await self._connections[0].fetch("SELECT current_setting('transaction_read_only') AS read_only")
        return "read_only" if rows[0]["read_only"] == "on" else "ok"

    async def _answering_redis(self) -> str:
        """Check that Redis takes writes. One that only answers is out of memory, a replica, or short of replicas."""
        try:
            await self._redis.set(PROBE_KEY, "1", px=10_000)
        except ResponseError:
            return "refusing"
        except (RedisError, OSError):
            return "away"
        return "ok"

    async def _locked(self) -> list[str]:
        return [row["name"] for row in await self._connections[2].fetch(_LOCKED)]

    async def _feeds(self) -> list[FeedStanding]:
        rows = {row["feed"]: row for row in await self._connections[1].fetch(_FEEDS)}
        names = sorted({*rows, *self._expected})
        return [_feed(name, rows.get(name)) for name in names]


def _feed(name: str, row: Any) -> FeedStanding:
    if row is None:
        return FeedStanding(feed=name, state="never", age_seconds=None)
    silent = row["age_seconds"] > SILENT_SECONDS
    return FeedStanding(feed=name, state="silent" if silent else row["state"], age_seconds=row["age_seconds"])


def concerned(found: HealthReport, upstreams: Sequence[tuple[str, str]]) -> list[str]:
    """List what is wrong, as stable words. `upstreams` are names and breaker states."""
    reasons = [] if found.postgres == "ok" else [f"postgres_{found.postgres}"]
    if found.redis != "ok":
        reasons.append(f"redis_{found.redis}")
    reasons += [f"table_locked:{name}" for name in found.locked]
    reasons += [f"{name}_{state}" for name, state in upstreams if state != "closed"]
    if found.feeds is None:
        reasons.append("feeds_unknown")
    return reasons + [f"feed_{each.state}:{each.feed}" for each in found.feeds or () if each.state != "live"]
