"""What the process leans on, looked at side by side and never waited for longer than a moment.

Each look has a connection of its own, so that no crowd on a pool makes a healthy engine look sick; looks at the same
time share one, so that what hangs is asked once; and what does not answer in time counts as away.
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

LOOK_SECONDS = 0.8
"""A look that takes longer has failed, as far as an answer is concerned."""
GIVE_UP_SECONDS = 3.0
"""After that it is begun anew with the next request, over another connection."""
PROBE_KEY = "portal:health"

T = TypeVar("T")

_FEEDS = """
SELECT feed, state, greatest(extract(epoch FROM now() - as_of), 0)::float8 AS age_seconds
FROM read_model.feeds ORDER BY feed
"""


WAITED_SECONDS = 1
"""Who waits longer for a table waits for somebody who has all of it."""
_LOCKED = f"""
SELECT DISTINCT n.nspname || '.' || c.relname AS name
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE l.locktype = 'relation' AND NOT l.granted AND l.waitstart < clock_timestamp() - interval '{WAITED_SECONDS} s'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY 1 LIMIT 5
"""


class FeedStanding(Struct, frozen=True, kw_only=True):
    """A change feed: its own word for its state, `silent` when it did not answer for too long, `never` when it never
    did."""

    feed: str
    state: str
    age_seconds: float | None


class HealthReport(Struct, frozen=True, kw_only=True):
    """What the looks found. `locked`: tables that somebody waits for. `feeds` is None when they could not be read in
    time."""

    postgres: Literal["ok", "read_only", "away"]
    redis: Literal["ok", "refusing", "away"]
    feeds: list[FeedStanding] | None
    locked: Sequence[str] = ()


async def within(seconds: float, work: Awaitable[T]) -> T | None:
    """What the work gives, or nothing when it fails or takes longer: then it is left alone, whether it ends or not."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        task.cancel()
        return None
    return None if task.cancelled() or task.exception() else task.result()


class Look:
    """One question, asked by one request at a time on behalf of all."""

    def __init__(self, ask: Callable[[], Awaitable[Any]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[Any] | None = None

    async def result(self) -> Any:
        """The answer, or None when there was none in time."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._bounded())
        done, _ = await asyncio.wait({self._asking}, timeout=LOOK_SECONDS)
        return self._asking.result() if done else None

    async def _bounded(self) -> Any:
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                return await self._ask()
        except Exception:  # whatever it is, it is not healthy
            return None


class ProbeConnection:
    """A connection to Postgres for one kind of question, thrown away when a question fails on it."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._connection: asyncpg.Connection | None = None

    async def fetch(self, statement: str) -> list[Any]:
        """The rows."""
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
        """Hang up."""
        if self._connection is not None:
            self._connection.terminate()


class HealthChecks:
    """One a process."""

    def __init__(self, settings: Settings) -> None:
        self._lines = [ProbeConnection(settings.database_url) for _ in range(3)]
        self._redis = Redis.from_url(
            settings.redis_url, socket_timeout=LOOK_SECONDS, socket_connect_timeout=LOOK_SECONDS, max_connections=2
        )
        self._expected = (settings.salesforce_channel, settings.salesforce_eligibility_topic)
        self._looks = [Look(self._postgres), Look(self._answering_redis), Look(self._feeds), Look(self._locked)]

    async def close(self) -> None:
        """Hang up everywhere."""
        for line in self._lines:
            line.close()
        await self._redis.aclose()

    async def examine(self) -> HealthReport:
        """Look at everything; takes `LOOK_SECONDS` at most."""
        postgres, redis, feeds, locked = await asyncio.gather(*(look.result() for look in self._looks))
        return HealthReport(postgres=postgres or "away", redis=redis or "away", feeds=feeds, locked=locked or ())

    async def _postgres(self) -> str:
        rows = await self._lines[0].fetch("SELECT current_setting('transaction_read_only') AS read_only")
        return "read_only" if rows[0]["read_only"] == "on" else "ok"

    async def _answering_redis(self) -> str:
        """Redis that answers and takes no writes is of no use: out of memory, a replica, or short of replicas."""
        try:
            await self._redis.set(PROBE_KEY, "1", px=10_000)
        except ResponseError:
            return "refusing"
        except (RedisError, OSError):
            return "away"
        return "ok"

    async def _locked(self) -> list[str]:
        return [row["name"] for row in await self._lines[2].fetch(_LOCKED)]

    async def _feeds(self) -> list[FeedStanding]:
        rows = {row["feed"]: row for row in await self._lines[1].fetch(_FEEDS)}
        names = sorted({*rows, *self._expected})
        return [_feed(name, rows.get(name)) for name in names]


def _feed(name: str, row: Any) -> FeedStanding:
    if row is None:
        return FeedStanding(feed=name, state="never", age_seconds=None)
    silent = row["age_seconds"] > SILENT_SECONDS
    return FeedStanding(feed=name, state="silent" if silent else row["state"], age_seconds=row["age_seconds"])


def concerned(found: HealthReport, upstreams: Sequence[tuple[str, str]]) -> list[str]:
    """What is wrong, as stable words; nothing when all is well. `upstreams` are names and breaker states."""
    reasons = [] if found.postgres == "ok" else [f"postgres_{found.postgres}"]
    if found.redis != "ok":
        reasons.append(f"redis_{found.redis}")
    reasons += [f"table_locked:{name}" for name in found.locked]
    reasons += [f"{name}_{state}" for name, state in upstreams if state != "closed"]
    if found.feeds is None:
        reasons.append("feeds_unknown")
    return reasons + [f"feed_{each.state}:{each.feed}" for each in found.feeds or () if each.state != "live"]
