"""What is known of a change feed: its position, its state, and what it still has to make up for.

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
    """One feed, as every process sees it in Postgres."""

    def __init__(self, pool: asyncpg.Pool, topic: str) -> None:
        self._pool, self._topic = pool, topic

    async def position(self) -> bytes | None:
        """Where to go on; opaque, and never ours to make up."""
        return await self._pool.fetchval(  # type: ignore[no-any-return]
            "SELECT replay_id FROM ingest.checkpoints WHERE feed = $1", self._topic
        )

    async def advance(self, connection: Db, replay_id: bytes, heard_at: datetime, newest: datetime | None) -> None:
        """Keep the position and the sign of life, in the transaction of the events that they cover."""
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

    async def tell(self, state: FeedPhase, error: str | None = None) -> None:
        """Say how the feed is; its age goes on growing by itself. A feed that never answered has no row yet."""
        await self._pool.execute(
            "UPDATE read_model.feeds SET state = $2, leader = $3, error = coalesce($4, error) WHERE feed = $1",
            self._topic,
            state,
            LEADER,
            error,
        )

    async def reject(self) -> None:
        """Forget a position that the bus refuses, and note in the same instant since when everything must be read
        again, so that a crash in between cannot lose it."""
        async with self._pool.acquire() as connection, connection.transaction():
            good_at = await connection.fetchval(
                "DELETE FROM ingest.checkpoints WHERE feed = $1 RETURNING committed_at", self._topic
            )
            if good_at is not None and await self.gap_since(connection) is None:
                await progress.save(connection, self._gap, {"since": good_at.isoformat()})

    async def gap_since(self, connection: Db | None = None) -> datetime | None:
        """Since when changes may be missing; None when none are."""
        state = await progress.load(connection or self._pool, self._gap)
        return datetime.fromisoformat(state["since"]).astimezone(UTC) if state else None

    async def closed_gap(self) -> None:
        """Everything since then has been read."""
        await progress.forget(self._pool, self._gap)

    @property
    def _gap(self) -> str:
        return f"resync:{self._topic}"
