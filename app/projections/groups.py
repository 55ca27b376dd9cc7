"""From changed records to groups: which groups they touch, and what belongs to each.

A record whose account is not linked yet touches nothing and waits in the mirror; the link, itself a record, touches
every group of its owners.

Reads: mirror.records, portal.id_mappings.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from app.events import Record
from app.projections.generations import LOCK_KEY
from app.projections.projector import Group, Object, Projector
from app.projections.referring import roots_referring
from app.readmodels.table import GLOBAL_ACCOUNT

Accounts = Mapping[str, UUID]
GroupKey = tuple[str, str]
"""(upstream owner id or empty, root record id or empty)."""

Plan = Mapping[GroupKey, tuple[str, UUID]]
"""Group → its upstream owner and that owner's account."""


class Moved(Exception):
    """A group went to another account in the instant before that was held."""


OWNER_COLUMN = {"salesforce": "salesforce_account_id", "whmcs": "whmcs_client_id"}
"""Upstream → the column of portal.id_mappings that names its owner."""

_COLUMNS = "source, object, record_id, parent_id, owner_id, data, version, deleted, occurred_at, verified_at"


async def accounts_of(connection: Any, source: str, owner_ids: Iterable[str]) -> Accounts:
    """Upstream owner id → portal account, for those that are linked."""
    column = OWNER_COLUMN[source]
    rows = await connection.fetch(
        f"SELECT {column} AS owner_id, account_id FROM portal.id_mappings WHERE {column} = ANY($1::text[])",
        list(set(owner_ids)),
    )
    return {row["owner_id"]: row["account_id"] for row in rows}


async def lock(connection: Any, projectors: Sequence[Projector], records: Sequence[Record]) -> None:
    """Take turns with every other transaction that touches one of these groups or owners, until this one commits.

    All locks are taken at once and in one order for everybody, before anything is read: whoever comes second sees what
    the first one committed, be it a parent, a child, a record referred to, or the link of an account. Those who refer
    to a record share its lock, so that two orders of one product need not wait for each other; all share the lock that
    a generation needs to begin or end.
    """
    keys: dict[str, bool] = {LOCK_KEY: True}
    for record in records:
        for key, shared in _lock_keys(projectors, record):
            keys[key] = keys.get(key, True) and shared
    await connection.execute(
        "SELECT CASE WHEN shared THEN pg_advisory_xact_lock_shared(hashtextextended(key, 0)) "
        "ELSE pg_advisory_xact_lock(hashtextextended(key, 0)) END "
        "FROM unnest($1::text[], $2::bool[]) AS k (key, shared)",
        sorted(keys),
        [keys[key] for key in sorted(keys)],
    )


def _lock_keys(projectors: Sequence[Projector], record: Record) -> Iterator[tuple[str, bool]]:
    """(key, shared) of everything a record belongs to or refers to."""
    if record.owner_id:
        yield f"{record.source}:{record.owner_id}", False
    if (record.source, record.object) == ("portal", "account"):
        yield f"salesforce:{record.data['salesforce_account_id']}", False
        yield f"whmcs:{record.data['whmcs_client_id']}", False
    for projector in projectors:
        if projector.source == record.source and projector.scope == "record":
            if record.object in projector.reads:
                yield f"{projector.root}:{_root_id(projector, record)}", False
            for lookup in projector.lookups:
                if record.object == lookup.target:
                    yield f"{lookup.target}:{record.record_id}", False
                elif record.object == lookup.referrer and record.data.get(lookup.field):
                    yield f"{lookup.target}:{record.data[lookup.field]}", True


async def touched(connection: Any, projector: Projector, changed: Sequence[Record]) -> set[GroupKey]:
    """The groups of a projector that these records are part of or are referred to by."""
    mine = [record for record in changed if record.source == projector.source]
    linked = [record for record in changed if record.object == "account" and record.source == "portal"]
    if projector.scope == "global":
        return {("", "")} if any(record.object in projector.reads for record in mine) else set()
    owners = {record.data[OWNER_COLUMN[projector.source]] for record in linked}
    if projector.scope == "owner":
        owners |= {record.owner_id for record in mine if record.object in projector.reads and record.owner_id}
        return {(owner, "") for owner in owners}
    owners |= {r.owner_id for r in mine if r.object in projector.owner_context and r.owner_id}
    roots = {_root_id(projector, record) for record in mine if record.object in projector.reads}
    roots |= await _roots_of_owners(connection, projector, owners)
    roots |= await roots_referring(connection, projector, mine)
    return {("", root) for root in roots if root}


def _root_id(projector: Projector, record: Record) -> str:
    return record.record_id if record.object == projector.root else record.parent_id or ""


async def _roots_of_owners(connection: Any, projector: Projector, owners: set[str]) -> set[str]:
    if not owners:
        return set()
    rows = await connection.fetch(
        "SELECT record_id FROM mirror.records WHERE source = $1 AND object = $2 AND owner_id = ANY($3::text[])",
        projector.source,
        projector.root,
        list(owners),
    )
    return {row["record_id"] for row in rows}


async def plan(connection: Any, projector: Projector, keys: Iterable[GroupKey]) -> Plan:
    """Whose these groups are; those of nobody who is linked are left out."""
    if projector.scope == "global":
        return GLOBAL_OWNER
    owners = await _owners_of(connection, projector, keys)
    accounts = await accounts_of(connection, projector.source, owners.values())
    return {key: (owner, accounts[owner]) for key, owner in owners.items() if owner in accounts}


async def _owners_of(connection: Any, projector: Projector, keys: Iterable[GroupKey]) -> dict[GroupKey, str]:
    """The upstream owner of each group; a root that is not mirrored yet has none and is left out."""
    if projector.scope != "record":
        return {key: key[0] for key in keys}
    rows = await connection.fetch(
        "SELECT record_id, owner_id FROM mirror.records "
        "WHERE source = $1 AND object = $2 AND record_id = ANY($3::text[]) AND owner_id IS NOT NULL",
        projector.source,
        projector.root,
        [root for _, root in keys],
    )
    return {("", row["record_id"]): row["owner_id"] for row in rows}


async def load(connection: Any, projector: Projector, keys: Plan) -> list[Group]:
    """The groups with all their records, given each key's owner and account."""
    if projector.scope == "record":
        return await _load_by_root(connection, projector, keys)
    owners = [owner for owner, _ in keys.values()]
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM mirror.records WHERE source = $1 AND object = ANY($2::text[]) AND NOT deleted "
        "AND ($3 OR owner_id = ANY($4::text[])) ORDER BY object, record_id",
        projector.source,
        list(projector.reads),
        projector.scope == "global",
        owners,
    )
    by_owner: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        by_owner["" if projector.scope == "global" else row["owner_id"]].append(Record(**dict(row)))
    return [
        Group(account_id=account, item_id="", records=by_owner[owner], context={}) for owner, account in keys.values()
    ]


async def _load_by_root(connection: Any, projector: Projector, keys: Plan) -> list[Group]:
    children = [name for name in projector.reads if name != projector.root]
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM mirror.records WHERE source = $1 AND NOT deleted "
        "AND object = $2 AND record_id = ANY($3::text[]) "
        f"UNION ALL SELECT {_COLUMNS} FROM mirror.records WHERE source = $1 AND NOT deleted "
        "AND object = ANY($4::text[]) AND parent_id = ANY($3::text[]) ORDER BY object, record_id",
        projector.source,
        projector.root,
        [root for _, root in keys],
        children,
    )
    by_root: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        record = Record(**dict(row))
        by_root[_root_id(projector, record)].append(record)
    context = await _context(connection, projector, by_root, {owner for owner, _ in keys.values()})
    return [
        Group(account_id=account, item_id=root, records=by_root[root], context=context)
        for (_, root), (_, account) in keys.items()
    ]


async def _context(
    connection: Any, projector: Projector, by_root: Mapping[str, Sequence[Record]], owners: set[str]
) -> dict[Object, Record]:
    ids = {
        record.data.get(lookup.field)
        for lookup in projector.lookups
        for records in by_root.values()
        for record in records
        if record.object == lookup.referrer
    }
    objects = [lookup.target for lookup in projector.lookups]
    if not ids and not projector.owner_context:
        return {}
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM mirror.records WHERE source = $1 AND NOT deleted AND "
        "((object = ANY($2::text[]) AND record_id = ANY($3::text[])) OR "
        "(object = ANY($4::text[]) AND owner_id = ANY($5::text[])))",
        projector.source,
        objects,
        [record_id for record_id in ids if record_id],
        list(projector.owner_context),
        list(owners),
    )
    return {(row["object"], row["record_id"]): Record(**dict(row)) for row in rows}


GLOBAL_OWNER: Plan = {("", ""): ("", GLOBAL_ACCOUNT)}
