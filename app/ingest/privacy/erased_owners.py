"""Erased customers: their records enter the mirror without personal data, whatever their source.

An allow-list decides what stays: ids, states, amounts, dates, and the few texts that an invoice or order needs. So an
unforeseen field is erased too. Since the mirror never holds the rest again, no rebuild can restore it.

Reads: portal.erased_owners, mirror.records. Writes: portal.erased_owners, ingest.inbox.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from app.db import Db
from app.events import Change, Record
from app.ingest.privacy.mask import HARMLESS

ChangeT = TypeVar("ChangeT", Change, Record)

DUNNING = frozenset(
    {
        *("invoice_number", "attempts", "max_attempts", "next_attempt_at", "next_attempt_on", "suspend_on"),
        *("suspended_at", "paused_until", "service_suspended_at", "service_resumed_at"),
        *("round", "step", "number", "at"),
    }
)

KEPT = {
    "invoice": frozenset({"invoicenum", "paymentmethod", "currencycode"}),
    "service": frozenset({"name", "groupname", "paymentmethod", "currencycode"}),
    "addon": frozenset({"name"}),
    "upgrade": frozenset({"product_name"}),
    "scheduled_change": frozenset(
        {
            "present_name",
            "sku",
            "product_name",
            "direction",
            "effective_date",
            "code",
            "reason",
            "created_at",
            "ended_at",
        }
    ),
    "dunning": DUNNING,
    "service_dunning": DUNNING,
    "Order": frozenset({"OrderNumber", "Order_Type__c"}),
    "OrderItem": frozenset({"Description"}),
}
"""Texts kept in addition to `HARMLESS` fields: which goods, which bill."""

_OWNED = """
SELECT EXISTS (SELECT FROM portal.erased_owners e WHERE e.source = $1 AND e.owner_id IN (
    $2, (SELECT owner_id FROM mirror.records WHERE (source, object, record_id) = ($1, $3, $4)),
    (SELECT owner_id FROM mirror.records WHERE (source, object, record_id) = ($1, 'Order', $5))))
"""
_BECAME = """
INSERT INTO portal.erased_owners (source, owner_id, account_id)
SELECT source, $3, account_id FROM portal.erased_owners WHERE (source, owner_id) = ($1, $2)
ON CONFLICT (source, owner_id) DO UPDATE SET account_id = excluded.account_id RETURNING owner_id
"""
_ERASED = """
SELECT e.source, e.owner_id FROM unnest($1::text[], $2::text[]) AS k (source, owner_id)
JOIN portal.erased_owners e USING (source, owner_id)
"""


def without_person(object_name: str, data: Any, name: str = "") -> Any:
    """Return the same structure with possibly personal texts emptied and other possibly personal values set to None."""
    if isinstance(data, dict):
        return {key: without_person(object_name, value, str(key)) for key, value in data.items()}
    if isinstance(data, list):
        return [without_person(object_name, each, name) for each in data]
    if data is None or isinstance(data, bool) or HARMLESS.fullmatch(name) or name in KEPT.get(object_name, ()):
        return data
    return "" if isinstance(data, str) else None


async def among(connection: Db, owners: Iterable[tuple[str, str | None]]) -> set[tuple[str, str | None]]:
    """Return the (source, owner id) pairs that were erased."""
    keys = sorted({(source, owner) for source, owner in owners if owner})
    if not keys:
        return set()
    rows = await connection.fetch(_ERASED, *[list(column) for column in zip(*keys, strict=True)])
    return {(row["source"], row["owner_id"]) for row in rows}


async def stripped(connection: Db, changes: Sequence[Change]) -> list[Change]:
    """Return the changes, those of erased owners without personal data."""
    gone = await among(connection, [(change.source, change.owner_id) for change in changes])
    return [without_person_of(change) if (change.source, change.owner_id) in gone else change for change in changes]


def without_person_of(taken: ChangeT) -> ChangeT:
    """Return a change or record without personal data."""
    return replace(taken, data=without_person(taken.object, taken.data))


async def owns(connection: Db, change: Change) -> bool:
    """Return whether a change belongs to an erased customer or their order. Too costly to call for every change."""
    found: bool = await connection.fetchval(
        _OWNED, change.source, change.owner_id, change.object, change.record_id, change.parent_id
    )
    return found


async def became(connection: Db, source: str, owner_id: str, into: str) -> bool:
    """Carry an erasure over to the owner that an erased one was merged into; return whether there was one."""
    return bool(await connection.fetchval(_BECAME, source, owner_id, into))


async def forget_payloads(connection: Db, entry_ids: Sequence[int]) -> None:
    """Empty the data of these inbox entries."""
    await connection.execute("UPDATE ingest.inbox SET data = '{}' WHERE id = ANY($1::bigint[])", list(entry_ids))
