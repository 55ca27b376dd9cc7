"""Drain one shard of the fetch lane: read the records that hints name again, and append the answers.

A WHMCS webhook says that something may have changed, a CDC gap event that something did. The worker reads the record
and appends the answer to the inbox, where it is applied as any change. The upstream is called outside any transaction.

While an upstream is unavailable its hints wait, uncounted, and this process does not call it for a short time. The
pause belongs to the upstream, not to each hint, so all hints resume with its first answer. Any other failure of a hint
(an unreadable answer, a refusal, an answer that cannot be stored) is counted and ends in the dead letters.

Reads: ingest.inbox. Writes: ingest.inbox.
"""

import asyncio
import random
from collections.abc import Sequence

import asyncpg
import msgspec
import structlog

from app import leases
from app.db import Connection, is_outage
from app.errors import OutcomeUnknown, UpstreamError, UpstreamUnavailable
from app.events import Change
from app.ingest.apply import superseding
from app.ingest.apply.drain import fail
from app.ingest.inbox import claims, inbox
from app.ingest.inbox.claims import InboxEntry
from app.ingest.inbox.isolation import Append, Woken
from app.ingest.refetch.fetchers import FETCHERS
from app.ingest.refetch.upstreams import Upstreams
from app.leases import Lock
from app.lock_numbers import LockSpace

BATCH = 20
BUDGET_SECONDS = 20
"""Time budget of one job. The rest is woken again, so that no job outlives its time limit."""
OTHERS_FIRST_SECONDS = 3.0
"""Extra delay of a hint without an answer, in case only that one request fails."""

log = structlog.get_logger()


async def fetch(pool: asyncpg.Pool, shard: int, upstreams: Upstreams, wake: inbox.Wake) -> int:
    """Read everything the shard's hints name; return the number of handled hints. A shard that another worker reads is
    left to it."""
    handled = 0
    ends_at = asyncio.get_running_loop().time() + BUDGET_SECONDS

    async def work(connection: Connection) -> bool:
        nonlocal handled
        while entries := await claims.claim(connection, "fetch", shard, BATCH, upstreams.pauses.away()):
            if asyncio.get_running_loop().time() > ends_at:
                await wake({("fetch", shard)})
                return False
            for group in _by_record(entries):
                await _fetch_group(connection, group, upstreams, wake)
            handled += len(entries)
        return True

    async def left(connection: Connection) -> bool:
        return bool(await claims.claim(connection, "fetch", shard, 1, upstreams.pauses.away()))

    await leases.work_off(pool, Lock(LockSpace.REFETCH, shard), work, left)
    return handled


async def _fetch_group(
    connection: Connection, group: Sequence[InboxEntry], upstreams: Upstreams, wake: inbox.Wake
) -> None:
    if group[0].change.source in upstreams.pauses.away():
        return
    woken = await _refetch(connection, group, upstreams)
    try:
        await wake(woken)
    except Exception:  # the commit stands; the sweep makes up for a lost wake-up
        log.exception("after_commit_failed")


def _by_record(entries: Sequence[InboxEntry]) -> list[list[InboxEntry]]:
    """Group hints by record: one read serves all that arrived before it began."""
    groups: dict[tuple[str, str, str], list[InboxEntry]] = {}
    for entry in entries:
        groups.setdefault((entry.change.source, entry.change.object, entry.change.record_id), []).append(entry)
    return list(groups.values())


async def _refetch(connection: Connection, group: Sequence[InboxEntry], upstreams: Upstreams) -> Woken:
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


async def _wait(
    connection: Connection, group: Sequence[InboxEntry], upstreams: Upstreams, error: UpstreamError
) -> None:
    hint = group[-1].change
    seconds = upstreams.pauses.pause(hint.source, error)
    log.warning("upstream_away", source=hint.source, seconds=round(seconds, 1), error=str(error))
    later_seconds = seconds + OTHERS_FIRST_SECONDS * random.uniform(0, 1)
    await inbox.postpone(connection, [entry.id for entry in group], later_seconds, counted=False)


async def _fail(connection: Connection, group: Sequence[InboxEntry], error: Exception) -> None:
    """Fail the newest hint on behalf of the group: one letter per record. The others are retried together with it, or
    settled by a later read."""
    _raise_outage(error)
    *others, last = group
    await fail(connection, last, error)
    await inbox.follow(connection, [entry.id for entry in others], last.id)


def _raise_outage(error: Exception) -> None:
    if is_outage(error):
        raise error


async def _record(connection: Connection, group: Sequence[InboxEntry], changes: Sequence[Change]) -> Woken:
    """Append the answer and settle its hints in one transaction. Submissions that a caller may wait for include the
    answer."""
    submissions = {entry.submission for entry in group}
    awaited = {entry.submission for entry in group if entry.change.origin in inbox.AWAITED}

    async def work(connection: Connection, append: Append) -> Woken:
        woken: Woken = set()
        for submission in awaited or {group[-1].submission}:
            own = [_for_submission(change, submission) for change in changes]
            woken |= (await append(connection, own, submission=submission))[1]
        await inbox.settle(connection, [(entry.id, "refetched") for entry in group], submissions)
        await superseding.supersede(connection, [entry.id for entry in group if entry.ahead])
        return woken

    return await inbox.storing(lambda: inbox.on(connection), work)


def _for_submission(change: Change, submission: int) -> Change:
    return msgspec.structs.replace(change, event_id=f"{change.event_id}:{submission}")
