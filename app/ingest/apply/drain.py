"""Drain one shard of the apply lane: inbox → mirror → read models, in batches.

Settled entries, mirror, read models, account versions and notices commit in one transaction. A batch that fails is
retried in halves, so that a poison entry parks its own record and no other. A newer whole record of a parked one is
tried all the same, and heals it (`superseding`).

Reads: ingest.inbox. Writes: ingest.inbox, mirror.records, ingest.dead_letters and, through `project`, read_model.*.
"""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

import asyncpg
import structlog

from app import leases
from app.db import Connection, Db, is_outage
from app.errors import ReleaseMismatch
from app.events import Record
from app.ingest.apply import mirror, superseding
from app.ingest.apply.superseding import ParkedLetter
from app.ingest.inbox import claims, inbox, pending
from app.ingest.inbox.claims import InboxEntry
from app.ingest.inbox.isolation import Woken
from app.ingest.privacy import erased_owners
from app.ingest.refetch import rereads
from app.intake.text import clean
from app.leases import Lock
from app.lock_numbers import LockSpace

BATCH = 500
BUDGET_SECONDS = 5
"""Time budget of one job. The rest is woken again, so that no job outlives its time limit."""
ATTEMPTS = 5
OVERTAKEN_TIMES = 3
"""Immediate retries of an overtaken batch. After that it counts as failed and is tried in halves."""

BY_KEY = (("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off"))
"""Everything on this path is found by key. A plan made while a table was small must not scan it once it has grown. The
pool resets these settings when the connection is released."""

ProjectRecords = Callable[[Db, Sequence[Record], Sequence[Record], Sequence[UUID]], Awaitable[None]]
AfterCommit = Callable[[], Awaitable[None]]

log = structlog.get_logger()


async def drain(
    pool: asyncpg.Pool, shard: int, project: ProjectRecords, wake: inbox.Wake, after_commit: AfterCommit
) -> int:
    """Apply everything the shard holds; return the number of settled entries.

    `project(connection, changed, verified, waiting)` recomputes the read models inside the batch's transaction and
    locks the accounts that wait for a write of their own; `after_commit` publishes the notices. A shard that another
    worker drains is left to it.
    """
    settled = 0
    ends_at = asyncio.get_running_loop().time() + BUDGET_SECONDS

    async def work(connection: Connection) -> bool:
        nonlocal settled
        while entries := await claims.claim(connection, "apply", shard, BATCH):
            if asyncio.get_running_loop().time() > ends_at:
                await wake({("apply", shard)})
                return False
            woken = await apply_or_isolate(connection, entries, project, set())
            settled += len(entries)
            await run_after_commit(partial(wake, woken), after_commit)
            if len(entries) < BATCH:
                break  # entries that arrived meanwhile are found after the lock is released
        return True

    async def left(connection: Connection) -> bool:
        return bool(await claims.claim(connection, "apply", shard, 1))

    await leases.work_off(pool, Lock(LockSpace.DRAIN, shard, BY_KEY), work, left, proving=False)
    return settled


async def run_after_commit(*callbacks: Callable[[], Awaitable[None]]) -> None:
    """Run callbacks of a commit. The commit stands when one fails; the sweep makes up for it."""
    for callback in callbacks:
        try:
            await callback()
        except Exception:
            log.exception("after_commit_failed")


async def apply_or_isolate(
    connection: Connection, entries: Sequence[InboxEntry], project: ProjectRecords, held: set[mirror.RecordAddress]
) -> Woken:
    """Apply all entries at once; on failure, apply each half, down to the entry at fault.

    Later entries of a failed record are `held`: applied out of order they would make the failed one stale, and what
    only that one knows would be lost.
    """
    entries = [entry for entry in entries if mirror.address(entry.change) not in held]
    if not entries:
        return set()
    try:
        return await _apply(connection, entries, project)
    except Exception as error:
        _raise_unless_theirs(error)
        if len(entries) == 1:
            await fail(connection, entries[0], error)
            held.add(mirror.address(entries[0].change))
            return set()
        log.warning("batch_failed_trying_halves", entries=len(entries), error=repr(error))
    half = len(entries) // 2
    woken = await apply_or_isolate(connection, entries[:half], project, held)
    return woken | await apply_or_isolate(connection, entries[half:], project, held)


def _raise_unless_theirs(error: Exception) -> None:
    """Re-raise failures of the database or the release: nothing was applied, and no entry is at fault."""
    if isinstance(error, ReleaseMismatch) or is_outage(error):
        raise error


async def _apply(connection: Connection, entries: Sequence[InboxEntry], project: ProjectRecords) -> Woken:
    for _ in range(OVERTAKEN_TIMES):
        try:
            return await _apply_once(connection, entries, project)
        except mirror.Overtaken:
            log.info("batch_overtaken", entries=len(entries))
    return await _apply_once(connection, entries, project)


async def _apply_once(connection: Connection, entries: Sequence[InboxEntry], project: ProjectRecords) -> Woken:
    async with connection.transaction():
        done = await mirror.apply(connection, entries)
        awaited = {entry.submission for entry in entries if entry.change.origin in inbox.AWAITED}
        waiting = await pending.waiting(connection, awaited)
        await project(connection, [*done.changed.values(), *done.moved], list(done.verified.values()), waiting)
        woken: Woken = set()
        for entry in done.reread:
            woken |= await rereads.request(connection, entry)
        await inbox.settle(connection, done.outcomes, awaited)
        if any(entry.ahead for entry in entries):
            verdicts = dict(done.outcomes)
            went = [entry.id for entry in entries if entry.ahead and verdicts[entry.id] in ("applied", "unchanged")]
            await superseding.supersede(connection, went)
    return woken


async def fail(connection: Connection, entry: InboxEntry, error: Exception) -> None:
    """Try the entry again later, or park its record in the dead letters after the last attempt.

    An entry that went ahead of a parked record gets no further attempts: the record stays parked, by this newer entry.
    """
    where = {"source": entry.change.source, "object": entry.change.object, "record_id": entry.change.record_id}
    letter = ParkedLetter(error=clean(repr(error)), stack=clean("".join(traceback.format_exception(error))))
    last = entry.attempts + 1 >= ATTEMPTS
    if (last or entry.ahead) and entry.change.kind != "hint" and await erased_owners.owns(connection, entry.change):
        await _give_up(connection, entry)
    elif entry.ahead and await superseding.take_over(connection, entry, letter):
        log.error("entry_parked_in_place_of_older", entry=entry.id, error=letter.error, **where)
    elif last:
        log.error("entry_parked", entry=entry.id, error=letter.error, **where)
        await superseding.park(connection, entry, letter)
    else:
        delay_seconds = 2**entry.attempts * random.uniform(0.5, 1.5)
        log.warning("entry_failed", entry=entry.id, attempt=entry.attempts + 1, error=letter.error, **where)
        await inbox.postpone(connection, [entry.id], delay_seconds)


async def _give_up(connection: Connection, entry: InboxEntry) -> None:
    """Discard an erased customer's change: a dead letter would keep its data, and the next refetch makes up for it."""
    log.error("entry_of_erased_customer_given_up", entry=entry.id)
    async with connection.transaction():
        await inbox.settle(connection, [(entry.id, "discarded")], [entry.submission])
        await erased_owners.forget_payloads(connection, [entry.id])
