"""The description of a read-model table: enough for the projection engine to write it without knowing the read model.

Queries and analysts read the view `read_model.<name>`; behind it each generation of the read model has its own table.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

AGE = frozenset({"version", "as_of", "verified_at"})
"""Columns that hold a row's freshness rather than its content."""
GLOBAL_ACCOUNT = UUID(int=0)
"""Owns the rows that are the same for everyone, so that every primary key begins with the owner."""


class Table(Struct, frozen=True):
    """A table with rows per account.

    Attributes:
        item: the rest of the primary key, None where an account has one row.
        root: the column with the source record's id, where one record makes several rows, each with an item id that no
            other record makes; None where a record makes one row, of which it is the item.
    """

    name: str
    item: str | None
    columns: Mapping[str, str]
    root: str | None = None

    @property
    def by_root(self) -> str | None:
        """The column by which the rows of a record are found."""
        return self.root or self.item

    @property
    def keys(self) -> tuple[str, ...]:
        """The primary key, owner first."""
        return ("account_id", self.item) if self.item else ("account_id",)

    def relation(self, generation: int) -> str:
        """Name the table of one generation."""
        return f"generations.{self.name}_{generation}"

    def upsert_sql(self, generation: int) -> str:
        """Compose a statement that upserts many rows, given as one array per column in `columns` order."""
        names = list(self.columns)
        arrays = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(self.columns.values(), 1))
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in self.keys)
        return (
            f"INSERT INTO {self.relation(generation)} ({', '.join(names)}) SELECT * FROM unnest({arrays}) "
            f"ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {changes}"
        )

    @property
    def content(self) -> tuple[str, ...]:
        """The columns whose changes are published: the document if there is one, else everything but the age."""
        return ("document",) if "document" in self.columns else tuple(name for name in self.columns if name not in AGE)

    def upsert_changes_sql(self, generation: int, *before: str) -> str:
        """Compose an upsert that returns (account_id, record_id) of the rows whose content changed.

        `before` are further CTEs, one of which, `gone`, holds rows of that shape. As in `places_sql`, previous rows are
        looked up one by one.
        """
        names = list(self.columns)
        arrays = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(self.columns.values(), 1))
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in self.keys)
        same_row = " AND ".join(f"t.{key} = f.{key}" for key in self.keys)
        differs = " OR ".join(f"former.{name} IS DISTINCT FROM f.{name}" for name in self.content)
        ctes = [
            *before,
            f"fresh AS (SELECT * FROM unnest({arrays}) AS u ({', '.join(names)}))",
            f"written AS (INSERT INTO {self.relation(generation)} ({', '.join(names)}) SELECT * FROM fresh "
            f"ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {changes})",
        ]
        return (
            f"WITH {', '.join(ctes)} SELECT f.account_id, {self.record('f')} AS record_id FROM fresh f "
            f"LEFT JOIN LATERAL (SELECT * FROM {self.relation(generation)} t WHERE {same_row} OFFSET 0) AS former "
            f"ON true WHERE {differs}" + (" UNION SELECT account_id, record_id FROM gone" if before else "")
        )

    def record(self, alias: str) -> str:
        """Compose the expression for a row's source record; empty where an account has one row."""
        return f"{alias}.{self.by_root}" if self.by_root else "''"

    def places_sql(self, generation: int, first: int) -> str:
        """Compose a query for the rows of records: `item` and `place` (ctid).

        The records are given as arrays of account and record id in the parameters `first` and the next. They are looked
        up one by one: as a join, a plan made while the table was empty would read all of it.
        """
        return (
            f"SELECT o.place, o.item FROM unnest(${first}::uuid[], ${first + 1}::text[]) AS g (account_id, record_id) "
            f"CROSS JOIN LATERAL (SELECT t.ctid AS place, t.{self.item} AS item FROM {self.relation(generation)} t "
            f"WHERE t.account_id = g.account_id AND t.{self.by_root} = g.record_id OFFSET 0) AS o"
        )

    def arrays(self, rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
        """Transpose rows to the arrays that `upsert_sql` takes."""
        return [[row[name] for row in rows] for name in self.columns]
