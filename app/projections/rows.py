"""From groups to rows and documents, and into the table of one generation.

Writes: generations.<slice>_<generation>, read_model.documents.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.projections.projector import Document, Group, Projector


class Ready(Struct, frozen=True):
    """A document of an account's group, with the age of the records it was made of."""

    account_id: UUID
    item_id: str
    document: Document
    as_of: datetime


class Computed(Struct, frozen=True):
    """What groups became. `kept` names, per group, the rows that it still yields."""

    rows: Sequence[Mapping[str, Any]]
    kept: Mapping[tuple[UUID, str], Sequence[str]]
    documents: Sequence[Ready]
    versions: Mapping[UUID, int]


def compute(projector: Projector, loaded: Sequence[Group], versions: Mapping[UUID, int]) -> Computed:
    """Run the projector over groups; `versions` are the accounts' versions that the rows will carry.

    Raises:
        ValueError: it yields documents and does not say so, which would leave withdrawn ones in place.
    """
    rows: list[dict[str, Any]] = []
    kept: dict[tuple[UUID, str], list[str]] = {}
    documents: list[Ready] = []
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
            documents += [Ready(group.account_id, group.item_id, document, as_of) for document in done.documents]
    return Computed(rows, kept, documents, versions)


async def write(connection: Any, projector: Projector, generation: int, computed: Computed) -> None:
    """Make one generation hold exactly these rows and documents for these groups."""
    if projector.table.root is not None:
        await _write_parts(connection, projector, generation, computed)
    else:
        await _remove_others(connection, projector, generation, computed.kept)
        if computed.rows:
            table = projector.table
            await connection.execute(table.upsert_sql(generation), *table.arrays(computed.rows))
    if projector.documents:
        await _write_documents(connection, projector, generation, computed)


async def _remove_others(
    connection: Any, projector: Projector, generation: int, kept: Mapping[tuple[UUID, str], Sequence[str]]
) -> None:
    """Rows of a group that its records no longer yield."""
    table, item = projector.table, projector.table.item
    relation = table.relation(generation)
    if projector.scope == "record":
        gone = [key for key, names in kept.items() if not names]
        if gone:
            await connection.execute(
                f"DELETE FROM {relation} WHERE ctid = ANY(ARRAY("
                f"SELECT place FROM ({table.places_sql(generation, 1)}) AS found))",
                [account for account, _ in gone],
                [item_id for _, item_id in gone],
            )
        return
    for (account, _), names in kept.items():
        await connection.execute(
            f"DELETE FROM {relation} WHERE account_id = $1 AND NOT ({item or chr(39) * 2} = ANY($2::text[]))",
            account,
            names,
        )


async def _write_parts(connection: Any, projector: Projector, generation: int, computed: Computed) -> None:
    """Where a record makes several rows: with them, in one statement, those go that it made once and makes no more.
    Their ids are the record's alone."""
    table, more = projector.table, len(projector.table.columns)
    await connection.execute(
        f"WITH gone AS (DELETE FROM {table.relation(generation)} WHERE ctid = ANY(ARRAY("
        f"SELECT place FROM ({table.places_sql(generation, more + 1)}) AS found "
        f"WHERE item NOT IN (SELECT unnest(${more + 3}::text[]))))) {table.upsert_sql(generation)}",
        *table.arrays(computed.rows),
        [account for account, _ in computed.kept],
        [item_id for _, item_id in computed.kept],
        [name for names in computed.kept.values() for name in names],
    )


async def _write_documents(connection: Any, projector: Projector, generation: int, computed: Computed) -> None:
    """Documents no longer yielded stay as empty ones, so that every copy of them is overwritten."""
    ready = computed.documents
    await connection.execute(
        "UPDATE read_model.documents d SET body = '', etag = '', version = g.version "
        "FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS g (account_id, item_id, version) "
        "WHERE d.slice = $4 AND d.generation = $5 AND d.account_id = g.account_id AND d.item_id = g.item_id "
        "AND d.body <> '' AND NOT ((d.account_id, d.name) IN (SELECT * FROM unnest($6::uuid[], $7::text[])))",
        [account for account, _ in computed.kept],
        [item_id for _, item_id in computed.kept],
        [computed.versions.get(account, 0) for account, _ in computed.kept],
        projector.name,
        generation,
        [each.account_id for each in ready],
        [each.document.name for each in ready],
    )
    await connection.executemany(
        "INSERT INTO read_model.documents (account_id, name, slice, generation, item_id, version, etag, body, as_of) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
        "ON CONFLICT (account_id, name, generation) DO UPDATE SET version = excluded.version, etag = excluded.etag, "
        "body = excluded.body, as_of = excluded.as_of, item_id = excluded.item_id",
        [
            (
                each.account_id,
                each.document.name,
                projector.name,
                generation,
                each.item_id,
                computed.versions.get(each.account_id, 0),
                etag(each.document.body, projector.version),
                each.document.body,
                each.as_of,
            )
            for each in ready
        ],
    )


def etag(body: bytes, projector_version: int) -> str:
    """A validator over content and projector version, so that new code never serves old shapes as fresh."""
    return f'"{hashlib.blake2b(body, digest_size=12, salt=str(projector_version).encode()).hexdigest()}"'
