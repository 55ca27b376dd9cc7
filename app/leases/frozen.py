"""Ending sessions whose clients make no progress, though Postgres counts them as active."""

import asyncpg
import structlog

from app.leases import lock as locks
from app.leases.lock import HOLDER
from app.lock_numbers import LockSpace

STUCK_SECONDS = 60
"""A session in the middle of a transaction without one of our locks is left alone for longer."""
_END_FROZEN = """
SELECT a.pid, pg_terminate_backend(a.pid) FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.usename = current_user AND starts_with(a.application_name, 'portal')
  AND a.wait_event IN ('ClientRead', 'ClientWrite') AND a.pid <> pg_backend_pid()
  AND (a.state_change < clock_timestamp() - $2 * interval '1 second'
       AND (a.application_name = $3 OR EXISTS (
         SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory'
           AND (l.classid = ANY($1::oid[]) OR l.classid = 0 AND l.objid = ANY($1::oid[]))))
       OR a.state_change < clock_timestamp() - $4 * interval '1 second' AND a.state <> 'idle')
"""

log = structlog.get_logger()


async def end_frozen(pool: asyncpg.Pool) -> int:
    """End sessions that block others and whose client makes no progress; returns how many there were."""
    ended = await pool.fetch(_END_FROZEN, list(LockSpace), locks.FROZEN_SECONDS, HOLDER, STUCK_SECONDS)
    if ended:
        log.error("frozen_holders_ended", sessions=[row["pid"] for row in ended])
    return len(ended)
