"""Customers whose personal data was erased: their records are taken in without it, whoever brings them.

An allow-list decides what stays: ids, states, amounts, dates, and the few words an invoice or order is nothing without.
So a field nobody thought of is erased too. Since the mirror never holds the rest again, no rebuild can bring it back.

Reads: portal.erased_owners, mirror.records. Writes: portal.erased_owners, ingest.inbox.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from app.events import Change, Record
from app.ingest.privacy.mask import HARMLESS

ChangeT = TypeVar("ChangeT", Change, Record)

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
    "Order": frozenset({"OrderNumber", "Order_Type__c"}),
    "OrderItem": frozenset({"Description"}),
}
"""Beside what is harmless by its name: which goods, which bill."""

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
    """The same structure; texts that may be personal are empty, everything else that may be is None."""
    if isinstance(data, dict):
        return {key: without_person(object_name, value, str(key)) for key, value in data.items()}
    if isinstance(data, list):
        return [without_person(object_name, each, name) for each in data]
    if data is None or isinstance(data, bool) or HARMLESS.fullmatch(name) or name in KEPT.get(object_name, ()):
        return data
    return "" if isinstance(data, str) else None


async def among(connection: Any, owners: Iterable[tuple[str, str | None]]) -> set[tuple[str, str | None]]:
    """Those of these (source, owner id) that were erased."""
    keys = sorted({(source, owner) for source, owner in owners if owner})
    if not keys:
        return set()
    rows = await connection.fetch(_ERASED, *[list(column) for column in zip(*keys, strict=True)])
    return {(row["source"], row["owner_id"]) for row in rows}


async def stripped(connection: Any, changes: Sequence[Change]) -> list[Change]:
    """The same changes, without the person where the owner was erased."""
    gone = await among(connection, [(change.source, change.owner_id) for change in changes])
    return [without_person_of(change) if (change.source, change.owner_id) in gone else change for change in changes]


def without_person_of(taken: ChangeT) -> ChangeT:
    """A change or record whose data is nobody's."""
    return replace(taken, data=without_person(taken.object, taken.data))


async def owns(connection: Any, change: Change) -> bool:
    """Whether a change is of an erased customer, whatever it takes to find out; too dear for every change."""
    found: bool = await connection.fetchval(
        _OWNED, change.source, change.owner_id, change.object, change.record_id, change.parent_id
    )
    return found


async def became(connection: Any, source: str, owner_id: str, into: str) -> bool:
    """Staff merged an owner into another. If it was erased the other is from now on; whether that is so."""
    return bool(await connection.fetchval(_BECAME, source, owner_id, into))


async def forget_payloads(connection: Any, entry_ids: Sequence[int]) -> None:
    """Empty what these entries of the inbox said."""
    await connection.execute("UPDATE ingest.inbox SET data = '{}' WHERE id = ANY($1::bigint[])", list(entry_ids))
