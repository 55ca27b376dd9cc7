"""Lists of scheduled changes of plan: for staff, and those whose service ends first.

Reads: portal.scheduled_changes, read_model.subscriptions.
"""

import asyncpg

from app.commands.subscriptions.plan_changes.scheduled import COLUMNS, ScheduledPlanChange
from app.db import only_row, rows

LATE = "interval '1 hour'"
REMEMBERED = "interval '30 days'"
"""How long staff see refused changes."""

_OVERTAKEN = f"""
SELECT {COLUMNS} FROM portal.scheduled_changes c WHERE state = 'waiting' AND EXISTS (
    SELECT FROM read_model.subscriptions s WHERE (s.account_id, s.subscription_id) = (c.account_id, c.subscription_id)
    AND (s.cancellation IS NOT NULL OR s.status IN ('terminated', 'cancelled', 'fraud')))
ORDER BY due_at LIMIT $1
"""


async def overtaken(pool: asyncpg.Pool, limit: int) -> list[ScheduledPlanChange]:
    """Return the waiting changes whose service has ended or is cancelled."""
    return await rows(pool, ScheduledPlanChange, _OVERTAKEN, limit)


async def of_service(pool: asyncpg.Pool, subscription_id: str) -> list[ScheduledPlanChange]:
    """Return every scheduled change of a service, newest first."""
    return await rows(
        pool,
        ScheduledPlanChange,
        f"SELECT {COLUMNS} FROM portal.scheduled_changes WHERE subscription_id = $1 ORDER BY created_at DESC LIMIT 100",
        subscription_id,
    )


async def listed(pool: asyncpg.Pool, limit: int) -> list[ScheduledPlanChange]:
    """Return the recently refused changes, newest first, then the waiting ones in the order of their days."""
    return await rows(
        pool,
        ScheduledPlanChange,
        f"SELECT {COLUMNS} FROM portal.scheduled_changes WHERE state = 'waiting' OR (state = 'refused' AND "
        f"ended_at > now() - {REMEMBERED}) ORDER BY ended_at DESC NULLS LAST, due_at LIMIT $1",
        limit,
    )


async def due(pool: asyncpg.Pool, limit: int) -> list[ScheduledPlanChange]:
    """Return the changes that would be made now, the longest waiting first."""
    return await rows(
        pool,
        ScheduledPlanChange,
        f"SELECT {COLUMNS} FROM portal.scheduled_changes WHERE state = 'waiting' AND next_attempt_at <= now() "
        "ORDER BY next_attempt_at LIMIT $1",
        limit,
    )


async def counts(pool: asyncpg.Pool) -> dict[str, int]:
    """Count the waiting changes, those over an hour late, and those refused in the last day."""
    counted = await only_row(
        pool,
        "SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, "
        f"count(*) FILTER (WHERE state = 'waiting' AND due_at < now() - {LATE}) AS late, "
        "count(*) FILTER (WHERE state = 'refused') AS refused FROM portal.scheduled_changes "
        "WHERE state = 'waiting' OR (state = 'refused' AND ended_at > now() - interval '1 day')",
    )
    return dict(counted)
