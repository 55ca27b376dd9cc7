"""WHMCS's webhooks as a feed: the last delivery, and whether they are known not to arrive.

Webhooks have no keepalives. A delivery proves that they work. A canary that did not return, or a change that
reconciliation found while no hook had arrived for some time, proves that they do not.

Writes: read_model.feeds.
"""

from datetime import timedelta

import asyncpg

WEBHOOKS = "whmcs:webhooks"
QUIET = timedelta(minutes=10)
"""After this time without a delivery, a change found only by reconciliation counts as a missed hook."""

_DELIVERED = """
INSERT INTO read_model.feeds (feed, as_of, last_event_at) VALUES ($1, now(), now())
ON CONFLICT (feed) DO UPDATE SET as_of = now(), last_event_at = now(), state = 'live', error = NULL, silent_since = NULL
"""
_MISSED = """
INSERT INTO read_model.feeds AS f (feed, as_of, state, error, silent_since) VALUES ($1, 'epoch', 'stalled', $2, now())
ON CONFLICT (feed) DO UPDATE SET state = 'stalled', error = excluded.error,
    silent_since = coalesce(f.silent_since, excluded.silent_since)
WHERE f.as_of < now() - $3::interval
"""


async def delivered(pool: asyncpg.Pool) -> None:
    """Record the arrival of a webhook sent by WHMCS itself."""
    await pool.execute(_DELIVERED, WEBHOOKS, timeout=5)


async def missed(pool: asyncpg.Pool, why: str, quiet: timedelta = QUIET) -> None:
    """Record a change that no webhook announced. The feed is marked as silent if none arrived for `quiet`."""
    await pool.execute(_MISSED, WEBHOOKS, why, quiet)
