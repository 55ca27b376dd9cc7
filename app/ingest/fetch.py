"""Drain one shard of the fetch lane: read again what a hint named, and append what the upstream answered.

A WHMCS webhook only says that something may have changed, a CDC gap event that something did; the worker reads the
object and puts the answer into the inbox, where it takes the ordinary way. The upstream is called outside any
transaction. While it is down the hint waits; it is never parked for that.

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
from app.errors import UpstreamError
from app.events import Change
from app.ingest import inbox
from app.ingest.drain import fail
from app.ingest.fetchers import FETCHERS
from app.ingest.inbox import Entry
from app.ingest.upstreams import Upstreams
from app.leases import Lock

BATCH = 20
BUDGET_SECONDS = 20
"""How long one job reads; what is left is woken again, so that no job outlives its time limit."""
LOCK_SPACE = 0x1B0D
LONGEST_WAIT_SECONDS = 60

log = structlog.get_logger()


async def fetch(pool: asyncpg.Pool, shard: int, upstreams: Upstreams, wake: inbox.Wake) -> int:
    """Read everything the shard's hints name; returns how many hints were handled. A shard that somebody else reads is
    left to them."""
    handled = 0
    ends_at = asyncio.get_running_loop().time() + BUDGET_SECONDS

    async def work(connection: Any) -> bool:
        nonlocal handled
        while entries := await inbox.claim(connection, "fetch", shard, BATCH):
            if asyncio.get_running_loop().time() > ends_at:
                await wake({("fetch", shard)})
                return False
            for group in _by_record(entries):
                await wake(await _refetch(connection, group, upstreams))
            handled += len(entries)
        return True

    async def left(connection: Any) -> bool:
        return bool(await inbox.claim(connection, "fetch", shard, 1))

    await leases.work_off(pool, Lock(LOCK_SPACE, shard), work, left)
    return handled


def _by_record(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Several hints about one record need one read, as long as it begins after the last of them arrived."""
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.change.source, entry.change.object, entry.change.record_id), []).append(entry)
    return list(groups.values())


async def _refetch(connection: Any, group: Sequence[Entry], upstreams: Upstreams) -> set[tuple[str, int]]:
    hint = group[-1].change
    try:
        changes = await FETCHERS[hint.source, hint.object](upstreams, connection, hint)
    except UpstreamError as error:
        wait_seconds = min(2 ** group[0].attempts, LONGEST_WAIT_SECONDS) * random.uniform(0.5, 1.0)
        log.warning("refetch_postponed", object=hint.object, record_id=hint.record_id, error=str(error))
        await inbox.postpone(connection, [entry.id for entry in group], wait_seconds)
        return set()
    except Exception as error:
        if is_outage(error):
            raise
        for entry in group:
            await fail(connection, entry, error)
        return set()
    return await _record(connection, group, changes)


async def _record(connection: Any, group: Sequence[Entry], changes: Sequence[Change]) -> set[tuple[str, int]]:
    """The answer and the settling of its hints commit together; every waiting submission waits for the answer too."""
    async with connection.transaction():
        woken: set[tuple[str, int]] = set()
        for submission in {entry.submission for entry in group}:
            own = [_for_submission(change, submission) for change in changes]
            woken |= (await inbox.append(connection, own, submission=submission))[1]
        submissions = {entry.submission for entry in group}
        await inbox.settle(connection, [(entry.id, "refetched") for entry in group], submissions)
    return woken


def _for_submission(change: Change, submission: int) -> Change:
    fields = {name: getattr(change, name) for name in change.__struct_fields__}
    return Change(**{**fields, "event_id": f"{change.event_id}:{submission}"})
