"""Append what can be appended: one change that cannot be stored keeps no other from being.

Writes: ingest.inbox.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from msgspec import Struct

from app.db import is_outage
from app.events import Change
from app.ingest import inbox

log = structlog.get_logger()


class Appended(Struct, frozen=True):
    """What became of the changes: (lane, shard) pairs to wake, and those that could not be stored, with the reason."""

    woken: set[tuple[str, int]]
    failed: list[tuple[Change, Exception]]


async def append_what_can_be(connection: Any, changes: Sequence[Change], submission: int) -> Appended:
    """All at once; when that fails, one half after the other, down to the change whose fault it is. Within a caller's
    transaction each try is a savepoint. The database being away is raised."""
    if not changes:
        return Appended(set(), [])
    try:
        async with connection.transaction():
            return Appended((await inbox.append(connection, changes, submission=submission))[1], [])
    except Exception as error:
        if is_outage(error):
            raise
        if len(changes) == 1:
            change = changes[0]
            where = {"source": change.source, "object": change.object, "record_id": change.record_id}
            log.error("change_cannot_be_stored", error=repr(error), **where)
            return Appended(set(), [(change, error)])
    half = len(changes) // 2
    first = await append_what_can_be(connection, changes[:half], submission)
    second = await append_what_can_be(connection, changes[half:], submission)
    return Appended(first.woken | second.woken, first.failed + second.failed)


async def new_submission(connection: Any) -> int:
    """A number for what is submitted together."""
    return int(await connection.fetchval("SELECT nextval('ingest.submissions')"))
