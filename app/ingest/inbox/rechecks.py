"""Writes of which nobody knows whether they took effect: the upstream is read again, and what it holds is shown.

A command that got no answer requests this itself, a little later, because the upstream may still be at work. The sweep
does it for commands whose process was killed between the upstream's answer and the record of it.

Reads and writes: read_model.pending, ingest.inbox.
"""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import structlog

from app.clock import now
from app.db import Connection
from app.events import Change
from app.ingest.inbox import inbox, pending
from app.ingest.inbox.isolation import Woken
from app.ingest.inbox.postpone import postpone

SECONDS = 20.0
"""The time that an upstream gets to finish what it did not answer."""
PATIENT: dict[str, float] = {"pay_invoice": 300.0}
"""Longer for some commands: a charge may be in progress at the gateway."""
LOST_SECONDS = 180.0
"""After this time without a record of the upstream's answer, the process of a command is considered dead."""
MOST = 100

_LINK = "UPDATE read_model.pending SET submission = $2 WHERE command_id = $1 AND state = 'pending'"
_OF_COMMAND = """
SELECT command_id, command, recheck FROM read_model.pending
WHERE command_id = $1 AND state = 'pending' AND submission IS NULL FOR UPDATE
"""
_LOST = """
SELECT command_id FROM read_model.pending WHERE state = 'pending' AND submission IS NULL
AND created_at < clock_timestamp() - $1 * interval '1 second' ORDER BY created_at LIMIT $2
"""

log = structlog.get_logger()


async def recheck(connection: Connection, command_id: UUID, *, seconds: float | None = None) -> tuple[bool, Woken]:
    """Have the record of a pending write read again, within the caller's transaction; false if it has no such write.

    The write shows as pending until that read is applied.
    """
    row = await connection.fetchrow(_OF_COMMAND, command_id)
    if row is None or row["recheck"] is None:
        return False, set()
    hint = _hint(command_id, *row["recheck"])
    number, woken = await inbox.append(connection, [hint])
    delay_seconds = PATIENT.get(row["command"], SECONDS) if seconds is None else seconds
    if delay_seconds > 0:
        await postpone(connection, hint, delay_seconds)
        woken = set()
    await connection.execute(_LINK, command_id, number)
    return True, woken


async def recheck_lost(pool: asyncpg.Pool, wake: inbox.Wake) -> int:
    """Do the same for every write whose command ended without a word; return their number."""
    rows = await pool.fetch(_LOST, LOST_SECONDS, MOST)
    for row in rows:
        async with pool.acquire() as connection, connection.transaction():
            found, woken = await recheck(connection, row["command_id"], seconds=0.0)
            if not found:
                await pending.give_up_command(connection, row["command_id"])
        await wake(woken)
        log.warning("lost_write_rechecked", command_id=str(row["command_id"]))
    return len(rows)


def _hint(command_id: UUID, source: Any, object_name: str, record_id: str) -> Change:
    """Build the hint. Single invoices and services do not name their owner; every other id is one."""
    return Change.hint(
        source,
        object_name,
        record_id,
        event_id=f"recheck:{command_id}:{uuid4()}",
        occurred_at=now(),
        origin="portal",
        owner_id=None if object_name in ("invoice", "service", "cancel_requests") else record_id,
    )
