"""Items that left their account: because their record changed owner, or because the account is another owner's now.

A group is found by its record, and its rows are written where its owner's account is. Where they were before only the
record as it was, or the rows themselves, can tell; without this a merged customer's rows would stay with the old one.

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
    """Items of a slice of scope record that these changes took away from an account."""
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
    left = {(accounts[owner], item) for item, owner in owners if owner in accounts}
    return left | await _of_other_owners(connection, projector, changed)


async def _of_other_owners(connection: Db, projector: Projector, changed: Sequence[Record]) -> set[Item]:
    """Rows of a linked account whose record does not belong to its present owner."""
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
    """Take the rows and documents of these items out of a generation; returns those that had any rows there."""
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
