"""Progress of long operations, so that they resume. Committed together with the work it covers.

Reads and writes: ingest.progress.
"""

from typing import Any

from app.db import Db


async def load(connection: Db, operation: str) -> dict[str, Any]:
    """Load the last saved state; empty when there is none."""
    state = await connection.fetchval("SELECT state FROM ingest.progress WHERE operation = $1", operation)
    return state or {}


async def save(connection: Db, operation: str, state: dict[str, Any]) -> None:
    """Save the state, within the caller's transaction."""
    await connection.execute(
        "INSERT INTO ingest.progress (operation, state, updated_at) VALUES ($1, $2, now()) "
        "ON CONFLICT (operation) DO UPDATE SET state = excluded.state, updated_at = now()",
        operation,
        state,
    )


async def forget(connection: Db, prefix: str) -> None:
    """Delete the states of all operations whose name has this prefix, so that they start over."""
    await connection.execute("DELETE FROM ingest.progress WHERE starts_with(operation, $1)", prefix)
