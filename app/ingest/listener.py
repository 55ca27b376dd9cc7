"""Listen to Salesforce: every batch of change events goes into the inbox together with the position it covers.

One listener leads, told by an advisory lock; others wait and take over when its connection ends. The stream is opened
again after any failure, later each time; a rejected position is never sent again but answered with a resync.

Writes: ingest.inbox, ingest.checkpoints, ingest.dead_letters, read_model.feeds.
"""

import asyncio
import base64
import random
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog

from app.errors import UpstreamError
from app.events import Change
from app.ingest import inbox
from app.ingest.inbox import Inbox
from app.integrations.salesforce.pubsub import Batch, PubSubClient, ReplayRejected, Undecodable

LEADER_LOCK = 0x1B0E
SILENCE_SECONDS = 330
"""Keepalives come within 270 s; a stream silent for longer is dead, whatever the socket says."""
LONGEST_PAUSE_SECONDS = 30

Resync = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class Listener:
    """Follows one topic."""

    def __init__(
        self, pool: asyncpg.Pool, box: Inbox, pubsub: PubSubClient, topic: str, resync: Resync | None = None
    ) -> None:
        self._pool = pool
        self._inbox = box
        self._pubsub = pubsub
        self._topic = topic
        self._resync = resync

    async def listen_for_ever(self) -> None:
        """Subscribe, and subscribe again after any failure, with growing jittered pauses."""
        failures = 0
        while True:
            try:
                async for _ in self._batches():
                    failures = 0
            except ReplayRejected as error:
                log.error("replay_position_rejected_resyncing", topic=self._topic, error=str(error))
                await self._forget_position()
            except (UpstreamError, TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("feed_interrupted", topic=self._topic, error=repr(error))
            failures += 1
            await asyncio.sleep(min(2 ** min(failures, 6) * 0.25, LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1.5))

    async def _batches(self) -> Any:
        position = await self._position()
        if position is None and self._resync:
            await self._resync()
        # Without a position: everything the bus retains. Whatever changed during the resync is in there.
        stream = self._pubsub.subscribe(self._topic, position, earliest=position is None).__aiter__()
        while True:
            batch = await asyncio.wait_for(anext(stream), SILENCE_SECONDS)
            await self.record(batch)
            yield batch

    async def record(self, batch: Batch) -> None:
        """Events and the position that covers them, in one transaction; then wake the workers."""
        changes = [*batch.changes, *(self._kept(broken, batch) for broken in batch.undecodable)]
        async with self._pool.acquire() as connection, connection.transaction():
            woken: set[tuple[str, int]] = set()
            if changes:
                _, woken = await inbox.append(connection, changes)
            await self._advance(connection, batch)
        await self._inbox.wake(woken)

    def _kept(self, broken: Undecodable, batch: Batch) -> Change:
        """An event that cannot be read goes into the inbox whole, and from there to the dead letters."""
        log.error("event_undecodable", topic=self._topic, schema_id=broken.schema_id, error=broken.error)
        payload = base64.b64encode(broken.payload).decode()
        return Change(
            source="salesforce",
            object="undecodable",
            record_id=broken.replay_id.hex(),
            kind="hint",
            event_id=f"undecodable:{self._topic}:{broken.replay_id.hex()}",
            version=inbox.milliseconds(batch.received_at),
            occurred_at=batch.received_at,
            origin="cdc",
            data={"schema_id": broken.schema_id, "error": broken.error, "payload": payload},
        )

    async def _advance(self, connection: Any, batch: Batch) -> None:
        await connection.execute(
            "INSERT INTO ingest.checkpoints (feed, replay_id, committed_at) VALUES ($1, $2, now()) "
            "ON CONFLICT (feed) DO UPDATE SET replay_id = excluded.replay_id, committed_at = now()",
            self._topic,
            batch.latest_replay_id,
        )
        await connection.execute(
            "INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, $2) "
            "ON CONFLICT (feed) DO UPDATE SET as_of = greatest(read_model.feeds.as_of, excluded.as_of)",
            self._topic,
            batch.received_at,
        )

    async def _position(self) -> bytes | None:
        return await self._pool.fetchval(  # type: ignore[no-any-return]
            "SELECT replay_id FROM ingest.checkpoints WHERE feed = $1", self._topic
        )

    async def _forget_position(self) -> None:
        await self._pool.execute("DELETE FROM ingest.checkpoints WHERE feed = $1", self._topic)


async def lead(pool: asyncpg.Pool, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` while holding the leader lock; wait for it as long as another listener leads."""
    async with pool.acquire() as connection:
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK):
            await asyncio.sleep(1)
        log.info("listener_leads")
        task = asyncio.ensure_future(work())
        try:
            while not task.done():
                await asyncio.wait([task], timeout=2)
                await connection.fetchval("SELECT 1")  # the lock lives and dies with this connection
            await task
        finally:
            task.cancel()
