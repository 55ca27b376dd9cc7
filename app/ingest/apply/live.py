"""Apply new entries in rounds: all shards together while little is open, so that changes share the cost of a batch.

The fixed cost of a batch (locks, plans, the commit and what follows it) is most of the cost of a single change. So the
first change is applied at once, and those that arrive within `ROUND_SECONDS` wait for the next round, which takes them
together whatever their shards. A shard with many open entries is left to a drain of its own, which other workers may
run in parallel. So is, for a while, a shard in which another session locks a record: only that shard waits for it.

A round is started by a notification that commits with the entries (`inbox.ARRIVED`). Every worker receives it; the one
that takes a shard's lock first applies the shard. The sweep finds entries whose notification was lost.

Reads: ingest.inbox. Writes: as `drain`.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import asyncpg
import structlog

from app import leases
from app.db import Connection, is_outage
from app.ingest.apply.drain import BY_KEY, AfterCommit, ProjectRecords, apply_or_isolate, run_after_commit
from app.ingest.inbox import claims, inbox
from app.ingest.inbox.claims import InboxEntry
from app.ingest.inbox.isolation import Woken
from app.ingest.inbox.settled_signal import SettledSignal
from app.lock_numbers import LockSpace

ROUND_SECONDS = 0.03
EACH = 32
"""Most entries of one shard per round; a shard that has as many is drained alone."""
POLL_SECONDS = 0.25
"""Polling interval without notifications."""
LONGEST_WAIT_SECONDS = 5.0
"""Polling interval with notifications: one may be lost with a connection that only seemed alive."""
EXCLUDED_SECONDS = 30.0
"""Time for which a blocked shard is excluded from rounds; the sweep drains it alone meanwhile."""
MOST_BLOCKED = 2
"""With so many blocked shards the rest of the round is skipped: a table is locked, not a record."""
_ROUND = (*BY_KEY, ("lock_timeout", "1s"), ("statement_timeout", "5s"))
"""A round holds every free shard, so it must not wait long for a lock or a statement."""
_BLOCKED = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)


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
        self._excluded_until: dict[int, float] = {}

    def arrived(self) -> None:
        """Note that entries may have arrived."""
        self._arrived.set()

    async def follow(self, signal: SettledSignal) -> None:
        """Run rounds until cancelled, at most one per `ROUND_SECONDS`. A round that fails leaves its entries open."""
        await signal.also(inbox.ARRIVED, self.arrived)
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_WAIT_SECONDS if signal.works else POLL_SECONDS):
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
                next_at = loop.time() + POLL_SECONDS
            await asyncio.sleep(max(next_at - loop.time(), 0))

    async def round(self) -> int:
        """Apply the entries of the free shards once; return the number of settled entries."""
        async with (
            self._pool.acquire(timeout=leases.CONNECTION_SECONDS) as connection,
            leases.those_free(connection, LockSpace.DRAIN, self._included(), _ROUND) as shards,
        ):
            entries = await claims.claim_of_many(connection, "apply", shards, EACH) if shards else []
            counts = Counter(inbox.shard_of(entry.change) for entry in entries)
            crowded = {shard for shard, count in counts.items() if count >= EACH}
            few = [entry for entry in entries if inbox.shard_of(entry.change) not in crowded]
            if few:
                woken, blocked = await self._apply(connection, few)
                await run_after_commit(partial(self._wake, woken), self._after_commit)
                crowded |= blocked
        for shard in crowded:
            self._drain_alone(shard)
        return sum(inbox.shard_of(entry.change) not in crowded for entry in few)

    def _included(self) -> list[int]:
        now = asyncio.get_running_loop().time()
        return [shard for shard in range(inbox.SHARDS) if self._excluded_until.get(shard, now) <= now]

    async def _apply(self, connection: Connection, entries: Sequence[InboxEntry]) -> tuple[Woken, set[int]]:
        """Apply all entries at once; when blocked, shard by shard. Return the shards to wake and the blocked ones."""
        try:
            return await apply_or_isolate(connection, entries, self._project, set()), set()
        except _BLOCKED as error:
            log.warning("round_blocked", entries=len(entries), error=repr(error))
        woken, blocked = Woken(), set[int]()
        by_shard: dict[int, list[InboxEntry]] = {}
        for entry in entries:
            by_shard.setdefault(inbox.shard_of(entry.change), []).append(entry)
        for shard, own in by_shard.items():
            try:
                if len(blocked) < MOST_BLOCKED:
                    woken |= await apply_or_isolate(connection, own, self._project, set())
                    continue
            except _BLOCKED:
                log.warning("shard_blocked", shard=shard)
            blocked.add(shard)
            self._excluded_until[shard] = asyncio.get_running_loop().time() + EXCLUDED_SECONDS
        return woken, blocked
