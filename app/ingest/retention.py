"""Retention: delete rows that are no longer needed, in small batches and for a bounded time per run.

Never deleted: an open inbox entry; one that a dead letter names (an open letter stays forever, a resolved one for 90
days); one settled within the retention, so that an event the bus repeats within 72 hours is still known; a pending
notice.

Deletes from: ingest.inbox, ingest.notices, ingest.dead_letters, ingest.drift, portal.sessions, portal.link_tokens,
portal.enrolments, portal.invitations, portal.mails, portal.clock_runs, portal.captures,
portal.capture_attempts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import structlog
from msgspec import Struct

from app.db import is_outage

BATCH = 5_000
BUDGET_SECONDS = 20.0

_INBOX = """
WITH page AS (
    SELECT id, received_at FROM ingest.inbox WHERE id > $1 ORDER BY id LIMIT $3
), old AS (
    SELECT i.id FROM ingest.inbox i JOIN page USING (id)
    WHERE i.settled_at < clock_timestamp() - $2::interval
      AND NOT EXISTS (SELECT FROM ingest.dead_letters d WHERE d.entry_id = i.id)
    FOR UPDATE OF i SKIP LOCKED
), gone AS (
    DELETE FROM ingest.inbox i USING old WHERE i.id = old.id RETURNING i.id
)
SELECT max(id) AS last_id, (SELECT count(*) FROM gone) AS gone,
       bool_and(received_at >= clock_timestamp() - $2::interval) AS all_young
FROM page
"""


class RetentionRule(Struct, frozen=True):
    """Rows of a table that are deleted once the time in `column` is older than `kept`; a row without a time stays."""

    table: str
    key: str
    column: str
    kept: timedelta


RULES = (
    RetentionRule("ingest.notices", "id", "told_at", timedelta(hours=24)),
    RetentionRule("ingest.dead_letters", "id", "resolved_at", timedelta(days=90)),
    RetentionRule("ingest.drift", "id", "checked_at", timedelta(days=90)),
    RetentionRule("portal.sessions", "id", "expires_at", timedelta(days=30)),
    RetentionRule("portal.link_tokens", "token_hash", "expires_at", timedelta(days=30)),
    RetentionRule("portal.sign_in_codes", "code_hash", "expires_at", timedelta(days=30)),
    RetentionRule("portal.enrolments", "id", "expires_at", timedelta(days=2)),
    RetentionRule("portal.invitations", "id", "expires_at", timedelta(days=90)),
    RetentionRule("portal.mails", "id", "finished_at", timedelta(days=90)),
    RetentionRule("portal.clock_runs", "id", "ended_at", timedelta(days=90)),
    RetentionRule("portal.captures", "invoice_id", "sent_at", timedelta(days=2)),
    RetentionRule("portal.capture_attempts", "attempt_id", "ended_at", timedelta(days=400)),
)
"""Every table but the inbox. Event streams resume from published notices for a day. Enrolments are kept two days:
wrong answers are counted for one day, and anyone can start very many. A charge in doubt has not ended, and stays."""

log = structlog.get_logger()


async def clean(
    pool: asyncpg.Pool, *, inbox_days: int, budget_seconds: float = BUDGET_SECONDS, batch: int = BATCH
) -> dict[str, int]:
    """Delete expired rows; return how many of each table. The next run continues where this one ends."""
    ends_at = asyncio.get_running_loop().time() + budget_seconds
    gone = {}
    for rule in RULES:
        try:
            gone[rule.table] = await _repeat(partial(_by_rule, pool, rule, batch), batch, ends_at)
        except Exception as error:  # one table must not block the others, least of all the inbox
            if is_outage(error):
                raise
            log.exception("retention_failed", table=rule.table)
    gone["ingest.inbox"] = await _inbox(pool, timedelta(days=inbox_days), ends_at, batch)
    if deleted := {table: count for table, count in gone.items() if count}:
        log.info("retention_deleted", **{table.replace(".", "_"): count for table, count in deleted.items()})
    return gone


async def expired(pool: asyncpg.Pool) -> dict[str, int]:
    """Count the rows that a run would delete by `RULES`. The inbox, which is deleted by pages, is not counted."""
    return {
        rule.table: await pool.fetchval(
            f"SELECT count(*) FROM {rule.table} WHERE {rule.column} < clock_timestamp() - $1::interval", rule.kept
        )
        for rule in RULES
    }


async def _repeat(step: Callable[[], Awaitable[int]], batch: int, ends_at: float) -> int:
    total = 0
    while asyncio.get_running_loop().time() < ends_at:
        count = await step()
        total += count
        if count < batch:
            break
    return total


async def _by_rule(pool: asyncpg.Pool, rule: RetentionRule, batch: int) -> int:
    done = await pool.execute(
        f"DELETE FROM {rule.table} WHERE {rule.key} IN (SELECT {rule.key} FROM {rule.table} "
        f"WHERE {rule.column} < clock_timestamp() - $1::interval LIMIT $2 FOR UPDATE SKIP LOCKED)",
        rule.kept,
        batch,
    )
    return int(done.rpartition(" ")[2])


async def _inbox(pool: asyncpg.Pool, kept: timedelta, ends_at: float, batch: int) -> int:
    """Delete by pages from the oldest entry, until a page holds nothing old: needs no index, reads no recent rows."""
    total, last_id = 0, 0
    while asyncio.get_running_loop().time() < ends_at:
        page: Any = await pool.fetchrow(_INBOX, last_id, kept, batch)
        if page["last_id"] is None:
            break
        total, last_id = total + page["gone"], page["last_id"]
        if page["all_young"]:
            break
    return total
