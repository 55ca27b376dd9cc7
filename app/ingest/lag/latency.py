"""Latency of recently settled changes, measured from the upstream's own time and from receipt.

Only the newest entries are considered, by id, so that no index on time is needed; under a flood the window shrinks to
what they cover. A webhook counts as settled once its record was refetched; the answer counts as `refetch`.

Reads: ingest.inbox.
"""

from datetime import timedelta

import asyncpg
from msgspec import Struct

from app.db import rows

NEWEST = 200_000
UNTIMED = ("backfill", "reconcile", "refetch")
"""Origins whose records changed upstream long before they were read."""

_LATENCY = """
SELECT lane, origin, count(*) AS settled,
       count(*) FILTER (WHERE settled_at > clock_timestamp() - interval '1 minute') AS last_minute,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY wait) AS wait_p50_seconds,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY wait) AS wait_p99_seconds,
       CASE WHEN origin <> ALL($3::text[]) THEN percentile_cont(0.5) WITHIN GROUP (ORDER BY lag) END AS lag_p50_seconds,
       CASE WHEN origin <> ALL($3::text[]) THEN percentile_cont(0.99) WITHIN GROUP (ORDER BY lag) END AS lag_p99_seconds
FROM (
    SELECT lane, origin, settled_at, extract(epoch FROM settled_at - received_at)::float8 AS wait,
           extract(epoch FROM settled_at - occurred_at)::float8 AS lag
    FROM ingest.inbox
    WHERE id > (SELECT coalesce(max(id), 0) FROM ingest.inbox) - $2 AND settled_at > clock_timestamp() - $1::interval
) AS recent
GROUP BY lane, origin ORDER BY lane, origin
"""


class Latency(Struct, frozen=True, kw_only=True):
    """Latency of the entries of one lane and origin that were settled within the window.

    Attributes:
        last_minute: number settled within the last minute.
        wait_p50_seconds: from received to settled.
        lag_p50_seconds: from the upstream's own time of the change to settled.
    """

    lane: str
    origin: str
    settled: int
    last_minute: int
    wait_p50_seconds: float
    wait_p99_seconds: float
    lag_p50_seconds: float | None
    lag_p99_seconds: float | None


async def latencies(pool: asyncpg.Pool, window: timedelta) -> list[Latency]:
    """Measure per lane and origin, for entries settled within the window."""
    return await rows(pool, Latency, _LATENCY, window, NEWEST, UNTIMED)
