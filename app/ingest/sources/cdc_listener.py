"""Listen to Salesforce: record every batch of change events together with the replay position it covers.

The stream is reopened after any failure, with growing pauses. A watchdog closes a stream that sends nothing, not even a
keepalive. A rejected position is never sent again: everything that changed since it was valid is read again, and the
stream resumes at the oldest event that the bus retains; duplicates are dropped by their id.

A hundred events are requested at a time, and more only once those are in Postgres, so a slow database slows the stream
and fills no memory.

Writes: ingest.inbox, ingest.checkpoints, read_model.feeds, ingest.progress.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

import asyncpg
import structlog

from app.db import Connection, is_outage
from app.errors import UpstreamError, UpstreamRejected
from app.events import Change
from app.ingest.inbox import inbox
from app.ingest.inbox.batches import Batches, Silent
from app.ingest.inbox.feed_state import FeedState
from app.ingest.inbox.inbox import Inbox
from app.ingest.inbox.isolation import Append, Woken
from app.integrations.salesforce.events.pubsub import Batch, PubSubClient, ReplayRejected, Undecodable
from app.integrations.salesforce.records import undecodable

SILENCE_SECONDS = 330
"""Keepalives come within 270 s; a stream silent for longer is dead, whatever the socket says."""
LONGEST_PAUSE_SECONDS = 10
DATABASE_PAUSE_SECONDS = 1
"""Longest pause after a failure of our own database: there is no upstream to spare."""

Resync = Callable[[datetime | None], Awaitable[None]]
"""Reads what changed since an instant; everything when there is none."""

log = structlog.get_logger()


class Listener:
    """The subscriber of one topic."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        box: Inbox,
        pubsub: PubSubClient,
        topic: str,
        resync: Resync | None = None,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._pool, self._inbox, self._pubsub = pool, box, pubsub
        self._topic, self._resync, self._silence_seconds = topic, resync, silence_seconds
        self._renew = asyncio.Event()
        self.feed = FeedState(pool, topic)

    async def listen_forever(self) -> None:
        """Subscribe, and again after any failure, with growing jittered pauses."""
        failures = 0
        while True:
            try:
                longest = LONGEST_PAUSE_SECONDS
                async for _ in self._batches():
                    failures = 0
            except Exception as error:
                longest = DATABASE_PAUSE_SECONDS if _of_database(error) else LONGEST_PAUSE_SECONDS
                await self._report(error)
            failures += 1
            await asyncio.sleep(min(2 ** min(failures, 7) * 0.25, longest) * random.uniform(0.5, 1.5))

    def renew(self) -> None:
        """Close the present stream and open another, because it is known to deliver nothing."""
        self._renew.set()

    async def _report(self, error: Exception) -> None:
        """Log the end of a stream and save it in the feed's state. Only unforeseen errors are logged with a stack."""
        if isinstance(error, ReplayRejected):
            log.error("replay_position_rejected_resyncing", topic=self._topic, error=str(error))
            await self.feed.reject()
            return
        if isinstance(error, UpstreamRejected):
            log.error("topic_refused_check_the_configuration", topic=self._topic, error=str(error))
        elif isinstance(error, (UpstreamError, Silent)) or is_outage(error):
            log.warning("feed_interrupted", topic=self._topic, error=repr(error))
        else:
            log.exception("feed_broken", topic=self._topic)
        if _of_database(error):
            return  # the state could not be saved either
        try:
            await self.feed.report("stalled" if isinstance(error, Silent) else "connecting", repr(error)[:300])
        except Exception as unreachable:
            log.warning("feed_state_not_saved", error=repr(unreachable))

    async def _batches(self) -> AsyncIterator[Batch]:
        position = await self.feed.position()
        await self._close_gap(position)
        # Without a position, everything the bus retains, which includes what changed during the resync.
        stream = self._pubsub.subscribe(self._topic, position, earliest=position is None).__aiter__()
        self._renew.clear()
        batches = Batches(stream, self._silence_seconds, self._renew)
        try:
            while True:
                batch = await batches.following()
                await self.record(batch)
                batches.recorded()
                yield batch
        finally:
            await batches.close()

    async def _close_gap(self, position: bytes | None) -> None:
        since = await self.feed.gap_since()
        if self._resync and (since or position is None):
            await self.feed.report("resyncing")
            await self._resync(since)
            await self.feed.close_gap()

    async def record(self, batch: Batch) -> None:
        """Record events and the position that covers them in one transaction; then wake the workers."""
        changes = [*batch.changes, *(self._kept(broken, batch) for broken in batch.undecodable)]
        newest = max((change.occurred_at for change in batch.changes), default=None)

        async def work(connection: Connection, append: Append) -> Woken:
            woken = (await append(connection, changes))[1] if changes else set()
            await self.feed.advance(connection, batch.latest_replay_id, batch.received_at, newest)
            return woken

        await self._inbox.wake(await inbox.storing(lambda: inbox.of_pool(self._pool), work))

    def _kept(self, broken: Undecodable, batch: Batch) -> Change:
        """Wrap an undecodable event for the inbox; it ends in the dead letters."""
        log.error("event_undecodable", topic=self._topic, schema_id=broken.schema_id, error=broken.error)
        name = f"{self._topic}:{broken.replay_id.hex()}"
        return undecodable(name, broken.payload, broken.schema_id, broken.error, at=batch.received_at)


def _of_database(error: Exception) -> bool:
    """Return whether Postgres failed, and not the event bus, whose broken sockets look the same."""
    return isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError) and is_outage(error)
