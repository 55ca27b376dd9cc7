"""Read again from Salesforce whatever changed in a window: what a gap in the change feed asks for.

Changed records come by SystemModstamp, those deleted in the window through queryAll. The window overlaps what is known,
because a late committer carries an earlier stamp than it becomes visible; versions drop what is read twice.

Writes: ingest.inbox.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from app.events import Change
from app.ingest.inbox import Inbox, milliseconds
from app.ingest.mirror import now
from app.integrations.salesforce import records
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.wire import FIELDS

OVERLAP = timedelta(minutes=15)
"""Longer than any Salesforce transaction may run."""


async def resync(
    inbox: Inbox, client: SalesforceClient, objects: Sequence[str], since: datetime
) -> AsyncIterator[tuple[str, int]]:
    """Submit every record of these objects that changed or was deleted since then, a page at a time.

    Yields (object, records of the page) as it goes.
    """
    stamp = (since - OVERLAP).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name in objects:
        read_at = now()
        window = f"SystemModstamp >= {stamp}"
        async for page in client.pages(f"SELECT {', '.join(FIELDS[name])} FROM {name} WHERE {window} ORDER BY Id"):
            await inbox.submit([records.change(name, row, origin="reconcile", read_at=read_at) for row in page])
            yield name, len(page)
        gone = f"SELECT Id, SystemModstamp FROM {name} WHERE IsDeleted = true AND {window}"
        async for page in client.pages(gone, deleted=True):
            await inbox.submit([_gone(name, row["Id"], row["SystemModstamp"], read_at) for row in page])
            yield name, len(page)


def _gone(name: str, record_id: str, modified: str, read_at: datetime) -> Change:
    at = datetime.fromisoformat(modified).astimezone(UTC)
    return Change(
        source="salesforce",
        object=name,
        record_id=record_id,
        kind="deleted",
        event_id=f"resync:{name}:{record_id}:gone:{milliseconds(at)}",
        version=milliseconds(at),
        occurred_at=at,
        origin="reconcile",
        read_at=read_at,
    )
