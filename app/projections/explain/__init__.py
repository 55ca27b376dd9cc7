"""Explain a read model's row: the mirrored records it is made of, and the changes received for them.

For operators; takes upstream ids and shows no record's data.

Reads: read_model.*, mirror.records, ingest.inbox, ingest.dead_letters, ingest.fanouts.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from app.db import Db
from app.errors import NotFound
from app.events import Record
from app.projections.engine import generations
from app.projections.explain.remarks import remarks
from app.projections.explain.shapes import Explanation, Letter, ReceivedChange, Row, Source, State
from app.projections.explain.sources import FoundSources, RecordKey, find
from app.projections.projector import Projector

MOST_ENTRIES = 20

_ENTRIES = """
SELECT * FROM (
    SELECT i.object, i.record_id, i.id, i.origin, i.kind, i.version, i.echo, i.received_at, i.settled_at, i.outcome,
           i.attempts, i.next_attempt_at,
           row_number() OVER (PARTITION BY i.object, i.record_id ORDER BY i.id DESC) AS back,
           count(*) OVER (PARTITION BY i.object, i.record_id) AS total
    FROM unnest($2::text[], $3::text[]) AS k (object, record_id)
    JOIN ingest.inbox i ON (i.source, i.object, i.record_id) = ($1, k.object, k.record_id)
) AS numbered WHERE back <= $4 OR settled_at IS NULL AND back <= 10 * $4 ORDER BY id
"""
_LETTERS = """
SELECT d.object, d.record_id, d.id, d.entry_id, d.parked_at, d.resolution
FROM unnest($2::text[], $3::text[]) AS k (object, record_id)
JOIN ingest.dead_letters d ON (d.source, d.object, d.record_id) = ($1, k.object, k.record_id) ORDER BY d.id
"""
_FANOUTS = """
SELECT f.object, f.record_id FROM unnest($2::text[], $3::text[]) AS k (object, record_id)
JOIN ingest.fanouts f ON (f.slice, f.object, f.record_id) = ($1, k.object, k.record_id)
"""
_PENDING = "SELECT submission FROM read_model.pending WHERE slice = $1 AND item_id = $2 AND submission IS NOT NULL"


async def explain(
    connection: Db, projector: Projector, item_id: str, *, most_entries: int = MOST_ENTRIES
) -> Explanation:
    """Explain the rows of a read model for an upstream id.

    `most_entries`: the newest entries shown per record.

    Raises:
        NotFound: neither row, record, pending item nor change of that id is known.
    """
    found = await find(connection, projector, item_id)
    serving = await generations.serving(connection, projector.name)
    sources = await _sources(connection, projector, found, most_entries)
    under_way = await _under_way(connection, projector, item_id, found)
    if not (found.rows or under_way or any(source.record or source.entries for source in sources)):
        sentence = f"Nothing is known of {projector.name} {item_id}. Is it the upstream's id?"
        raise NotFound(sentence, code="nothing_to_explain")
    explanation = Explanation(
        resource=projector.name,
        item_id=item_id,
        owner_id=found.owner_id,
        account_id=found.account_id,
        generation=serving.generation,
        generation_version=serving.projector_version,
        projector_version=projector.version,
        rows=[_row(projector, row) for row in found.rows],
        sources=sources,
        remarks=[],
    )
    return msgspec.structs.replace(explanation, remarks=[*remarks(projector, explanation), *under_way])


def _row(projector: Projector, row: Mapping[str, Any]) -> Row:
    item = projector.table.item
    return Row(
        account_id=row["account_id"],
        item_id=str(row[item]) if item else "",
        version=row.get("version"),
        as_of=row.get("as_of") or row.get("verified_at"),
    )


async def _sources(connection: Db, projector: Projector, found: FoundSources, most_entries: int) -> list[Source]:
    keys = (projector.source, *_columns(found.roles))
    entries, earlier = await _entries(connection, keys, most_entries)
    letters: dict[RecordKey, list[Letter]] = defaultdict(list)
    for row in await connection.fetch(_LETTERS, *keys):
        letters[row["object"], row["record_id"]].append(_picked(Letter, row))
    return [
        Source(
            role=role,
            source=projector.source,
            object=address[0],
            record_id=address[1],
            record=_state(found.records.get(address)),
            entries=entries[address],
            earlier=earlier.get(address, 0),
            letters=letters[address],
        )
        for address, role in found.roles.items()
        if role == "root" or address in found.records or entries[address] or role == "referred to"
    ]


async def _entries(
    connection: Db, keys: tuple[Any, ...], most: int
) -> tuple[dict[RecordKey, list[ReceivedChange]], dict[RecordKey, int]]:
    entries: dict[RecordKey, list[ReceivedChange]] = defaultdict(list)
    totals: dict[RecordKey, int] = {}
    for row in await connection.fetch(_ENTRIES, *keys, most):
        address = (row["object"], row["record_id"])
        entries[address].append(_picked(ReceivedChange, row))
        totals[address] = row["total"]
    return entries, {address: totals[address] - len(shown) for address, shown in entries.items()}


async def _under_way(connection: Db, projector: Projector, item_id: str, found: FoundSources) -> list[str]:
    pending = await connection.fetch(_PENDING, projector.name, item_id)
    fanouts = await connection.fetch(_FANOUTS, projector.name, *_columns(found.roles))
    return [
        *(f"It is shown as pending until submission {row['submission']} is settled." for row in pending),
        *(
            f"{row['object']} {row['record_id']} has changed and is referred to by very many rows: they are computed "
            "again in the background, this one among them."
            for row in fanouts
        ),
    ]


def _columns(addresses: Iterable[RecordKey]) -> tuple[list[str], list[str]]:
    ordered = list(addresses)
    return [name for name, _ in ordered], [record_id for _, record_id in ordered]


def _picked(kind: type[Any], row: Any) -> Any:
    return kind(**{name: row[name] for name in kind.__struct_fields__})


def _state(record: Record | None) -> State | None:
    return State(**{name: getattr(record, name) for name in State.__struct_fields__}) if record else None
