"""What a read-model table is made of: enough for the projection engine to write it without knowing the slice.

Queries and analysts read the view `read_model.<name>`; each generation of the slice has a table of its own behind it.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

AGE = frozenset({"version", "as_of", "verified_at"})
"""Columns that say how old a row is, not what it says."""
GLOBAL_ACCOUNT = UUID(int=0)
"""Owns what is the same for everyone, so that every table leads its key with the owner."""


class Table(Struct, frozen=True):
    """A per-account table.

    Attributes:
        item: the rest of the primary key, None where an account has one row.
        root: the column that names the record rows were made of, where one record makes several, each with an item id
            that no other record makes; None where a record makes one row, whose item it is.
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
        """The table of one generation."""
        return f"generations.{self.name}_{generation}"

    def upsert_sql(self, generation: int) -> str:
        """Insert or replace many rows given as one array a column, in `columns` order."""
        names = list(self.columns)
        arrays = ", ".join(f"${i}::{kind}[]" for i, kind in enumerate(self.columns.values(), 1))
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in self.keys)
        return (
            f"INSERT INTO {self.relation(generation)} ({', '.join(names)}) SELECT * FROM unnest({arrays}) "
            f"ON CONFLICT ({', '.join(self.keys)}) DO UPDATE SET {changes}"
        )

    @property
    def content(self) -> tuple[str, ...]:
        """The columns whose change is news: the document where there is one, else all but the age."""
        return ("document",) if "document" in self.columns else tuple(name for name in self.columns if name not in AGE)

    def telling_sql(self, generation: int, *before: str) -> str:
        """As `upsert_sql`, and tells whose content is another now than before: (account_id, record_id).

        `before` are further CTEs, of which one called `gone` holds rows of the same shape. Like `places_sql` it looks
        the former rows up one by one.
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
        """The record that a row was made of; empty where an account has one row."""
        return f"{alias}.{self.by_root}" if self.by_root else "''"

    def places_sql(self, generation: int, first: int) -> str:
        """Where the rows of records are, `item` and `place` (ctid), given as arrays of account and record id in the
        parameters `first` and the next.

        They are looked up one by one. As a join, a plan made while the table was empty reads all of it.
        """
        return (
            f"SELECT o.place, o.item FROM unnest(${first}::uuid[], ${first + 1}::text[]) AS g (account_id, record_id) "
            f"CROSS JOIN LATERAL (SELECT t.ctid AS place, t.{self.item} AS item FROM {self.relation(generation)} t "
            f"WHERE t.account_id = g.account_id AND t.{self.by_root} = g.record_id OFFSET 0) AS o"
        )

    def arrays(self, rows: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
        """The rows as `upsert_sql` wants them."""
        return [[row[name] for row in rows] for name in self.columns]
