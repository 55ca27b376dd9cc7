"""Read everything from Salesforce that changed in a window, as a gap in the change feed requires.

Changed records are found by SystemModstamp, deleted ones through queryAll. The window overlaps the known period: a late
commit has a SystemModstamp earlier than the time at which it becomes visible. Versions drop duplicates.

Writes: ingest.inbox.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.clock import now
from app.events import Change, milliseconds
from app.ingest.inbox.inbox import Inbox
from app.integrations.salesforce import records
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.wire import FIELDS

OVERLAP = timedelta(minutes=15)
"""Longer than any Salesforce transaction may run."""


async def resync(
    inbox: Inbox, client: SalesforceClient, objects: Sequence[str], since: datetime
) -> AsyncIterator[tuple[str, int]]:
    """Submit every record of these objects that changed or was deleted since then, page by page.

    Yields (object, size of the page).
    """
    for name in objects:
        for pages in (changed_since(client, name, since), deleted_since(client, name, since)):
            async for page in pages:
                await inbox.submit(page)
                yield name, len(page)


async def changed_since(client: SalesforceClient, name: str, since: datetime) -> AsyncIterator[list[Change]]:
    """Yield pages of whole records whose SystemModstamp lies in the window."""
    read_at = now()
    soql = f"SELECT {', '.join(FIELDS[name])} FROM {name} WHERE SystemModstamp >= {_soql(since)} ORDER BY Id"
    async for page in client.pages(soql):
        yield records.changes(name, page, origin="reconcile", read_at=read_at)


async def deleted_since(client: SalesforceClient, name: str, since: datetime) -> AsyncIterator[list[Change]]:
    """Yield pages of deletions in the window; the recycle bin keeps them for 15 days."""
    read_at = now()
    gone = f"SELECT Id, SystemModstamp FROM {name} WHERE IsDeleted = true AND SystemModstamp >= {_soql(since)}"
    async for page in client.pages(f"{gone} ORDER BY Id", deleted=True):
        yield [_gone(name, row, read_at) for row in page]


def _soql(since: datetime) -> str:
    return (since - OVERLAP).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _gone(name: str, row: dict[str, Any], read_at: datetime) -> Change:
    """Build a deletion; a hint when the row has no readable SystemModstamp and so no version."""
    record_id, at = row.get("Id"), records.stamp_or_none(row.get("SystemModstamp"), read_at)
    if at is None or not records.is_id(record_id):
        return records.unread(name, row, "a deletion without Id or SystemModstamp", origin="reconcile", read_at=read_at)
    return Change.gone(
        "salesforce",
        name,
        record_id,
        event_id=f"resync:{name}:{record_id}:gone:{milliseconds(at)}",
        occurred_at=at,
        origin="reconcile",
        read_at=read_at,
    )
