"""Later first attempts of entries that were just appended.

Writes: ingest.inbox.
"""

from app.db import Connection
from app.events import Change

_LATER = (
    "UPDATE ingest.inbox SET next_attempt_at = clock_timestamp() + $3 * interval '1 second' "
    "WHERE source = $1 AND event_id = $2"
)


async def postpone(connection: Connection, change: Change, seconds: float) -> None:
    """Have the entry of a change tried this many seconds from now, in the transaction that appends it."""
    await connection.execute(_LATER, change.source, change.event_id, seconds)
