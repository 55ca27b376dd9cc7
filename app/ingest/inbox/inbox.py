"""The inbox: upstream changes, recorded before they are acknowledged.

The row is the truth; a job is only a wake-up. Work is sharded by record, because a change does not always name its
owner: entries of one record keep their order, and owners are serialised later by a lock on their account version.

Writes: ingest.inbox; through `pending`, read_model.pending.
"""

import asyncio
import contextlib
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Literal, TypeVar

import asyncpg

from app.db import Connection, Db, is_outage
from app.events import Change
from app.ingest.inbox import isolation
from app.ingest.inbox import pending as pending_writes
from app.ingest.inbox.isolation import Append, NotStored, Transaction, Woken
from app.ingest.inbox.pending import Pending, confirm, pend
from app.ingest.inbox.settled_signal import SettledSignal, notify

SHARDS = 16
FALLBACK_SECONDS = 0.25
LOOK_SECONDS = 0.5
"""Bound of the last query after the caller's time is up."""
AWAITED = frozenset({"command", "portal", "refetch"})
"""Origins whose submissions a caller may wait for; nothing waits for a backfill page or a change event."""

T = TypeVar("T")
Wake = Callable[[Iterable[tuple[str, int]]], Awaitable[None]]

ARRIVED = "portal_arrived"
"""The channel on which a commit announces entries of the apply lane. Postgres merges identical ones of one commit."""

_APPEND = f"""
WITH added AS (
INSERT INTO ingest.inbox (source, event_id, object, record_id, kind, origin, version, occurred_at, owner_id, parent_id,
                          read_at, echo, data, lane, shard, submission)
SELECT e.*, $16::bigint
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::timestamptz[],
            $9::text[], $10::text[], $11::timestamptz[], $12::bool[], $13::jsonb[], $14::text[], $15::smallint[]) AS e
ON CONFLICT (source, event_id) DO NOTHING
RETURNING lane, shard)
SELECT lane, shard, CASE lane WHEN 'apply' THEN pg_notify('{ARRIVED}', '') END
FROM (SELECT DISTINCT lane, shard FROM added) AS woken
"""
_STATE = """
SELECT CASE
    WHEN EXISTS (SELECT FROM ingest.inbox WHERE submission = $1 AND outcome = 'discarded')
      OR EXISTS (SELECT FROM ingest.inbox i JOIN ingest.dead_letters d ON d.entry_id = i.id AND d.resolved_at IS NULL
                 WHERE i.submission = $1 AND i.settled_at IS NULL) THEN 'given_up'
    WHEN EXISTS (SELECT FROM ingest.inbox WHERE submission = $1 AND settled_at IS NULL) THEN 'pending'
    ELSE 'reached' END
"""

Consistency = Literal["reached", "pending", "given_up"]
"""Whether a submission shows. `given_up`: a part of it could not be applied, and nothing but a decision of staff or a
newer state of the record will show it."""


def shard_of(change: Change) -> int:
    """Return the shard of the record, the same in every process and release."""
    return zlib.crc32(f"{change.source}:{change.object}:{change.record_id}".encode()) % SHARDS


def lane_of(change: Change) -> str:
    """Return the lane: hints are read again upstream first, everything else is pure database work."""
    return "fetch" if change.kind == "hint" else "apply"


async def append(connection: Db, changes: Sequence[Change], *, submission: int | None = None) -> tuple[int, Woken]:
    """Append within the caller's transaction; skip known events.

    Returns the submission number and the (lane, shard) pairs to wake once the transaction is committed.

    Raises:
        NotStored: one of the changes cannot be stored; the transaction is lost. See `storing`.
    """
    number = submission or await connection.fetchval("SELECT nextval('ingest.submissions')")
    if not changes:
        return number, set()
    try:
        columns = zip(*(_row(change) for change in changes), strict=True)
        rows = await connection.fetch(_APPEND, *[list(column) for column in columns], number)
    except Exception as error:
        if is_outage(error):
            raise
        raise NotStored(f"{len(changes)} changes") from error
    return number, {(row["lane"], row["shard"]) for row in rows}


async def storing(transaction: Transaction, work: Callable[[Connection, Append], Awaitable[T]]) -> T:
    """Run `work(connection, append)` so that a change that cannot be stored affects no other."""
    return await isolation.storing(append, transaction, work)


@contextlib.asynccontextmanager
async def of_pool(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """Open a transaction on a connection of the pool."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection


@contextlib.asynccontextmanager
async def on(connection: Connection) -> AsyncIterator[Connection]:
    """Open a transaction on this connection."""
    async with connection.transaction():
        yield connection


def _row(change: Change) -> tuple[Any, ...]:
    return (
        change.source,
        change.event_id,
        change.object,
        change.record_id,
        change.kind,
        change.origin,
        change.version,
        change.occurred_at,
        change.owner_id,
        change.parent_id,
        change.read_at,
        change.echo,
        change.data,
        lane_of(change),
        shard_of(change),
    )


class Inbox:
    """The inbox as commands, webhooks and the listener use it."""

    def __init__(self, pool: asyncpg.Pool, wake: Wake, settled_signal: SettledSignal | None = None) -> None:
        self._pool = pool
        self.settled_signal = settled_signal or SettledSignal()
        self.wake = wake

    async def submit(self, changes: Sequence[Change], *, pending: Sequence[Pending] = ()) -> int | None:
        """Record changes durably, with the pending items that show until they are applied; then wake the workers.

        Returns the submission number to wait for, or None when every event was known already.
        """

        async def work(connection: Connection, append: Append) -> tuple[int, Woken]:
            number, woken = await append(connection, changes)
            if pending and woken:
                await pend(connection, pending, number)
            return number, woken

        number, woken = await storing(lambda: of_pool(self._pool), work)
        await self.wake(woken)
        return number if woken else None

    async def settled(self, submission: int, timeout_seconds: float) -> bool:
        """Wait as `consistency` does; true once everything submitted under the number shows in the read models."""
        return await self.consistency(submission, timeout_seconds) == "reached"

    async def consistency(self, submission: int, timeout_seconds: float) -> Consistency:
        """Wait until everything submitted under the number shows in the read models, or certainly will not by itself;
        `pending` when time runs out.

        Workers notify through `settled_signal`. The database is polled as well: rarely while the signal works, often
        while it does not. `pending` too when the database does not answer in time.
        """
        try:
            async with asyncio.timeout(timeout_seconds + LOOK_SECONDS):
                return await self._consistency(submission, timeout_seconds)
        except Exception as error:  # the database hangs or is away; what was submitted is recorded all the same
            if not is_outage(error):
                raise
            return "pending"

    async def _consistency(self, submission: int, timeout_seconds: float) -> Consistency:
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        pause_seconds = 0.004
        with self.settled_signal.expect(submission) as notified:
            while True:
                found: Consistency = await self._pool.fetchval(_STATE, submission)
                left_seconds = deadline - asyncio.get_running_loop().time()
                if found != "pending" or left_seconds <= 0:
                    return found
                pause_seconds = FALLBACK_SECONDS if self.settled_signal.works else min(pause_seconds * 1.5, 0.1)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(pause_seconds, left_seconds)):
                        await notified.wait()
                notified.clear()


async def settle(connection: Db, outcomes: Sequence[tuple[int, str]], submissions: Iterable[int] = ()) -> None:
    """Mark entries as done, each with its outcome: applied, unchanged, stale, echo, reread, refetched, superseded,
    discarded.

    At commit, callers that wait for one of the submissions are notified and its pending items disappear.
    """
    by_outcome: dict[str, list[int]] = defaultdict(list)
    for entry_id, outcome in outcomes:
        by_outcome[outcome].append(entry_id)
    for outcome, entry_ids in by_outcome.items():
        await connection.execute(
            "UPDATE ingest.inbox SET settled_at = clock_timestamp(), outcome = $2 WHERE id = ANY($1::bigint[])",
            entry_ids,
            outcome,
        )
    if awaited := sorted(set(submissions)):
        await confirm(connection, awaited, by_outcome["applied"])
        await notify(connection, awaited)


async def give_up(connection: Db, submission: int) -> None:
    """Mark what was submitted under the number as given up, and notify callers that wait for it."""
    await pending_writes.give_up(connection, [submission])
    await notify(connection, [submission])


async def postpone(connection: Db, entry_ids: Sequence[int], delay_seconds: float, *, counted: bool = True) -> None:
    """Try these entries again later. `counted`: count the attempt, which also holds back later entries of the same
    record."""
    await connection.execute(
        "UPDATE ingest.inbox SET attempts = attempts + $3, "
        "next_attempt_at = clock_timestamp() + $2 * interval '1 second' "
        "WHERE id = ANY($1::bigint[])",
        list(entry_ids),
        delay_seconds,
        int(counted),
    )


async def follow(connection: Db, entry_ids: Sequence[int], other_id: int) -> None:
    """Try these entries again together with the other one."""
    await connection.execute(
        "UPDATE ingest.inbox i SET next_attempt_at = o.next_attempt_at FROM ingest.inbox o "
        "WHERE o.id = $2 AND i.id = ANY($1::bigint[])",
        list(entry_ids),
        other_id,
    )


async def open_shards(connection: Db) -> list[tuple[str, int]]:
    """Return the shards with due work, for the sweep to wake after a lost wake-up."""
    rows = await connection.fetch(
        "SELECT DISTINCT lane, shard FROM ingest.inbox "
        "WHERE settled_at IS NULL AND next_attempt_at <= clock_timestamp()"
    )
    return [(row["lane"], row["shard"]) for row in rows]


async def open_up_to(connection: Db, most: int) -> int:
    """Count the open entries up to `most`: cheap however many there are."""
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM (SELECT FROM ingest.inbox WHERE settled_at IS NULL LIMIT $1) AS found", most
        )
    )
