"""The mirrored records a row is made of, found by the projector's declaration; deleted ones included.

Reads: mirror.records, portal.id_mappings, read_model.*.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.db import Db, rows
from app.events import Record
from app.projections.engine.groups import accounts_of
from app.projections.projector import Projector

RecordKey = tuple[str, str]
"""(object, record id); the source is the projector's."""

LISTS = {
    "invoice": "client_invoices",
    "service": "client_services",
    "pay_method": "pay_methods",
    "Order": "account_history",
    "gateway": "gateways",
    "product": "products",
}
"""Object → the whole-list read that finds its records, stored under their owner's id."""
EVERYBODY = "all"
"""The id of lists that belong to no owner."""

_RECORDS = (
    "SELECT source, object, record_id, parent_id, owner_id, data, version, deleted, occurred_at, verified_at "
    "FROM mirror.records WHERE source = $1 AND object = ANY($2::text[]) AND "
)


class FoundSources(Struct):
    """Addresses with their roles, the mirrored records, their owner and account, and the served rows."""

    roles: dict[RecordKey, str]
    records: dict[RecordKey, Record]
    owner_id: str | None
    account_id: UUID | None
    rows: list[Mapping[str, Any]]


async def find(connection: Db, projector: Projector, item_id: str) -> FoundSources:
    """Find everything that contributes to the rows of this id."""
    how = {"record": _by_root, "owner": _by_owner, "global": _of_everybody}[projector.scope]
    return await how(connection, projector, item_id)


async def _by_root(connection: Db, projector: Projector, item_id: str) -> FoundSources:
    children = [name for name in projector.reads if name != projector.root]
    roots = await _records(connection, projector, [projector.root], "record_id = $3", item_id)
    below = await _records(connection, projector, children, "parent_id = $3", item_id)
    owner_id = next((record.owner_id for record in roots), None)
    roles: dict[RecordKey, str] = {(projector.root, item_id): "root", **{_address(each): "child" for each in below}}
    for lookup in (each for each in projector.lookups if not each.key):  # those of the projector's own upstream
        for record in (*roots, *below):
            if record.object == lookup.referrer and record.data.get(lookup.field):
                roles[lookup.target, str(record.data[lookup.field])] = "referred to"
    referred = [address for address, role in roles.items() if role == "referred to"]
    seen = await _records(
        connection, projector, [name for name, _ in referred], "record_id = ANY($3::text[])", [i for _, i in referred]
    )
    of_owner = await _records(connection, projector, projector.owner_context, "owner_id = $3", owner_id)
    roles |= {_address(each): "of the owner" for each in of_owner}
    found = await _found(connection, projector, roles, [*roots, *below, *seen, *of_owner], owner_id)
    found.rows = await _rows(connection, projector, f"{projector.table.by_root} = $1", item_id)
    return found


async def _by_owner(connection: Db, projector: Projector, item_id: str) -> FoundSources:
    """Find by the owner's id, or by the id of a single record."""
    objects = projector.reads
    members = await _records(connection, projector, objects, "owner_id = $3", item_id)
    linked = await accounts_of(connection, projector.source, [item_id])
    if members or linked or projector.table.item is None:
        whole, owner_id = "true", item_id
    else:
        members = await _records(connection, projector, objects, "record_id = $3", item_id)
        whole = f"{projector.table.item} = $2"
        owner_id = next((record.owner_id for record in members if record.owner_id), "")
    roles = {_address(each): "member" for each in members} or {(name, item_id): "member" for name in objects}
    found = await _found(connection, projector, roles, members, owner_id or None)
    values = (found.account_id,) if whole == "true" else (found.account_id, item_id)
    found.rows = await _rows(connection, projector, f"account_id = $1 AND {whole}", *values)
    return found


async def _of_everybody(connection: Db, projector: Projector, item_id: str) -> FoundSources:
    """Find by the row's own id, or by that of a record the row names."""
    texts = "SELECT value FROM jsonb_each_text(to_jsonb(t) - 'document' - 'summary')"
    served = await _rows(connection, projector, f"$1 IN ({texts})", item_id)
    named = {item_id, *(value for row in served for value in row.values() if isinstance(value, str))}
    of_row = "(record_id = ANY($3::text[]) OR parent_id = ANY($3::text[]))"
    members = await _records(connection, projector, projector.reads, of_row, sorted(named))
    roles = {_address(each): "member" for each in members} or {(name, item_id): "member" for name in projector.reads}
    found = await _found(connection, projector, roles, members, None)
    found.account_id = next((row["account_id"] for row in served), None)
    found.rows = served
    return found


async def _found(
    connection: Db, projector: Projector, roles: dict[RecordKey, str], records: Iterable[Record], owner_id: str | None
) -> FoundSources:
    """Complete the result with the lists that find the owner's records."""
    list_id = EVERYBODY if projector.scope == "global" else owner_id
    lists = {LISTS.get(name) for name in projector.reads} - {None, *projector.reads}
    if list_id:
        roles |= {(str(name), list_id): "list" for name in lists}
    accounts = await accounts_of(connection, projector.source, [owner_id]) if owner_id else {}
    seen = [
        *records,
        *await _records(connection, projector, [str(name) for name in lists], "record_id = $3", list_id),
    ]
    return FoundSources(
        roles=roles,
        records={_address(record): record for record in seen},
        owner_id=owner_id,
        account_id=accounts.get(owner_id or ""),
        rows=[],
    )


async def _records(
    connection: Db, projector: Projector, objects: Iterable[str], where: str, value: object
) -> list[Record]:
    names = sorted(set(objects))
    if not names or not value:
        return []
    return await rows(
        connection, Record, f"{_RECORDS} {where} ORDER BY object, record_id", projector.source, names, value
    )


async def _rows(connection: Db, projector: Projector, where: str, *values: object) -> list[Mapping[str, Any]]:
    found = await connection.fetch(f"SELECT t.* FROM read_model.{projector.table.name} t WHERE {where}", *values)
    return [dict(row) for row in found]


def _address(record: Record) -> RecordKey:
    return record.object, record.record_id
