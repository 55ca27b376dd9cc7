"""Items that moved to another account, because their record changed owner or the account its upstream owner.

A group is found by its record, and its rows are written to its owner's account. Its former account is known only from
the former record or from the rows themselves. Without this, rows of a merged customer would stay with the old account.

Reads: portal.id_mappings, mirror.records. Writes: generations.*, read_model.documents.
"""

from collections.abc import Sequence
from uuid import UUID

from app.db import Db
from app.events import Record
from app.projections.engine import groups
from app.projections.projector import Projector

Item = tuple[UUID, str]
"""(account, item id)."""


async def find(connection: Db, projector: Projector, changed: Sequence[Record], plan: groups.GroupPlan) -> set[Item]:
    """Return the (former account, item) pairs that these changes move away; none outside scope record."""
    if projector.scope != "record":
        return set()
    moved = [
        record
        for record in changed
        if (record.source, record.object) == (projector.source, projector.root)
        and record.owner_id
        and plan.get(("", record.record_id), ("", None))[0] != record.owner_id
    ]
    owners = {(record.record_id, record.owner_id or "") for record in moved}
    accounts = await groups.accounts_of(connection, projector.source, [owner for _, owner in owners]) if owners else {}
    former = {(accounts[owner], item) for item, owner in owners if owner in accounts}
    return former | await _of_other_owners(connection, projector, changed)


async def _of_other_owners(connection: Db, projector: Projector, changed: Sequence[Record]) -> set[Item]:
    """Return rows of linked accounts whose record does not belong to the account's present owner."""
    found: set[Item] = set()
    for record in changed:
        if (record.source, record.object) != ("portal", "account"):
            continue
        rows = await connection.fetch(
            f"SELECT {projector.table.by_root} AS item_id FROM read_model.{projector.table.name} WHERE account_id = $1 "
            "EXCEPT SELECT record_id FROM mirror.records WHERE source = $2 AND object = $3 AND owner_id = $4",
            UUID(record.record_id),
            projector.source,
            projector.root,
            record.data[groups.OWNER_COLUMN[projector.source]],
        )
        found |= {(UUID(record.record_id), row["item_id"]) for row in rows}
    return found


async def remove(connection: Db, projector: Projector, generation: int, items: set[Item]) -> set[Item]:
    """Delete the rows and documents of these items from a generation; return the items that had rows."""
    if not items:
        return set()
    accounts, ids = zip(*sorted(items), strict=True)
    table = projector.table
    gone = await connection.fetch(
        f"DELETE FROM {table.relation(generation)} AS t WHERE ctid = ANY(ARRAY("
        f"SELECT place FROM ({table.places_sql(generation, 1)}) AS found)) "
        f"RETURNING t.account_id, {table.record('t')} AS record_id",
        accounts,
        ids,
    )
    await connection.execute(
        "UPDATE read_model.documents d SET body = '', etag = '', version = v.version "
        "FROM unnest($1::uuid[], $2::text[]) AS g (account_id, item_id) JOIN read_model.account_versions v "
        "USING (account_id) WHERE d.slice = $3 AND d.generation = $4 AND d.account_id = g.account_id "
        "AND d.item_id = g.item_id",
        accounts,
        ids,
        projector.name,
        generation,
    )
    return {(row["account_id"], row["record_id"]) for row in gone}
