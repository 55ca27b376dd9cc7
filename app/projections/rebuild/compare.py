"""Compare a generation with the serving one: rows and documents that are missing, new or different.

One statement reads both at one instant, and both are fed by the same commits, so live changes make no difference.
Counters and times (`version`, `as_of`) are ignored: they depend on when a row was computed, not on its content.

Reads: generations.*, read_model.documents.
"""

from typing import Any

import msgspec
from msgspec import Struct

from app.db import Db, row
from app.projections.projector import Projector
from app.readmodels.table import Table

UNCOMPARED = frozenset({"version", "as_of"})
TIMEOUT_SECONDS = 1_800


class Comparison(Struct, frozen=True):
    """Rows and documents of the serving generation against those of the new one."""

    same: int
    changed: int
    added: int
    removed: int

    @property
    def share_removed(self) -> float:
        """Return the share of serving rows that the new generation lacks."""
        return self.removed / max(self.same + self.changed + self.removed, 1)

    @property
    def share_changed(self) -> float:
        """Return the share of serving rows that differ."""
        return self.changed / max(self.same + self.changed + self.removed, 1)


class Difference(Struct, frozen=True):
    """A row that differs: column → (serving value, new value); None without a row."""

    account_id: str
    item_id: str
    kind: str
    columns: dict[str, tuple[Any, Any]]


async def compare(connection: Db, projector: Projector, old: int, new: int) -> Comparison:
    """Compare both generations completely, by content hash."""
    rows = await _count(connection, _both(projector.table, old, new))
    if not projector.documents:
        return rows
    documents = await _count(connection, _documents(projector.name, old, new))
    sums = {name: getattr(rows, name) + getattr(documents, name) for name in Comparison.__struct_fields__}
    return Comparison(**sums)


async def _count(connection: Db, both: str) -> Comparison:
    found = await row(
        connection,
        Comparison,
        "SELECT count(*) FILTER (WHERE o.content = n.content) AS same, "
        "count(*) FILTER (WHERE o.content <> n.content) AS changed, "
        "count(*) FILTER (WHERE o.content IS NULL) AS added, count(*) FILTER (WHERE n.content IS NULL) AS removed "
        f"FROM {both}",
        timeout=TIMEOUT_SECONDS,
    )
    return found or Comparison(0, 0, 0, 0)


async def differences(connection: Db, projector: Projector, old: int, new: int, limit: int) -> list[Difference]:
    """Return some of the rows that differ, column by column."""
    table = projector.table
    rows = await connection.fetch(
        f"SELECT o.content IS NULL AS added, n.content IS NULL AS removed, o.whole AS before, n.whole AS after "
        f"FROM {_both(table, old, new, whole=True)} WHERE o.content IS DISTINCT FROM n.content "
        f"ORDER BY {', '.join(table.keys)} LIMIT $1",
        limit,
        timeout=TIMEOUT_SECONDS,
    )
    return [_difference(table, row) for row in rows]


def _both(table: Table, old: int, new: int, *, whole: bool = False) -> str:
    return (
        f"({_hashed(table, old, whole)}) o FULL JOIN ({_hashed(table, new, whole)}) n USING ({', '.join(table.keys)})"
    )


def _documents(slice_name: str, old: int, new: int) -> str:
    one = "SELECT account_id, name, md5(body) AS content FROM read_model.documents WHERE slice = '{}' AND body <> '' "
    sides = [one.format(slice_name) + f"AND generation = {generation}" for generation in (old, new)]
    return f"({sides[0]}) o FULL JOIN ({sides[1]}) n USING (account_id, name)"


def _hashed(table: Table, generation: int, whole: bool) -> str:
    compared = ", ".join(name for name in table.columns if name not in UNCOMPARED)
    more = f", to_jsonb(t) - '{{{','.join(UNCOMPARED)}}}'::text[] AS whole" if whole else ""
    return (
        f"SELECT {', '.join(table.keys)}, hash_record_extended(ROW({compared}), 0) AS content{more} "
        f"FROM {table.relation(generation)} t"
    )


def _difference(table: Table, row: Any) -> Difference:
    before, after = row["before"] or {}, row["after"] or {}
    present = before or after
    kind = "added" if row["added"] else "removed" if row["removed"] else "changed"
    columns = {
        name: (_readable(before.get(name)), _readable(after.get(name)))
        for name in table.columns
        if before.get(name) != after.get(name) and name not in table.keys
    }
    return Difference(str(present["account_id"]), str(present.get(table.item or "", "")), kind, columns)


def _readable(value: Any) -> Any:
    """Decode a document, which Postgres shows in hexadecimal."""
    if isinstance(value, str) and value.startswith("\\x"):
        return msgspec.json.decode(bytes.fromhex(value[2:]))
    return value
