"""How far behind the read models are, in time and in count. A dead feed grows old here; it never looks like zero.

Reads: ingest.*, read_model.feeds, read_model.generations.
"""

from datetime import datetime
from typing import Any

import asyncpg
from msgspec import Struct

MINUTES = 5


class Feed(Struct, frozen=True, kw_only=True):
    """A change feed. `silent_seconds` is the age of its last answer, keepalives counted."""

    feed: str
    state: str
    silent_seconds: float
    last_event_at: datetime | None
    leader: str | None
    error: str | None


class Lane(Struct, frozen=True, kw_only=True):
    """A lane of the inbox: what is open, since when, and what was settled in the last minute."""

    lane: str
    open: int
    oldest_seconds: float
    settled_last_minute: int


class Delay(Struct, frozen=True, kw_only=True):
    """From the upstream's own time of a change to its place in the read models, over the last minutes."""

    origin: str
    changes: int
    p50_ms: float
    p99_ms: float


class Drift(Struct, frozen=True, kw_only=True):
    """What the last reconciliation of an object found."""

    source: str
    object: str
    checked_at: datetime
    checked: int
    differing: int


class Lag(Struct, frozen=True, kw_only=True):
    """The state of everything between the upstreams and the read models."""

    feeds: list[Feed]
    lanes: list[Lane]
    delays: list[Delay]
    drift: list[Drift]
    dead_letters: int
    untold: int
    fanouts: int
    canaries: list[dict[str, Any]]


async def measure(pool: asyncpg.Pool) -> Lag:
    """Everything at this moment; a few indexed queries."""
    delays = await pool.fetch(
        "SELECT origin, count(*) AS changes, "
        "percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM settled_at - occurred_at)) * 1000 AS p50_ms, "
        "percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM settled_at - occurred_at)) * 1000 AS p99_ms "
        "FROM ingest.inbox WHERE lane = 'apply' AND settled_at > now() - $1 * interval '1 minute' "
        "AND origin IN ('cdc', 'refetch', 'command') AND received_at > now() - $1 * interval '1 minute' "
        "GROUP BY origin ORDER BY origin",
        MINUTES,
    )
    counts = await pool.fetchrow(
        "SELECT (SELECT count(*) FROM ingest.dead_letters WHERE resolved_at IS NULL) AS dead_letters, "
        "(SELECT count(*) FROM ingest.notices WHERE told_at IS NULL) AS untold, "
        "(SELECT count(*) FROM ingest.fanouts) AS fanouts"
    )
    return Lag(
        feeds=await feeds(pool),
        lanes=[await _lane(pool, lane) for lane in ("apply", "fetch")],
        delays=[
            Delay(**{**dict(row), "p50_ms": float(row["p50_ms"]), "p99_ms": float(row["p99_ms"])}) for row in delays
        ],
        drift=await drift(pool),
        dead_letters=counts["dead_letters"],
        untold=counts["untold"],
        fanouts=counts["fanouts"],
        canaries=[dict(row) for row in await pool.fetch("SELECT feed, sent_at, seen_at FROM ingest.canaries")],
    )


async def feeds(pool: asyncpg.Pool) -> list[Feed]:
    """Every change feed that was ever heard."""
    rows = await pool.fetch(
        "SELECT feed, state, extract(epoch FROM clock_timestamp() - as_of)::float AS silent_seconds, last_event_at, "
        "leader, error FROM read_model.feeds ORDER BY feed"
    )
    return [Feed(**dict(row)) for row in rows]


async def drift(pool: asyncpg.Pool) -> list[Drift]:
    """The latest finding for each object."""
    rows = await pool.fetch(
        "SELECT DISTINCT ON (source, object) source, object, checked_at, checked, differing FROM ingest.drift "
        "ORDER BY source, object, id DESC"
    )
    return [Drift(**dict(row)) for row in rows]


async def _lane(pool: asyncpg.Pool, lane: str) -> Lane:
    row = await pool.fetchrow(
        "SELECT (SELECT count(*) FROM ingest.inbox WHERE lane = $1 AND settled_at IS NULL) AS open, "
        "coalesce((SELECT extract(epoch FROM clock_timestamp() - min(received_at)) FROM ingest.inbox "
        "WHERE lane = $1 AND settled_at IS NULL), 0)::float AS oldest_seconds, "
        "(SELECT count(*) FROM ingest.inbox WHERE lane = $1 AND settled_at > now() - interval '1 minute') "
        "AS settled_last_minute",
        lane,
    )
    return Lane(lane=lane, **dict(row))
