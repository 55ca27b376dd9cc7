"""Counts of unreadable upstream values by (source, object, field), until a process stores them.

The counter is global to the process, because parsers are pure and run everywhere; `taken` returns what was counted
since the last call.
"""

from collections.abc import Iterator

from msgspec import Struct

MOST_KINDS = 1_000
"""Limit of distinct fields. Field names are ours, so only a mistake can reach it."""


class Unreadables(Struct, frozen=True):
    """The count of unreadable values of a field, and the last record affected."""

    source: str
    object: str
    field: str
    count: int
    record_id: str


_counts: dict[tuple[str, str, str], tuple[int, str]] = {}


def note(source: str, object_name: str, field: str, record_id: str) -> None:
    """Count one unreadable value. The value itself is never kept, because it may be personal."""
    key = (source, object_name, field)
    if key in _counts or len(_counts) < MOST_KINDS:
        _counts[key] = (_counts.get(key, (0, ""))[0] + 1, record_id)


def taken() -> list[Unreadables]:
    """Return and reset the counts."""
    counts = dict(_counts)
    _counts.clear()
    return list(_listed(counts))


def put_back(counted: list[Unreadables]) -> None:
    """Add counts again that were taken and could not be stored."""
    for each in counted:
        key = (each.source, each.object, each.field)
        _counts[key] = (_counts.get(key, (0, ""))[0] + each.count, each.record_id)


def _listed(counts: dict[tuple[str, str, str], tuple[int, str]]) -> Iterator[Unreadables]:
    for (source, object_name, field), (count, record_id) in sorted(counts.items()):
        yield Unreadables(source, object_name, field, count, record_id)
