"""Support cases and public answers of staff, for the timeline: polled, because no change event announces them.

A sweep reads what changed since the last one by SystemModstamp, with an overlap for late commits. Only cases opened
through the portal are mirrored, without their texts; the case screens read Salesforce live.

Reads: Salesforce, mirror.records. Writes: ingest.inbox, ingest.progress, read_model.feeds.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from app.clock import now
from app.events import Change
from app.ingest import progress
from app.ingest.apply import mirror
from app.ingest.catch_up.drift import agrees
from app.ingest.inbox.feed_state import LEADER
from app.ingest.inbox.inbox import Inbox
from app.ingest.refetch.salesforce_window import OVERLAP, deleted_since
from app.integrations.salesforce import records
from app.integrations.salesforce.client import SalesforceClient, quote
from app.integrations.salesforce.wire import CASE_ORIGIN, FIELDS

FEED = "sweep:cases"
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
OBJECTS = ("Case", "CaseComment")
_SELECT = {
    "Case": f"SELECT {', '.join(FIELDS['Case'])} FROM Case",
    "CaseComment": f"SELECT {', '.join(FIELDS['CaseComment'])}, Parent.Origin, CreatedBy.Username FROM CaseComment",
}


async def of_account(client: SalesforceClient, salesforce_account_id: str) -> list[Change]:
    """Read all cases of an account with the answers of staff."""
    found: list[Change] = []
    for name, owner in (("Case", "AccountId"), ("CaseComment", "Parent.AccountId")):
        read_at = now()
        rows = await client.query(quote(f"{_SELECT[name]} WHERE {owner} = {{}} ORDER BY Id", salesforce_account_id))
        found += _changes(name, [row for row in rows if _ours(client, name, row)], read_at)
    return found


async def sweep(pool: asyncpg.Pool, box: Inbox, client: SalesforceClient) -> int:
    """Submit what changed since the last sweep; return the number of changes. One worker at a time runs it."""
    state, began_at, count = await progress.load(pool, FEED), now(), 0
    since = datetime.fromisoformat(state["until"]) if state else BEGINNING
    for name in OBJECTS:
        async for page in _changed(pool, client, name, since):
            if page:
                await box.submit(page)
            count += len(page)
    await progress.save(pool, FEED, {"until": began_at.isoformat()})
    await _answered(pool, began_at)
    return count


async def _changed(
    pool: asyncpg.Pool, client: SalesforceClient, name: str, since: datetime
) -> AsyncIterator[Sequence[Change]]:
    """Yield pages of changes: the portal's cases, present or former, that differ from the mirror."""
    read_at = now()
    soql = quote(f"{_SELECT[name]} WHERE SystemModstamp >= {{}} ORDER BY Id", since - OVERLAP)
    async for rows in client.pages(soql):
        ours = {row.get("Id") for row in rows if _ours(client, name, row)}
        yield await _differing(pool, _changes(name, rows, read_at), ours)
    async for gone in deleted_since(client, name, since):
        yield await _differing(pool, gone, set())


async def _differing(pool: asyncpg.Pool, changes: Sequence[Change], ours: set[Any]) -> list[Change]:
    async with pool.acquire() as connection:
        held = await mirror.load(connection, {mirror.address(change) for change in changes})
    return [
        change
        for change in changes
        if (known := held.get(mirror.address(change))) or change.record_id in ours
        if known is None or not agrees(known, change)
    ]


def _ours(client: SalesforceClient, name: str, row: dict[str, Any]) -> bool:
    """Return whether a row is a case opened through the portal, or a comment of somebody else on such a case."""
    if name == "Case":
        return row.get("Origin") == CASE_ORIGIN
    said_by = str(_inside(row, "CreatedBy").get("Username") or "")
    return _inside(row, "Parent").get("Origin") == CASE_ORIGIN and said_by.casefold() != client.username.casefold()


def _inside(row: dict[str, Any], name: str) -> dict[str, Any]:
    found = row.get(name)
    return found if isinstance(found, dict) else {}


def _changes(name: str, rows: Sequence[dict[str, Any]], read_at: datetime) -> list[Change]:
    return records.changes(name, rows, origin="reconcile", read_at=read_at)


async def _answered(pool: asyncpg.Pool, at: datetime) -> None:
    await pool.execute(
        "INSERT INTO read_model.feeds AS f (feed, as_of, state, leader) VALUES ($1, $2, 'live', $3) "
        "ON CONFLICT (feed) DO UPDATE SET as_of = greatest(f.as_of, excluded.as_of), state = 'live', "
        "leader = excluded.leader",
        FEED,
        at,
        LEADER,
    )
