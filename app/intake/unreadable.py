"""What could not be read of upstream records, counted by (source, object, field) until a process writes it down.

A counter of the process, because parsers are pure and run everywhere; `taken` hands over what came since the last time.
"""

from collections.abc import Iterator

from msgspec import Struct

MOST_KINDS = 1_000
"""Fields counted apart; field names are ours, so that this is never reached but by a mistake."""


class Unreadables(Struct, frozen=True):
    """How often a field could not be read, and the record where it was seen last."""

    source: str
    object: str
    field: str
    count: int
    record_id: str


_counts: dict[tuple[str, str, str], tuple[int, str]] = {}


def note(source: str, object_name: str, field: str, record_id: str) -> None:
    """Count one. The value itself is never kept: it may be personal."""
    key = (source, object_name, field)
    if key in _counts or len(_counts) < MOST_KINDS:
        _counts[key] = (_counts.get(key, (0, ""))[0] + 1, record_id)


def taken() -> list[Unreadables]:
    """What was counted since the last call."""
    counts = dict(_counts)
    _counts.clear()
    return list(_listed(counts))


def put_back(counted: list[Unreadables]) -> None:
    """Count again what was taken and could not be written down."""
    for each in counted:
        key = (each.source, each.object, each.field)
        _counts[key] = (_counts.get(key, (0, ""))[0] + each.count, each.record_id)


def _listed(counts: dict[tuple[str, str, str], tuple[int, str]]) -> Iterator[Unreadables]:
    for (source, object_name, field), (count, record_id) in sorted(counts.items()):
        yield Unreadables(source, object_name, field, count, record_id)
