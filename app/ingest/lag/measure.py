"""Measure how far behind the portal is. Every query is bounded: it costs the same with ten inbox entries as with ten
million.

Reads: ingest.*, read_model.feeds, upstreams, generations.
"""

from collections.abc import Sequence

import asyncpg
from msgspec import structs

from app.db import Db, StructT, row, rows
from app.ingest.inbox.inbox import SHARDS
from app.ingest.lag.report import (
    MOST_COUNTED,
    Backlog,
    Canary,
    Drift,
    Feed,
    GenerationAge,
    Lane,
    Measures,
    PriceDrift,
    UnreadableField,
    UpstreamAway,
)

LANES = ("apply", "fetch")
QUERY_SECONDS = 5

_FEEDS = """
SELECT f.feed, f.state, f.leader, f.error,
       CASE WHEN f.as_of > 'epoch' THEN greatest(extract(epoch FROM now() - f.as_of), 0)::float8 END AS age_seconds,
       CASE WHEN f.silent_since IS NOT NULL
            THEN greatest(extract(epoch FROM now() - f.silent_since), 0)::float8 END AS silent_seconds,
       extract(epoch FROM now() - f.last_event_at)::float8 AS last_event_age_seconds,
       extract(epoch FROM now() - c.committed_at)::float8 AS position_age_seconds
FROM read_model.feeds f LEFT JOIN ingest.checkpoints c USING (feed) ORDER BY f.feed
"""
_OPEN = """
SELECT l.lane, (SELECT count(*) FROM (SELECT FROM ingest.inbox i WHERE i.lane = l.lane AND i.settled_at IS NULL
                                      LIMIT $2) AS counted) AS open
FROM unnest($1::text[]) AS l (lane)
"""
_OLDEST = """
SELECT l.lane, extract(epoch FROM clock_timestamp() - min(o.received_at))::float8 AS oldest_seconds
FROM unnest($1::text[]) AS l (lane) CROSS JOIN generate_series(0, $2::int - 1) AS s (shard)
CROSS JOIN LATERAL (
    SELECT i.received_at FROM ingest.inbox i
    WHERE i.lane = l.lane AND i.shard = s.shard AND i.settled_at IS NULL
      AND (i.attempts > 0 OR i.next_attempt_at <= clock_timestamp())
      AND NOT EXISTS (SELECT FROM ingest.dead_letters d WHERE d.resolved_at IS NULL
                      AND (d.source, d.object, d.record_id) = (i.source, i.object, i.record_id))
    ORDER BY i.id LIMIT 1
) AS o
GROUP BY l.lane
"""
_PARKED = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(parked_at)), 0)::float8 AS oldest_seconds
FROM (SELECT parked_at FROM ingest.dead_letters WHERE resolved_at IS NULL LIMIT $1) AS counted
"""
_UNTOLD = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest_seconds
FROM (SELECT created_at FROM ingest.notices WHERE told_at IS NULL ORDER BY id LIMIT $1) AS counted
"""
_FANOUTS = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(requested_at)), 0)::float8 AS oldest_seconds
FROM (SELECT requested_at FROM ingest.fanouts LIMIT $1) AS counted
"""
_DRIFT = """
SELECT DISTINCT ON (source, object) source, object, checked, differing,
       greatest(extract(epoch FROM now() - checked_at), 0)::float8 AS age_seconds
FROM ingest.drift WHERE checked_at > now() - interval '2 days' ORDER BY source, object, id DESC
"""
_CANARIES = """
SELECT feed, greatest(extract(epoch FROM now() - sent_at), 0)::float8 AS sent_age_seconds,
       extract(epoch FROM seen_at - sent_at)::float8 AS took_seconds
FROM ingest.canaries ORDER BY feed
"""
_UNREADABLES = """
SELECT source, object, field, count, record_id, greatest(extract(epoch FROM now() - last_at), 0)::float8
       AS last_age_seconds
FROM ingest.unreadables ORDER BY last_at DESC, source, object, field LIMIT $1
"""
MOST_FIELDS = 200
PRICE_DRIFT = "price_drift"
"""The operation under which a chore stores the comparison of prices."""
_PRICE_DRIFT = """
SELECT each ->> 'currency' AS currency, each ->> 'billing_cycle' AS billing_cycle,
       (each ->> 'compared')::int AS compared, (each ->> 'differing')::int AS differing
FROM ingest.progress, jsonb_array_elements(state -> 'counts') AS each WHERE operation = $1 ORDER BY 1, 2
"""
_UPSTREAMS = """
SELECT upstream, state, greatest(extract(epoch FROM now() - since), 0)::float8 AS seconds, error
FROM read_model.upstreams WHERE state <> 'closed' ORDER BY upstream
"""
_GENERATIONS = "SELECT slice, generation, projector_version, state FROM read_model.generations ORDER BY 1, 2"


async def measure(pool: asyncpg.Pool, expected_feeds: Sequence[str]) -> Measures:
    """Measure everything now. An expected feed that never answered is included, in state `never`."""
    async with pool.acquire(timeout=QUERY_SECONDS) as connection:

        async def all_of(kind: type[StructT], query: str, *values: object) -> list[StructT]:
            return await rows(connection, kind, query, *values, timeout=QUERY_SECONDS)

        at = await connection.fetchval("SELECT clock_timestamp()", timeout=QUERY_SECONDS)
        feeds = await all_of(Feed, _FEEDS)
        return Measures(
            at=at,
            feeds=[*feeds, *_never(expected_feeds, feeds)],
            lanes=await _lanes(connection),
            dead_letters=await _backlog(connection, _PARKED),
            notices_untold=await _backlog(connection, _UNTOLD),
            fanouts=await _backlog(connection, _FANOUTS),
            drift=await all_of(Drift, _DRIFT),
            price_drift=await all_of(PriceDrift, _PRICE_DRIFT, PRICE_DRIFT),
            canaries=await all_of(Canary, _CANARIES),
            generations=await all_of(GenerationAge, _GENERATIONS),
            unreadables=await all_of(UnreadableField, _UNREADABLES, MOST_FIELDS),
            upstreams_away=await all_of(UpstreamAway, _UPSTREAMS),
        )


async def _lanes(db: Db) -> list[Lane]:
    oldest = {
        each["lane"]: each["oldest_seconds"] for each in await db.fetch(_OLDEST, LANES, SHARDS, timeout=QUERY_SECONDS)
    }
    lanes = await rows(db, Lane, _OPEN, LANES, MOST_COUNTED, timeout=QUERY_SECONDS)
    return [structs.replace(lane, oldest_seconds=oldest.get(lane.lane, 0.0)) for lane in lanes]


async def _backlog(db: Db, query: str) -> Backlog:
    return await row(db, Backlog, query, MOST_COUNTED, timeout=QUERY_SECONDS) or Backlog(0, 0.0)


def _never(expected: Sequence[str], found: Sequence[Feed]) -> list[Feed]:
    known = {feed.feed for feed in found}
    return [Feed(feed=name, state="never") for name in expected if name not in known]
