"""Wishes to have a record read again, whatever made them necessary.

Most records are read under their own key; members of lists that WHMCS does not give one by one are read with their
list. What the portal itself keeps cannot be read anywhere.

Writes: ingest.inbox.
"""

import random
from typing import Any

import structlog

from app.db import Db
from app.events import Change
from app.ingest.inbox import inbox
from app.ingest.inbox.inbox import InboxEntry
from app.ingest.inbox.isolation import Woken

PACE_SECONDS = 1.0
"""Between a read that could not be judged, because more arrived meanwhile, and the next: a record that changes all the
time is not read all the time."""

ONE_BY_ONE = frozenset(
    {
        *(("salesforce", name) for name in ("Account", "Order", "OrderItem", "Product2", "PricebookEntry")),
        *(("salesforce", name) for name in ("Case", "CaseComment", "account_history")),
        *(("whmcs", name) for name in ("client", "invoice", "service")),
        *(("whmcs", name) for name in ("client_invoices", "client_services", "pay_methods")),
        *(("whmcs", name) for name in ("cancel_requests", "gateways")),
    }
)
"""(source, object) of what is read under its own id."""
LIST_OF = {"pay_method": "pay_methods", "addon": "client_services"}
"""Members of a client's list; the client is their owner."""
LIST_OF_EVERYBODY = {"cancel_request": "cancel_requests", "gateway": "gateways"}

_LATER = (
    "UPDATE ingest.inbox SET next_attempt_at = clock_timestamp() + $3 * interval '1 second' "
    "WHERE source = $1 AND event_id = $2"
)

log = structlog.get_logger()


def hint(
    source: Any, object_name: str, record_id: str, owner_id: str | None, *, reason: str, version: int, occurred_at: Any
) -> Change | None:
    """The wish; None for what cannot be read. The same `reason` asks once."""
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


async def ask(connection: Db, entry: InboxEntry) -> Woken:
    """Have the record of an entry that could not be merged read again, within the transaction that settles the entry.
    Whoever waits for the entry waits for the read. Returns the (lane, shard) pairs to wake."""
    change = entry.change
    wish = hint(
        change.source,
        change.object,
        change.record_id,
        change.owner_id,
        reason=str(entry.id),
        version=change.version,
        occurred_at=change.occurred_at,
    )
    if wish is None:
        log.error("cannot_be_read_again", source=change.source, object=change.object, record_id=change.record_id)
        return set()
    _, woken = await inbox.append(connection, [wish], submission=entry.submission)
    if change.read_at is not None:
        await connection.execute(_LATER, wish.source, wish.event_id, PACE_SECONDS * random.uniform(0.7, 1.3))
    return woken
