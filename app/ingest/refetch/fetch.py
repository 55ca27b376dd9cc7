"""Drain one shard of the fetch lane: read again what a hint named, and append what the upstream answered.

A WHMCS webhook only says that something may have changed, a CDC gap event that something did; the worker reads the
object and puts the answer into the inbox, where it takes the ordinary way. The upstream is called outside any
transaction.

While an upstream is away its hints wait, uncounted, and nobody asks it anything for a moment; that is the upstream's
pause and not each hint's, so all of them go on with its first answer. Whatever else goes wrong with a hint (an answer
that cannot be read, a refusal, an answer that cannot be stored) is counted and ends in the dead letters.

Reads: ingest.inbox. Writes: ingest.inbox.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog

from app import leases
from app.db import is_outage
from app.errors import OutcomeUnknown, UpstreamError, UpstreamUnavailable
from app.events import Change
from app.ingest.apply import superseding
from app.ingest.apply.drain import fail
from app.ingest.inbox import inbox
from app.ingest.inbox.inbox import InboxEntry
from app.ingest.inbox.isolation import Append
from app.ingest.refetch.fetchers import FETCHERS
from app.ingest.refetch.upstreams import Upstreams
from app.leases import Lock
from app.lock_numbers import LockSpace

BATCH = 20
BUDGET_SECONDS = 20
"""How long one job reads; what is left is woken again, so that no job outlives its time limit."""
OTHERS_FIRST_SECONDS = 3.0
"""What the upstream did not answer to waits longer than the rest, in case that one question is what it cannot do."""

log = structlog.get_logger()


async def fetch(pool: asyncpg.Pool, shard: int, upstreams: Upstreams, wake: inbox.Wake) -> int:
    """Read everything the shard's hints name; returns how many hints were handled. A shard that somebody else reads is
    left to them."""
    handled = 0
    ends_at = asyncio.get_running_loop().time() + BUDGET_SECONDS

    async def work(connection: Any) -> bool:
        nonlocal handled
        while entries := await inbox.claim(connection, "fetch", shard, BATCH, upstreams.pauses.away()):
            if asyncio.get_running_loop().time() > ends_at:
                await wake({("fetch", shard)})
                return False
            for group in _by_record(entries):
                await _fetch_group(connection, group, upstreams, wake)
            handled += len(entries)
        return True

    async def left(connection: Any) -> bool:
        return bool(await inbox.claim(connection, "fetch", shard, 1, upstreams.pauses.away()))

    await leases.work_off(pool, Lock(LockSpace.REFETCH, shard), work, left)
    return handled


async def _fetch_group(connection: Any, group: Sequence[InboxEntry], upstreams: Upstreams, wake: inbox.Wake) -> None:
    if group[0].change.source in upstreams.pauses.away():
        return
    woken = await _refetch(connection, group, upstreams)
    try:
        await wake(woken)
    except Exception:  # what is committed stands, whether or not somebody hears of it now
        log.exception("telling_failed")


def _by_record(entries: Sequence[InboxEntry]) -> list[list[InboxEntry]]:
    """Several hints about one record need one read, as long as it begins after the last of them arrived."""
    groups: dict[tuple[str, str, str], list[InboxEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.change.source, entry.change.object, entry.change.record_id), []).append(entry)
    return list(groups.values())


async def _refetch(connection: Any, group: Sequence[InboxEntry], upstreams: Upstreams) -> set[tuple[str, int]]:
    hint = group[-1].change
    try:
        changes = await FETCHERS[hint.source, hint.object](upstreams, connection, hint)
    except (UpstreamUnavailable, OutcomeUnknown) as error:
        await _wait(connection, group, upstreams, error)
        return set()
    except Exception as error:
        await _fail(connection, group, error)
        return set()
    return await _record(connection, group, changes)


async def _wait(connection: Any, group: Sequence[InboxEntry], upstreams: Upstreams, error: UpstreamError) -> None:
    hint = group[-1].change
    seconds = upstreams.pauses.pause(hint.source, error)
    log.warning("upstream_away", source=hint.source, seconds=round(seconds, 1), error=str(error))
    later_seconds = seconds + OTHERS_FIRST_SECONDS * random.uniform(0, 1)
    await inbox.postpone(connection, [entry.id for entry in group], later_seconds, counted=False)


async def _fail(connection: Any, group: Sequence[InboxEntry], error: Exception) -> None:
    """The newest hint stands for the group: one letter a record. The others are tried with it again, or are done when a
    later read is."""
    _raise_outage(error)
    *others, last = group
    await fail(connection, last, error)
    await inbox.follow(connection, [entry.id for entry in others], last.id)


def _raise_outage(error: Exception) -> None:
    if is_outage(error):
        raise error


async def _record(connection: Any, group: Sequence[InboxEntry], changes: Sequence[Change]) -> set[tuple[str, int]]:
    """The answer and the settling of its hints commit together; every submission that somebody may wait for waits for
    the answer too."""
    submissions = {entry.submission for entry in group}
    awaited = {entry.submission for entry in group if entry.change.origin in inbox.AWAITED}

    async def work(connection: Any, append: Append) -> set[tuple[str, int]]:
        woken: set[tuple[str, int]] = set()
        for submission in awaited or {group[-1].submission}:
            own = [_for_submission(change, submission) for change in changes]
            woken |= (await append(connection, own, submission=submission))[1]
        await inbox.settle(connection, [(entry.id, "refetched") for entry in group], submissions)
        await superseding.supersede(connection, [entry.id for entry in group if entry.ahead])
        return woken

    return await inbox.storing(lambda: inbox.on(connection), work)


def _for_submission(change: Change, submission: int) -> Change:
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    return Change(**{**fields, "event_id": f"{change.event_id}:{submission}"})
