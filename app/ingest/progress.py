"""Where long operations stand, so that they resume. Committed together with what it covers.

Reads and writes: ingest.progress.
"""

from typing import Any

from app.db import Db


async def load(connection: Db, operation: str) -> dict[str, Any]:
    """The state last saved, or nothing."""
    state = await connection.fetchval("SELECT state FROM ingest.progress WHERE operation = $1", operation)
    return state or {}


async def save(connection: Db, operation: str, state: dict[str, Any]) -> None:
    """Keep the state, within the caller's transaction."""
    await connection.execute(
        "INSERT INTO ingest.progress (operation, state, updated_at) VALUES ($1, $2, now()) "
        "ON CONFLICT (operation) DO UPDATE SET state = excluded.state, updated_at = now()",
        operation,
        state,
    )


async def forget(connection: Db, prefix: str) -> None:
    """Begin anew: drop the states of every operation whose name begins so."""
    await connection.execute("DELETE FROM ingest.progress WHERE starts_with(operation, $1)", prefix)
