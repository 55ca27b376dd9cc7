"""Refetch hints for single records, whatever made them necessary.

Most records are read by their own id; members that WHMCS does not return one by one are read with their list. The
portal's own records cannot be read anywhere.

Writes: ingest.inbox.
"""

import random
from typing import Any

import structlog

from app.db import Db
from app.events import Change
from app.ingest.inbox import inbox
from app.ingest.inbox.claims import InboxEntry
from app.ingest.inbox.isolation import Woken

PACE_SECONDS = 1.0
"""Delay before the next read when one could not be judged because more arrived meanwhile: a record that changes
constantly is not read constantly."""

ONE_BY_ONE = frozenset(
    {
        *(("salesforce", name) for name in ("Account", "Order", "OrderItem", "Product2", "PricebookEntry")),
        *(("salesforce", name) for name in ("Case", "CaseComment", "account_history")),
        *(("whmcs", name) for name in ("client", "invoice", "service")),
        *(("whmcs", name) for name in ("client_invoices", "client_services", "pay_methods")),
        *(("whmcs", name) for name in ("cancel_requests", "gateways", "products")),
        *(("whm", name) for name in ("account", "accounts")),
    }
)
"""(source, object) of records that are read by their own id."""
LIST_OF = {"pay_method": "pay_methods", "addon": "client_services"}
"""Member → the list of its client, who is the owner."""
LIST_OF_EVERYBODY = {
    "cancel_request": "cancel_requests",
    "gateway": "gateways",
    "product": "products",
    "tax": "products",
}

_LATER = (
    "UPDATE ingest.inbox SET next_attempt_at = clock_timestamp() + $3 * interval '1 second' "
    "WHERE source = $1 AND event_id = $2"
)

log = structlog.get_logger()


def hint(
    source: Any, object_name: str, record_id: str, owner_id: str | None, *, reason: str, version: int, occurred_at: Any
) -> Change | None:
    """Build a refetch hint; None for records that cannot be read. The same `reason` counts once."""
    if (source, object_name) in ONE_BY_ONE:
        named, read_id = object_name, record_id
    elif source == "whmcs" and object_name in LIST_OF and owner_id:
        named, read_id = LIST_OF[object_name], owner_id
    elif source == "whmcs" and object_name in LIST_OF_EVERYBODY:
        named, read_id = LIST_OF_EVERYBODY[object_name], "all"
    else:
        return None
    return Change.hint(
        source,
        named,
        read_id,
        event_id=f"reread:{reason}",
        version=version,
        occurred_at=occurred_at,
        origin="refetch",
        owner_id=owner_id,
    )


async def request(connection: Db, entry: InboxEntry) -> Woken:
    """Request a refetch for an entry that could not be merged, within the transaction that settles the entry.

    It joins the entry's submission, so that callers wait for the read. Returns the (lane, shard) pairs to wake.
    """
    change = entry.change
    refetch = hint(
        change.source,
        change.object,
        change.record_id,
        change.owner_id,
        reason=str(entry.id),
        version=change.version,
        occurred_at=change.occurred_at,
    )
    if refetch is None:
        log.error("refetch_impossible", source=change.source, object=change.object, record_id=change.record_id)
        return set()
    _, woken = await inbox.append(connection, [refetch], submission=entry.submission)
    if change.read_at is not None:
        await connection.execute(_LATER, refetch.source, refetch.event_id, PACE_SECONDS * random.uniform(0.7, 1.3))
    return woken
