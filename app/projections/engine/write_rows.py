"""Compute the rows and documents of groups, and write them to one generation.

Writes: generations.<slice>_<generation>, read_model.documents.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.db import Db
from app.projections.projector import Document, Group, Projector

RowKey = tuple[UUID, str]
"""(account, root record id): a group; the id is empty in the scopes owner and global."""


class ReadyDocument(Struct, frozen=True):
    """A document of an account's group, with the `as_of` of its records."""

    account_id: UUID
    item_id: str
    document: Document
    as_of: datetime


class Computed(Struct, frozen=True):
    """The result for groups. `kept`: per group, the items that it still yields."""

    rows: Sequence[Mapping[str, Any]]
    kept: Mapping[RowKey, Sequence[str]]
    documents: Sequence[ReadyDocument]
    versions: Mapping[UUID, int]


def compute(projector: Projector, loaded: Sequence[Group], versions: Mapping[UUID, int]) -> Computed:
    """Run the projector over groups; `versions` are the account versions that the rows will carry.

    Raises:
        ValueError: it yields undeclared documents, which would leave withdrawn ones in place.
    """
    rows: list[dict[str, Any]] = []
    kept: dict[RowKey, list[str]] = {}
    documents: list[ReadyDocument] = []
    item = projector.table.item
    for group in loaded:
        done = projector.project(group)
        version = versions.get(group.account_id, 0)
        rows += [{**row, "account_id": group.account_id, "version": version} for row in done.rows]
        kept[group.account_id, group.item_id] = [str(row[item]) if item else "" for row in done.rows]
        as_of = max((record.verified_at for record in group.records), default=None)
        if done.documents and not projector.documents:
            raise ValueError(f"projector {projector.name} yields documents: declare documents=True")
        if as_of:
            documents += [
                ReadyDocument(group.account_id, group.item_id, document, as_of) for document in done.documents
            ]
    return Computed(rows, kept, documents, versions)


async def write(connection: Db, projector: Projector, generation: int, computed: Computed) -> set[RowKey]:
    """Make one generation hold exactly these rows and documents for these groups; return the groups whose content
    changed, `as_of` aside."""
    if projector.table.root is not None:
        changed = await _write_parts(connection, projector, generation, computed)
    else:
        changed = await _remove_others(connection, projector, generation, computed.kept)
        if computed.rows:
            table = projector.table
            written = await connection.fetch(table.upsert_changes_sql(generation), *table.arrays(computed.rows))
            changed |= _groups(projector, written)
    if projector.documents:
        changed |= await _write_documents(connection, projector, generation, computed)
    return changed


def _groups(projector: Projector, rows: Sequence[Any]) -> set[RowKey]:
    """Return the groups of rows."""
    return {(row["account_id"], row["record_id"] if projector.scope == "record" else "") for row in rows}


async def _remove_others(
    connection: Db, projector: Projector, generation: int, kept: Mapping[RowKey, Sequence[str]]
) -> set[RowKey]:
    """Delete rows of a group that its records no longer yield; return the groups that had some."""
    table, item = projector.table, projector.table.item
    relation = table.relation(generation)
    if projector.scope == "record":
        gone = [key for key, names in kept.items() if not names]
        if not gone:
            return set()
        deleted = await connection.fetch(
            f"DELETE FROM {relation} AS t WHERE ctid = ANY(ARRAY("
            f"SELECT place FROM ({table.places_sql(generation, 1)}) AS found)) "
            f"RETURNING t.account_id, {table.record('t')} AS record_id",
            [account for account, _ in gone],
            [item_id for _, item_id in gone],
        )
        return _groups(projector, deleted)
    changed = set()
    for (account, group), names in kept.items():
        done = await connection.execute(
            f"DELETE FROM {relation} WHERE account_id = $1 AND NOT ({item or chr(39) * 2} = ANY($2::text[]))",
            account,
            names,
        )
        if not done.endswith(" 0"):
            changed.add((account, group))
    return changed


async def _write_parts(connection: Db, projector: Projector, generation: int, computed: Computed) -> set[RowKey]:
    """Write records that yield several rows each.

    The same statement deletes the rows they no longer yield. Item ids are unique to their record.
    """
    table, more = projector.table, len(projector.table.columns)
    gone = (
        f"gone AS (DELETE FROM {table.relation(generation)} AS t WHERE ctid = ANY(ARRAY("
        f"SELECT place FROM ({table.places_sql(generation, more + 1)}) AS found "
        f"WHERE item NOT IN (SELECT unnest(${more + 3}::text[])))) "
        f"RETURNING t.account_id, {table.record('t')} AS record_id)"
    )
    written = await connection.fetch(
        table.upsert_changes_sql(generation, gone),
        *table.arrays(computed.rows),
        [account for account, _ in computed.kept],
        [item_id for _, item_id in computed.kept],
        [name for names in computed.kept.values() for name in names],
    )
    return _groups(projector, written)


_NEW_DOCUMENTS = """
SELECT g.n FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS g (account_id, name, etag, n)
LEFT JOIN LATERAL (SELECT d.etag FROM read_model.documents d WHERE d.account_id = g.account_id
    AND d.name = g.name AND d.generation = $4 OFFSET 0) AS former ON true
WHERE former.etag IS DISTINCT FROM g.etag
"""
_WITHDRAW = """
UPDATE read_model.documents d SET body = '', etag = '', version = g.version
FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS g (account_id, item_id, version)
WHERE d.slice = $4 AND d.generation = $5 AND d.account_id = g.account_id AND d.item_id = g.item_id
    AND d.body <> '' AND NOT ((d.account_id, d.name) IN (SELECT * FROM unnest($6::uuid[], $7::text[])))
RETURNING d.account_id, d.item_id
"""
_STORE_DOCUMENT = """
INSERT INTO read_model.documents (account_id, name, slice, generation, item_id, version, etag, body, as_of)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (account_id, name, generation) DO UPDATE SET version = excluded.version, etag = excluded.etag,
    body = excluded.body, as_of = excluded.as_of, item_id = excluded.item_id
"""


async def _write_documents(connection: Db, projector: Projector, generation: int, computed: Computed) -> set[RowKey]:
    """Write documents; return the groups with a changed one.

    Documents no longer yielded become empty, so that every copy of them is overwritten.
    """
    ready, versions = computed.documents, computed.versions
    accounts, names = [each.account_id for each in ready], [each.document.name for each in ready]
    etags = [etag(each.document.body, projector.version) for each in ready]
    new = await connection.fetch(_NEW_DOCUMENTS, accounts, names, etags, generation)
    withdrawn = await connection.fetch(
        _WITHDRAW,
        [account for account, _ in computed.kept],
        [item_id for _, item_id in computed.kept],
        [versions.get(account, 0) for account, _ in computed.kept],
        *(projector.name, generation, accounts, names),
    )
    await connection.executemany(
        _STORE_DOCUMENT,
        [
            (
                *(each.account_id, each.document.name, projector.name, generation, each.item_id),
                *(versions.get(each.account_id, 0), tag, each.document.body, each.as_of),
            )
            for each, tag in zip(ready, etags, strict=True)
        ],
    )
    changed = {(each.account_id, each.item_id) for each in (ready[row["n"] - 1] for row in new)}
    return changed | {(row["account_id"], row["item_id"]) for row in withdrawn}


def etag(body: bytes, projector_version: int) -> str:
    """Compute an ETag over content and projector version, so that new code never serves old shapes as fresh."""
    return f'"{hashlib.blake2b(body, digest_size=12, salt=str(projector_version).encode()).hexdigest()}"'
