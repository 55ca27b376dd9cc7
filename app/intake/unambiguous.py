"""JSON that says one thing only: no object in it names a member twice, as RFC 8259 leaves to whoever reads it."""

import json
from typing import Any

from app.intake.text import LEADING, Unreadable, decoded, json_object


class RepeatedKey(Unreadable):
    """A member that is named twice."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the key {key[:100]!r} stands there twice")


def refuse_repeated_keys(content: bytes) -> None:
    """Look at every object of a JSON text, at any depth. Names count as what they are once escapes are read.

    Raises:
        RepeatedKey: names the first key.
        Unreadable: it is no JSON, or nested too deep to be looked at.
    """
    plain = content.lstrip(LEADING)
    for reading in (decoded(plain), plain.decode("cp932", "replace")):  # as `json_value` reads it
        try:
            json.loads(reading, strict=False, object_pairs_hook=_distinct)
            return
        except RepeatedKey:
            raise
        except (ValueError, RecursionError):
            continue
    raise Unreadable("not JSON, or nested too deep")


def unambiguous_object(content: bytes) -> dict[str, Any]:
    """A JSON object of the outside world that decides something, as `json_object` reads it.

    Raises:
        Unreadable: it is none, or says more than one thing.
    """
    value = json_object(content)
    refuse_repeated_keys(content)
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise RepeatedKey(key)
        seen.add(key)
