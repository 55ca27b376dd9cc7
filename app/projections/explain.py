"""What made a row: the mirrored records it is a function of, and every change that made those, in order.

Reads: read_model.*, mirror.records, ingest.inbox, ingest.dead_letters, portal.id_mappings.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.errors import NotFound
from app.events import Record
from app.projections import groups
from app.projections.projector import Projector
from app.readmodels.table import GLOBAL_ACCOUNT

CHANGES_SHOWN = 200


class Step(Struct, frozen=True, kw_only=True):
    """One inbox entry and what became of it."""

    entry_id: int
    object: str
    record_id: str
    origin: str
    kind: str
    version: int
    occurred_at: datetime
    received_at: datetime
    settled_at: datetime | None
    outcome: str | None
    attempts: int
    parked: bool


class Source(Struct, frozen=True, kw_only=True):
    """A mirrored record, and why it matters: root, part, context."""

    role: str
    object: str
    record_id: str
    owner_id: str | None
    version: int
    occurred_at: datetime
    verified_at: datetime
    deleted: bool


class Explanation(Struct, frozen=True, kw_only=True):
    """A row with everything behind it. `row` is empty when there is none; `remarks` say why, in sentences."""

    slice: str
    item_id: str
    account_id: str | None
    row: dict[str, Any]
    sources: list[Source]
    steps: list[Step]
    remarks: list[str]


async def explain(connection: Any, projector: Projector, item_id: str) -> Explanation:
    """What stands behind one row. `item_id` is the upstream's id of the row, or of its owner in slices that an owner
    has one of.

    Raises:
        NotFound: neither row, record nor change of that id is known.
    """
    key = ("", item_id) if projector.scope == "record" else (item_id, "")
    plan = await groups.plan(connection, projector, [key])
    account = next((account for _, account in plan.values()), None)
    found = await _sources(connection, projector, item_id, plan)
    row = await _row(connection, projector, item_id, account)
    steps = await _steps(connection, projector, item_id, found)
    if not (row or found or steps):
        raise NotFound(f"Nothing is known of {projector.name} {item_id}.", code="nothing_to_explain")
    return Explanation(
        slice=projector.name,
        item_id=item_id,
        account_id=str(account) if account else None,
        row=row,
        sources=found,
        steps=steps,
        remarks=list(_remarks(projector, row, found, steps, account)),
    )


async def _sources(connection: Any, projector: Projector, item_id: str, plan: groups.Plan) -> list[Source]:
    if projector.scope == "record":
        anyone = plan or {("", item_id): ("", GLOBAL_ACCOUNT)}
        loaded = await groups.load(connection, projector, anyone)
    else:
        loaded = await groups.load(connection, projector, plan) if plan else []
    found = []
    for group in loaded:
        found += [_source(each, "root" if each.record_id == item_id else "part") for each in group.records]
        found += [_source(each, "context") for each in group.context.values()]
    return found


def _source(record: Record, role: str) -> Source:
    names = ("object", "record_id", "owner_id", "version", "occurred_at", "verified_at", "deleted")
    return Source(role=role, **{name: getattr(record, name) for name in names})


async def _row(connection: Any, projector: Projector, item_id: str, account: UUID | None) -> dict[str, Any]:
    """Analysts' columns of the row; documents are left to the API."""
    table = projector.table
    by_item = projector.scope == "record" and table.item
    row = await connection.fetchrow(
        f"SELECT * FROM read_model.{table.name} WHERE {table.item if by_item else 'account_id'} = $1 LIMIT 1",
        item_id if by_item else account,
    )
    return {name: value for name, value in dict(row or {}).items() if not isinstance(value, bytes)}


async def _steps(connection: Any, projector: Projector, item_id: str, sources: Sequence[Source]) -> list[Step]:
    keys = {(each.object, each.record_id) for each in sources} | {(projector.root, item_id)}
    rows = await connection.fetch(
        "SELECT i.id AS entry_id, i.object, i.record_id, i.origin, i.kind, i.version, i.occurred_at, i.received_at, "
        "i.settled_at, i.outcome, i.attempts, EXISTS (SELECT FROM ingest.dead_letters d WHERE d.entry_id = i.id "
        "AND d.resolved_at IS NULL) AS parked FROM ingest.inbox i "
        "JOIN unnest($2::text[], $3::text[]) AS k (object, record_id) USING (object, record_id) "
        "WHERE i.source = $1 ORDER BY i.id DESC LIMIT $4",
        projector.source,
        [object_name for object_name, _ in keys],
        [record_id for _, record_id in keys],
        CHANGES_SHOWN,
    )
    return [Step(**dict(row)) for row in reversed(rows)]


def _remarks(
    projector: Projector, row: dict[str, Any], sources: Sequence[Source], steps: Sequence[Step], account: UUID | None
) -> Iterable[str]:
    if account is None:
        yield "Its owner is not linked to a portal account (or not known), so it shows to nobody."
    elif not row:
        yield "There is no row: its records yield none, or they are deleted."
    if any(step.parked for step in steps):
        yield "A change is parked: `portal dead-letters` shows why. Later changes of that record wait behind it."
    waiting = [step for step in steps if step.settled_at is None and not step.parked]
    if waiting:
        yield f"{len(waiting)} changes are not applied yet, the oldest of {waiting[0].received_at:%Y-%m-%d %H:%M:%S}."
    reread = [step for step in steps if step.outcome == "reread"]
    if reread:
        yield f"{len(reread)} changes contradicted what was mirrored and were settled by reading the record again."
