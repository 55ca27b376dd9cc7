"""Forget what nobody needs any more, a few thousand rows at a time, and never anything that is not settled.

An event id is remembered for longer than any upstream can repeat it: Salesforce keeps 72 h of events.

Deletes from: ingest.inbox, ingest.notices, ingest.dead_letters, ingest.drift, portal.sessions, portal.link_tokens.
"""

import asyncio
from collections.abc import Mapping

import asyncpg

BATCH = 5_000
BUDGET_SECONDS = 20
SHORTEST_INBOX_DAYS = 5
"""Events may be repeated for three days; a day to notice, a day to spare."""

_OLD = {
    "ingest.inbox": (
        "settled_at < now() - $1 * interval '1 day' AND NOT EXISTS (SELECT FROM ingest.dead_letters d "
        "WHERE d.entry_id = t.id AND (d.resolved_at IS NULL OR d.resolved_at > now() - interval '90 days'))"
    ),
    "ingest.notices": "told_at < now() - interval '24 hours' AND $1::int IS NOT NULL",
    "ingest.dead_letters": "resolved_at < now() - interval '90 days' AND $1::int IS NOT NULL",
    "ingest.drift": "checked_at < now() - interval '90 days' AND $1::int IS NOT NULL",
    "portal.sessions": "expires_at < now() - interval '30 days' AND $1::int IS NOT NULL",
    "portal.link_tokens": "expires_at < now() - interval '30 days' AND $1::int IS NOT NULL",
}


async def forget_old(pool: asyncpg.Pool, inbox_days: int) -> Mapping[str, int]:
    """Delete what is past its time, as long as the budget lasts; returns how many rows of each table."""
    ends_at = asyncio.get_running_loop().time() + BUDGET_SECONDS
    days = max(inbox_days, SHORTEST_INBOX_DAYS)
    deleted = dict.fromkeys(_OLD, 0)
    for table, condition in _OLD.items():
        while asyncio.get_running_loop().time() < ends_at:
            status = await pool.execute(
                f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} t WHERE {condition} "
                f"LIMIT {BATCH} FOR UPDATE SKIP LOCKED))",
                days,
            )
            count = int(status.split()[-1])
            deleted[table] += count
            if count < BATCH:
                break
    return deleted
