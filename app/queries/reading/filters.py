"""Conditions that several lists share: one of several values, and text that a customer searches for."""

from collections.abc import Collection
from typing import Any

from app.intake.words import folded

Condition = tuple[str, Any]
"""A condition with `{}` for its parameter, and the value of that."""

_SEARCHED = "strpos(coalesce(search, lower(convert_from(summary, 'UTF8'))), {}) > 0"
"""Within the rows of one account. Rows of an earlier release have no `search` until they are rebuilt."""


def one_of(column: str, values: Collection[str] | None) -> list[Condition]:
    """Return the condition that a column has one of these values; none for no values."""
    if not values:
        return []
    wanted = tuple(sorted(set(values)))
    return [(f"{column} = {{}}", wanted[0])] if len(wanted) == 1 else [(f"{column} = ANY({{}}::text[])", wanted)]


def searched(text: str | None) -> list[Condition]:
    """Return the condition that an item contains the text, whatever its case and width; none for no text."""
    wanted = folded(text)
    return [(_SEARCHED, wanted)] if wanted else []
