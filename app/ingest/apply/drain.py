"""Drain one shard of the apply lane: inbox → mirror → read models, a batch at a time.

Inbox mark, mirror write, read-model write, account version and notices commit in one transaction. A batch that fails is
tried again in halves, so that one poisonous entry parks its own record and nobody else's. A newer whole record of a
parked one is tried all the same, and heals it (`superseding`).

Reads: ingest.inbox. Writes: ingest.inbox, mirror.records, ingest.dead_letters and, through `project`, read_model.*.
"""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import asyncpg
import structlog

from app import leases
from app.db import is_outage
from app.errors import ReleaseMismatch
from app.events import Record
from app.ingest.apply import mirror, superseding
from app.ingest.apply.superseding import ParkedLetter
from app.ingest.inbox import inbox
from app.ingest.inbox.inbox import InboxEntry
from app.ingest.privacy import erased_owners
from app.ingest.refetch import rereads
from app.intake.text import clean
from app.leases import Lock
from app.lock_numbers import LockSpace

BATCH = 500
BUDGET_SECONDS = 5
"""How long one job drains; what is left is woken again, so that no job outlives its time limit."""
ATTEMPTS = 5
OVERTAKEN_TIMES = 3
"""How often a batch is merged again at once. After that it is like any batch that fails: halves are tried."""

BY_KEY = (("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off"))
"""Everything on this path is found by its key. A plan made while a table was small must not read all of it once it has
grown; the pool resets the settings when the connection goes back."""

ProjectRecords = Callable[[Any, Sequence[Record], Sequence[Record]], Awaitable[None]]
AfterCommit = Callable[[], Awaitable[None]]

log = structlog.get_logger()


async def drain(
    pool: asyncpg.Pool, shard: int, project: ProjectRecords, wake: inbox.Wake, after_commit: AfterCommit
) -> int:
    """Apply everything the shard holds; returns how many entries were settled.

    `project(connection, changed, verified)` recomputes the read models inside the batch's transaction; `after_commit`
    tells Redis and subscribers. A shard that somebody else drains is left to them.
    """
    settled = 0
    ends_at = asyncio.get_running_loop().time() + BUDGET_SECONDS

    async def work(connection: Any) -> bool:
        nonlocal settled
        while entries := await inbox.claim(connection, "apply", shard, BATCH):
            if asyncio.get_running_loop().time() > ends_at:
                await wake({("apply", shard)})
                return False
            woken = await apply_or_isolate(connection, entries, project, set())
            settled += len(entries)
            await tell(partial(wake, woken), after_commit)
            if len(entries) < BATCH:
                break  # whether more came meanwhile is seen once the lock is released
        return True

    async def left(connection: Any) -> bool:
        return bool(await inbox.claim(connection, "apply", shard, 1))

    await leases.work_off(pool, Lock(LockSpace.DRAIN, shard, BY_KEY), work, left, proving=False)
    return settled


async def tell(*tellings: Callable[[], Awaitable[None]]) -> None:
    """Tell of a commit. It stands, whether or not somebody hears of it now; the sweep finds what was not told."""
    for telling in tellings:
        try:
            await telling()
        except Exception:
            log.exception("telling_failed")


async def apply_or_isolate(
    connection: Any, entries: Sequence[InboxEntry], project: ProjectRecords, held: set[mirror.RecordAddress]
) -> set[tuple[str, int]]:
    """All at once; when that fails, one half after the other, down to the entry whose fault it is.

    Behind an entry that fails those of its record are `held`: applied out of order they would make it stale, and what
    it alone says would be lost.
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
    """When the database or the release is the trouble nothing was applied, and no entry shall pay for it."""
    if isinstance(error, ReleaseMismatch) or is_outage(error):
        raise error


async def _apply(connection: Any, entries: Sequence[InboxEntry], project: ProjectRecords) -> set[tuple[str, int]]:
    for _ in range(OVERTAKEN_TIMES):
        try:
            return await _apply_once(connection, entries, project)
        except mirror.Overtaken:
            log.info("batch_overtaken", entries=len(entries))
    return await _apply_once(connection, entries, project)


async def _apply_once(connection: Any, entries: Sequence[InboxEntry], project: ProjectRecords) -> set[tuple[str, int]]:
    async with connection.transaction():
        done = await mirror.apply(connection, entries)
        await project(connection, [*done.changed.values(), *done.left], list(done.verified.values()))
        woken: set[tuple[str, int]] = set()
        for entry in done.reread:
            woken |= await rereads.ask(connection, entry)
        awaited = {entry.submission for entry in entries if entry.change.origin in inbox.AWAITED}
        await inbox.settle(connection, done.outcomes, awaited)
        if any(entry.ahead for entry in entries):
            verdicts = dict(done.outcomes)
            went = [entry.id for entry in entries if entry.ahead and verdicts[entry.id] in ("applied", "unchanged")]
            await superseding.supersede(connection, went)
    return woken


async def fail(connection: Any, entry: InboxEntry, error: Exception) -> None:
    """Try the entry again later, or park its record in the dead letters once its attempts are used up.

    An entry that went ahead of what is parked gets no further attempts: the record stays parked, by this newer entry.
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


async def _give_up(connection: Any, entry: InboxEntry) -> None:
    """A change of an erased customer is not parked: it would keep what it says. The next re-read makes up for it."""
    log.error("entry_of_erased_customer_given_up", entry=entry.id)
    async with connection.transaction():
        await inbox.settle(connection, [(entry.id, "discarded")], [entry.submission])
        await erased_owners.forget_payloads(connection, [entry.id])
