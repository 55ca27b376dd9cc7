"""The persistent state of a change feed: position, health, and the gap that still has to be resynchronised.

Reads and writes: ingest.checkpoints, read_model.feeds, ingest.progress.
"""

import os
import socket
from datetime import UTC, datetime
from typing import Literal

import asyncpg

from app.db import Db
from app.ingest import progress

FeedPhase = Literal["live", "connecting", "resyncing", "stalled"]
LEADER = f"{socket.gethostname()}:{os.getpid()}"


class FeedState:
    """The state of one feed in Postgres, shared by all processes."""

    def __init__(self, pool: asyncpg.Pool, topic: str) -> None:
        self._pool, self._topic = pool, topic

    async def position(self) -> bytes | None:
        """Return the replay position to resume from. It is opaque: only the bus can make one."""
        return await self._pool.fetchval(  # type: ignore[no-any-return]
            "SELECT replay_id FROM ingest.checkpoints WHERE feed = $1", self._topic
        )

    async def advance(self, connection: Db, replay_id: bytes, heard_at: datetime, newest: datetime | None) -> None:
        """Save the position and the time of the last answer, in the transaction of the events that they cover."""
        await connection.execute(
            "INSERT INTO ingest.checkpoints (feed, replay_id, committed_at) VALUES ($1, $2, now()) "
            "ON CONFLICT (feed) DO UPDATE SET replay_id = excluded.replay_id, committed_at = now()",
            self._topic,
            replay_id,
        )
        await connection.execute(
            "INSERT INTO read_model.feeds AS f (feed, as_of, state, last_event_at, leader) "
            "VALUES ($1, $2, 'live', $3, $4) ON CONFLICT (feed) DO UPDATE SET "
            "as_of = greatest(f.as_of, excluded.as_of), state = 'live', leader = excluded.leader, error = NULL, "
            "last_event_at = greatest(f.last_event_at, excluded.last_event_at)",
            self._topic,
            heard_at,
            newest,
            LEADER,
        )

    async def report(self, state: FeedPhase, error: str | None = None) -> None:
        """Save the feed's phase. Its age grows by itself. A feed that never answered has no row yet."""
        await self._pool.execute(
            "UPDATE read_model.feeds SET state = $2, leader = $3, error = coalesce($4, error) WHERE feed = $1",
            self._topic,
            state,
            LEADER,
            error,
        )

    async def reject(self) -> None:
        """Drop a position that the bus rejects and save the start of the gap.

        Both in one transaction, so that a crash cannot lose the gap.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            good_at = await connection.fetchval(
                "DELETE FROM ingest.checkpoints WHERE feed = $1 RETURNING committed_at", self._topic
            )
            if good_at is not None and await self.gap_since(connection) is None:
                await progress.save(connection, self._gap, {"since": good_at.isoformat()})

    async def gap_since(self, connection: Db | None = None) -> datetime | None:
        """Return the time since which changes may be missing; None without a gap."""
        state = await progress.load(connection or self._pool, self._gap)
        return datetime.fromisoformat(state["since"]).astimezone(UTC) if state else None

    async def close_gap(self) -> None:
        """Note that everything since the start of the gap has been read."""
        await progress.forget(self._pool, self._gap)

    @property
    def _gap(self) -> str:
        return f"resync:{self._topic}"
