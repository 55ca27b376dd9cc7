"""Drain what has just come in: all shards together while little is open, so that a change pays a share of a batch.

What a batch costs beyond its entries (locks, plans, a commit and what follows it) is most of what a single change
costs. So the first change is applied at once, and those that come within `ROUND_SECONDS` of it wait for the next round,
which takes them together whatever their shards. A shard in which much is open is left to a drain of its own, which
other workers may run side by side. So is one in which a record is locked by somebody else, for a while: only its own
shard waits for such a record.

A round is started by a notification that commits with the entries (`inbox.ARRIVED`). Every worker hears it; the shards
are whoever's takes them first, and that one has heard of later entries too. What nobody heard of, the sweep finds.

Reads: ingest.inbox. Writes: as `drain`.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import asyncpg
import structlog

from app import leases
from app.db import is_outage
from app.ingest.apply.drain import BY_KEY, AfterCommit, ProjectRecords, apply_or_isolate, tell
from app.ingest.inbox import inbox
from app.ingest.inbox.inbox import InboxEntry
from app.ingest.inbox.isolation import Woken
from app.ingest.inbox.settled_signal import SettledSignal
from app.lock_numbers import LockSpace

ROUND_SECONDS = 0.03
EACH = 32
"""Entries of one shard that a round takes; a shard that has so many is drained alone."""
DEAF_SECONDS = 0.25
"""How often a process looks that hears no notifications."""
LONGEST_SECONDS = 5.0
"""How often one looks that hears them: one may have been lost with a connection that seemed to live."""
APART_SECONDS = 30.0
"""How long a shard that stood still takes no part in the rounds; the sweep drains it alone meanwhile."""
MOST_STANDING_STILL = 2
"""When so many shards of a round stand still, the rest of it is not tried: a table is locked, not a record."""
_ROUND = (*BY_KEY, ("lock_timeout", "1s"), ("statement_timeout", "5s"))
"""A round holds every shard that is free, and so must not wait long for a lock or a statement."""
_STANDS_STILL = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)


log = structlog.get_logger()


class LiveDrain:
    """The rounds of one worker. `drain_alone` starts the drain of one shard in the background."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        project: ProjectRecords,
        wake: inbox.Wake,
        after_commit: AfterCommit,
        drain_alone: Callable[[int], None],
    ) -> None:
        self._pool, self._project, self._wake = pool, project, wake
        self._after_commit, self._drain_alone = after_commit, drain_alone
        self._arrived = asyncio.Event()
        self._apart_until: dict[int, float] = {}

    def arrived(self) -> None:
        """Something may have come in."""
        self._arrived.set()

    async def follow(self, bell: SettledSignal) -> None:
        """Go round until cancelled, at most once in `ROUND_SECONDS`. A round that fails leaves its entries open."""
        await bell.also(inbox.ARRIVED, self.arrived)
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_SECONDS if bell.works else DEAF_SECONDS):
                    await self._arrived.wait()
            self._arrived.clear()
            next_at = loop.time() + ROUND_SECONDS
            try:
                await self.round()
            except Exception as error:
                if not is_outage(error):
                    log.exception("round_failed")
                else:
                    log.warning("round_postponed", error=repr(error))
                next_at = loop.time() + DEAF_SECONDS
            await asyncio.sleep(max(next_at - loop.time(), 0))

    async def round(self) -> int:
        """Apply what the free shards hold, once; returns how many entries were settled."""
        async with (
            self._pool.acquire(timeout=leases.CONNECTION_SECONDS) as connection,
            leases.those_free(connection, LockSpace.DRAIN, self._together(), _ROUND) as shards,
        ):
            entries = await inbox.claim_of_many(connection, "apply", shards, EACH) if shards else []
            counts = Counter(inbox.shard_of(entry.change) for entry in entries)
            crowded = {shard for shard, count in counts.items() if count >= EACH}
            few = [entry for entry in entries if inbox.shard_of(entry.change) not in crowded]
            if few:
                woken, still = await self._apply(connection, few)
                await tell(partial(self._wake, woken), self._after_commit)
                crowded |= still
        for shard in crowded:
            self._drain_alone(shard)
        return sum(inbox.shard_of(entry.change) not in crowded for entry in few)

    def _together(self) -> list[int]:
        now = asyncio.get_running_loop().time()
        return [shard for shard in range(inbox.SHARDS) if self._apart_until.get(shard, now) <= now]

    async def _apply(self, connection: Any, entries: Sequence[InboxEntry]) -> tuple[Woken, set[int]]:
        """All at once; when that stands still, shard by shard. Returns whom to wake, and which shards stood still."""
        try:
            return await apply_or_isolate(connection, entries, self._project, set()), set()
        except _STANDS_STILL as error:
            log.warning("round_stood_still", entries=len(entries), error=repr(error))
        woken, still = Woken(), set[int]()
        by_shard: dict[int, list[InboxEntry]] = {}
        for entry in entries:
            by_shard.setdefault(inbox.shard_of(entry.change), []).append(entry)
        for shard, own in by_shard.items():
            try:
                if len(still) < MOST_STANDING_STILL:
                    woken |= await apply_or_isolate(connection, own, self._project, set())
                    continue
            except _STANDS_STILL:
                log.warning("shard_stands_still", shard=shard)
            still.add(shard)
            self._apart_until[shard] = asyncio.get_running_loop().time() + APART_SECONDS
        return woken, still
