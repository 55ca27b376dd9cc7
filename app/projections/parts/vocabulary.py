"""Lookup of upstream picklist values. An unknown value is never the favourable case, and is counted for operators."""

from collections.abc import Mapping
from typing import TypeVar

from app.events import Record
from app.intake import unreadable
from app.intake.words import folded

T = TypeVar("T")


def known(words: Mapping[str, T], record: Record, field: str) -> T | None:
    """Look a field's value up in a table of folded values; None when it is empty or unknown, which is counted."""
    word = folded(record.data.get(field))
    found = words.get(word)
    if found is None and word:
        unreadable.note(record.source, record.object, field, record.record_id)
    return found
