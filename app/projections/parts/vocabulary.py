"""Upstream words looked up: one that nobody knows is no favourable answer, and is counted so that somebody is told."""

from collections.abc import Mapping
from typing import TypeVar

from app.events import Record
from app.intake import unreadable
from app.intake.words import folded

T = TypeVar("T")


def known(words: Mapping[str, T], record: Record, field: str) -> T | None:
    """What a field's word means, by a table of folded words. None for no word, and for an unknown one, which is
    counted."""
    word = folded(record.data.get(field))
    found = words.get(word)
    if found is None and word:
        unreadable.note(record.source, record.object, field, record.record_id)
    return found
