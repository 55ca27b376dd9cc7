"""From changed records to groups: the groups they affect, and the accounts of those.

A record whose account is not linked yet affects nothing and stays in the mirror; the link, itself a record, affects
every group of its owners.

Reads: mirror.records, portal.id_mappings.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from app.db import Db
from app.events import Record
from app.projections.engine.generations import LOCK_KEY
from app.projections.engine.referrers import roots_referring
from app.projections.projector import Lookup, Projector
from app.readmodels.table import GLOBAL_ACCOUNT

Accounts = Mapping[str, UUID]
GroupKey = tuple[str, str]
"""(upstream owner id or empty, root record id or empty)."""

GroupPlan = Mapping[GroupKey, tuple[str, UUID]]
"""Group → its upstream owner and that owner's account."""


class Moved(Exception):
    """A group moved to another account before the account was locked."""


OWNER_COLUMN = {"salesforce": "salesforce_account_id", "whmcs": "whmcs_client_id", "whm": "whmcs_client_id"}
"""Upstream → column of portal.id_mappings with its owner id. A hosting account belongs to the client who is billed."""


async def accounts_of(connection: Db, source: str, owner_ids: Iterable[str]) -> Accounts:
    """Map upstream owner ids to portal accounts; unlinked owners are left out."""
    column = OWNER_COLUMN[source]
    rows = await connection.fetch(
        f"SELECT {column} AS owner_id, account_id FROM portal.id_mappings WHERE {column} = ANY($1::text[])",
        list(set(owner_ids)),
    )
    return {row["owner_id"]: row["account_id"] for row in rows}


async def lock(connection: Db, projectors: Sequence[Projector], records: Sequence[Record]) -> None:
    """Serialise with every other transaction that affects one of these groups or owners, until this one commits.

    All locks are taken at once and in one order, before anything is read: the second transaction sees what the first
    committed, be it a parent, a child, a referenced record, or the link of an account. Records that refer to another
    one share its lock, so that two orders of one product do not wait for each other. All share the lock under which a
    generation begins or ends.
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
    """Yield (key, shared) for everything a record belongs to or refers to."""
    if record.owner_id:
        yield f"{record.source}:{record.owner_id}", False
    if (record.source, record.object) == ("portal", "account"):
        yield f"salesforce:{record.data['salesforce_account_id']}", False
        yield f"whmcs:{record.data['whmcs_client_id']}", False
        yield f"whm:{record.data['whmcs_client_id']}", False
    for projector in projectors:
        if projector.scope != "record":
            continue
        if projector.source == record.source and record.object in projector.reads:
            yield f"{projector.root}:{root_id(projector.root, record)}", False
        for lookup in projector.lookups:
            if (record.source, record.object) == (lookup.source or projector.source, lookup.target):
                if name := lookup.name_of(record):
                    yield _referred(lookup, name), False
            elif (record.source, record.object) == (projector.source, lookup.referrer) and record.data.get(
                lookup.field
            ):
                yield _referred(lookup, record.data[lookup.field]), True


def _referred(lookup: Lookup, name: object) -> str:
    return f"{lookup.target}{'.' if lookup.key else ''}{lookup.key}:{name}"


async def touched(
    connection: Db, projector: Projector, changed: Sequence[Record], *, referred_to: bool = True
) -> set[GroupKey]:
    """Return the groups that contain these records and, with `referred_to`, those that refer to them."""
    mine = [record for record in changed if record.source == projector.source]
    linked = [record for record in changed if record.object == "account" and record.source == "portal"]
    if projector.scope == "global":
        return {("", "")} if any(record.object in projector.reads for record in mine) else set()
    owners = {record.data[OWNER_COLUMN[projector.source]] for record in linked}
    if projector.scope == "owner":
        owners |= {record.owner_id for record in mine if record.object in projector.reads and record.owner_id}
        return {(owner, "") for owner in owners}
    owners |= {r.owner_id for r in mine if r.object in projector.owner_context and r.owner_id}
    roots = {root_id(projector.root, record) for record in mine if record.object in projector.reads}
    roots |= await _roots_of_owners(connection, projector, owners)
    if referred_to:
        roots |= await roots_referring(connection, projector, changed)
    return {("", root) for root in roots if root}


def root_id(root: str, record: Record) -> str:
    """Return the id of the root that a root or child is grouped under."""
    return record.record_id if record.object == root else record.parent_id or ""


async def _roots_of_owners(connection: Db, projector: Projector, owners: set[str]) -> set[str]:
    if not owners:
        return set()
    rows = await connection.fetch(
        "SELECT record_id FROM mirror.records WHERE source = $1 AND object = $2 AND owner_id = ANY($3::text[])",
        projector.source,
        projector.root,
        list(owners),
    )
    return {row["record_id"] for row in rows}


class Owners:
    """A cache of the owners of roots and the accounts of owners, valid while the caller holds their locks."""

    def __init__(self, connection: Db) -> None:
        self._connection = connection
        self._of_roots: dict[tuple[str, str], dict[str, str | None]] = defaultdict(dict)
        self._accounts: dict[str, dict[str, UUID | None]] = defaultdict(dict)

    async def plan(self, projector: Projector, keys: Iterable[GroupKey]) -> GroupPlan:
        """Map groups to owner and account; groups without a linked account are left out."""
        if projector.scope == "global":
            return GLOBAL_OWNER
        owners = await self._owners(projector, list(keys))
        accounts = await self._linked(projector.source, set(owners.values()))
        return {key: (owner, account) for key, owner in owners.items() if (account := accounts[owner])}

    async def _owners(self, projector: Projector, keys: Sequence[GroupKey]) -> dict[GroupKey, str]:
        """Map groups to upstream owners; a root that is not mirrored yet is left out."""
        if projector.scope != "record":
            return {key: key[0] for key in keys}
        known = self._of_roots[projector.source, projector.root]
        if unknown := [root for _, root in keys if root not in known]:
            rows = await self._connection.fetch(
                "SELECT record_id, owner_id FROM mirror.records "
                "WHERE source = $1 AND object = $2 AND record_id = ANY($3::text[]) AND owner_id IS NOT NULL",
                projector.source,
                projector.root,
                unknown,
            )
            known.update(dict.fromkeys(unknown), **{row["record_id"]: row["owner_id"] for row in rows})
        return {key: owner for key in keys if (owner := known[key[1]])}

    async def _linked(self, source: str, owner_ids: set[str]) -> Mapping[str, UUID | None]:
        known = self._accounts[source]
        if unknown := owner_ids - known.keys():
            found = await accounts_of(self._connection, source, unknown)
            known.update(dict.fromkeys(unknown), **found)
        return known


async def plan(connection: Db, projector: Projector, keys: Iterable[GroupKey]) -> GroupPlan:
    """Map groups to owner and account as of now; groups without a linked account are left out."""
    return await Owners(connection).plan(projector, keys)


GLOBAL_OWNER: GroupPlan = {("", ""): ("", GLOBAL_ACCOUNT)}
