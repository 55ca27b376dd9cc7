"""WHMCS's webhooks as a feed: when one arrived last, and whether it is known that they do not arrive.

No keepalive tells that hooks work. What tells of it is a delivery; against it speaks a canary that did not come back,
or a change that a comparison found and no hook had announced for a while.

Writes: read_model.feeds.
"""

from datetime import timedelta

import asyncpg

WEBHOOKS = "whmcs:webhooks"
QUIET = timedelta(minutes=10)
"""Without a delivery for so long, a change that only a comparison found speaks against the hooks."""

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
    """A webhook of WHMCS's own arrived."""
    await pool.execute(_DELIVERED, WEBHOOKS, timeout=5)


async def missed(pool: asyncpg.Pool, why: str, quiet: timedelta = QUIET) -> None:
    """Something happened in WHMCS that no webhook told of. It speaks against the hooks if none arrived for as long."""
    await pool.execute(_MISSED, WEBHOOKS, why, quiet)
