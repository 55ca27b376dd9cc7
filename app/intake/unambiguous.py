"""Unambiguous JSON: no object names a member twice, which RFC 8259 would leave to the reader to resolve."""

import json
from typing import Any

from app.intake.text import LEADING, Unreadable, decoded, json_object


class RepeatedKey(Unreadable):
    """A member that is named twice."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the key {key[:100]!r} is repeated")


def refuse_repeated_keys(content: bytes) -> None:
    """Check every object of a JSON text, at any depth. Names are compared after unescaping.

    Raises:
        RepeatedKey: names the first repeated key.
        Unreadable: it is not JSON, or nested too deep to be checked.
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
    """Decode a JSON object on which a decision depends, as `json_object` does.

    Raises:
        Unreadable: it is not an object, or ambiguous.
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
