"""Fill the mirror from Salesforce: every record of every mirrored object, a page at a time, through the inbox.

Runs while live events flow: a page is only as new as its records' SystemModstamp, so an older page never overwrites a
newer event.

Writes: ingest.inbox.
"""

from collections.abc import AsyncIterator

from app.ingest.inbox import Inbox
from app.ingest.mirror import now
from app.integrations.salesforce import records
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.wire import FIELDS

OBJECTS = ("Product2", "PricebookEntry", "Account", "Order", "OrderItem")
"""Parents before children, and the catalog first, because everybody sees it."""


async def salesforce(inbox: Inbox, client: SalesforceClient) -> AsyncIterator[tuple[str, int]]:
    """Submit all records; yields (object, records of the page) as it goes."""
    for name in OBJECTS:
        read_at = now()
        async for page in client.pages(f"SELECT {', '.join(FIELDS[name])} FROM {name} ORDER BY Id"):
            await inbox.submit([records.change(name, row, origin="backfill", read_at=read_at) for row in page])
            yield name, len(page)
