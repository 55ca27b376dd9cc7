"""Recompute read models from the mirror, inside the transaction that changed it.

For every projector: which groups do the changed records touch, whose accounts are they, lock those accounts in order,
load each group whole, compute, write. Computing is pure, so any order or repetition of the same changes ends in the
same rows. Two shards that touch one group or one account take turns, and the later one sees what the earlier one wrote:
first by a lock on the group and its owner, taken before anything is looked up, because a child whose parent is not
committed yet knows no account; then by the account's version row.

Reads: mirror.records, portal.id_mappings. Writes: read_model.*, ingest.notices.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from app.events import Record
from app.projections import groups
from app.projections.projector import Document, Group, Projector

Plan = dict[groups.GroupKey, tuple[str, UUID]]


async def project(
    projectors: Sequence[Projector], connection: Any, changed: Sequence[Record], verified: Sequence[Record]
) -> None:
    """Bring every read model up to date with these records.

    `verified` records did not change: their rows learn that they are true as of now, and nobody is notified.
    """
    await groups.lock(connection, projectors, [*changed, *verified])
    plans = {projector.name: await _plan(connection, projector, [*changed, *verified]) for projector in projectors}
    accounts = {account for plan in plans.values() for _, account in plan.values()}
    if not accounts:
        return
    versions = await _lock(connection, accounts, raise_version=bool(changed))
    notices: list[tuple[UUID, str, str]] = []
    for projector in projectors:
        if plan := plans[projector.name]:
            await _write(connection, projector, await groups.load(connection, projector, plan), versions)
            notices += [(account, projector.name, root) for (_, root), (_, account) in plan.items()]
    if changed:
        await _notify(connection, notices, versions)


async def _plan(connection: Any, projector: Projector, records: Sequence[Record]) -> Plan:
    keys = await groups.touched(connection, projector, records)
    if not keys:
        return {}
    if projector.scope == "global":
        return dict(groups.GLOBAL_OWNER)
    owners = await groups.owners_of(connection, projector, keys)
    accounts = await groups.accounts_of(connection, projector.source, owners.values())
    return {key: (owner, accounts[owner]) for key, owner in owners.items() if owner in accounts}


async def _lock(connection: Any, accounts: set[UUID], *, raise_version: bool) -> Mapping[UUID, int]:
    """Take the accounts' version rows, in one order for everybody, so that two workers cannot deadlock."""
    ordered = sorted(accounts)
    await connection.execute(
        "INSERT INTO read_model.account_versions (account_id) SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING",
        ordered,
    )
    await connection.execute(
        "SELECT FROM read_model.account_versions WHERE account_id = ANY($1::uuid[]) ORDER BY account_id FOR UPDATE",
        ordered,
    )
    rows = await connection.fetch(
        "UPDATE read_model.account_versions SET version = version + $2, changed_at = now() "
        "WHERE account_id = ANY($1::uuid[]) RETURNING account_id, version",
        ordered,
        int(raise_version),
    )
    return {row["account_id"]: row["version"] for row in rows}


async def _write(connection: Any, projector: Projector, loaded: Sequence[Group], versions: Mapping[UUID, int]) -> None:
    rows: list[dict[str, Any]] = []
    keep: dict[tuple[UUID, str], list[str]] = {}
    documents: list[tuple[UUID, Document, datetime]] = []
    for group in loaded:
        done = projector.project(group)
        as_of = max((record.verified_at for record in group.records), default=None)
        rows += [{**row, "account_id": group.account_id, "version": versions[group.account_id]} for row in done.rows]
        item = projector.table.item
        keep[group.account_id, group.item_id] = [str(row[item]) if item else "" for row in done.rows]
        documents += [(group.account_id, document, as_of) for document in done.documents if as_of]
    await _remove_others(connection, projector, keep)
    if rows:
        await connection.execute(projector.table.upsert_sql(), *projector.table.arrays(rows))
    await _write_documents(connection, projector, documents, versions)


async def _remove_others(connection: Any, projector: Projector, keep: Mapping[tuple[UUID, str], list[str]]) -> None:
    """Rows of a group that its records no longer yield."""
    table, item = projector.table, projector.table.item
    if projector.scope == "record":
        gone = [(account, item_id) for (account, item_id), kept in keep.items() if not kept]
        if gone:
            await connection.execute(
                f"DELETE FROM read_model.{table.name} t "
                "USING unnest($1::uuid[], $2::text[]) AS g (account_id, item_id) "
                f"WHERE t.account_id = g.account_id AND t.{item} = g.item_id",
                [account for account, _ in gone],
                [item_id for _, item_id in gone],
            )
        return
    column = item or "''"
    for (account, _), kept in keep.items():
        await connection.execute(
            f"DELETE FROM read_model.{table.name} WHERE account_id = $1 AND NOT ({column} = ANY($2::text[]))",
            account,
            kept,
        )


async def _write_documents(
    connection: Any,
    projector: Projector,
    documents: Sequence[tuple[UUID, Document, datetime]],
    versions: Mapping[UUID, int],
) -> None:
    if not documents:
        return
    await connection.executemany(
        "INSERT INTO read_model.documents (account_id, name, version, etag, body, as_of) "
        "VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (account_id, name) DO UPDATE SET version = excluded.version, etag = excluded.etag, "
        "body = excluded.body, as_of = excluded.as_of",
        [
            (account, doc.name, versions[account], etag(doc.body, projector.version), doc.body, as_of)
            for account, doc, as_of in documents
        ],
    )


def etag(body: bytes, projector_version: int) -> str:
    """A validator over content and projector version, so that new code never serves old shapes as fresh."""
    return f'"{hashlib.blake2b(body, digest_size=12, salt=str(projector_version).encode()).hexdigest()}"'


async def _notify(connection: Any, notices: Sequence[tuple[UUID, str, str]], versions: Mapping[UUID, int]) -> None:
    await connection.execute(
        "INSERT INTO ingest.notices (account_id, slice, item_id, version) "
        "SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])",
        [account for account, _, _ in notices],
        [slice_name for _, slice_name, _ in notices],
        [item_id for _, _, item_id in notices],
        [versions[account] for account, _, _ in notices],
    )
