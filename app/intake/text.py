"""Text and JSON from outside: decoded leniently, and cleaned of what Postgres or UTF-8 cannot hold."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
DEEPEST = 64
"""Maximum nesting. No upstream answers with more than ten levels; a recursive parser needs a bound."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_NUL = b"\\u0000"
LEADING = b" \t\r\n\xef\xbb\xbf"


class Unreadable(ValueError):
    """Bytes that cannot be decoded in any supported way."""


def decoded(content: bytes) -> str:
    """Decode UTF-8 without a byte order mark; invalid bytes become U+FFFD, NUL is dropped."""
    return clean(content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))


def clean(text: str) -> str:
    """Make text storable in UTF-8 and Postgres: NUL is dropped, a lone surrogate becomes U+FFFD."""
    if text.isascii():
        return text.replace("\x00", "")
    return _UNSTORABLE.sub(lambda found: "" if found[0] == "\x00" else REPLACEMENT, text)


def scalar(value: Any) -> str:
    """Convert a text or number to clean text; "" for any other type."""
    if not isinstance(value, str | int | float):
        return ""
    try:
        return clean(str(value))
    except ValueError:  # an integer of thousands of digits
        return ""


def cleaned(value: Any, *, _depth: int = 0) -> Any:
    """Clean every text of a JSON value, keys included; numbers that JSON cannot express become None.

    Raises:
        Unreadable: it is nested deeper than `DEEPEST`.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, Mapping | list | tuple):
        return value
    if _depth >= DEEPEST:
        raise Unreadable(f"nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        return {
            clean(name) if isinstance(name, str) else name: cleaned(each, _depth=_depth + 1)
            for name, each in value.items()
        }
    return [cleaned(each, _depth=_depth + 1) for each in value]


def json_value(content: bytes) -> Any:
    """Decode JSON leniently, with all text cleaned.

    Tolerated are a byte order mark, blanks around it, raw control characters, stray bytes, NUL and lone surrogates.

    Raises:
        Unreadable: it is no JSON, or nested deeper than `DEEPEST`.
    """
    plain = content.lstrip(LEADING)
    try:
        if _ESCAPED_NUL not in plain:  # the one thing that the strict decoder takes and Postgres does not
            return msgspec.json.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _loaded(plain.decode("utf-8", "replace"))
    except Unreadable:
        if (japanese := _shift_jis(plain)) is None:
            raise
        return _loaded(japanese)


def _loaded(plain: str) -> Any:
    try:
        return cleaned(json.loads(plain.rstrip("\0 \t\r\n"), strict=False, parse_constant=_no_number))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"not JSON: {type(error).__name__}") from error


def _shift_jis(plain: bytes) -> str | None:
    """Decode as Shift_JIS if it is not UTF-8.

    The second byte of some Shift_JIS characters is a backslash, which breaks JSON unless it is decoded first.
    """
    try:
        plain.decode()
    except UnicodeDecodeError:
        return plain.decode("cp932", "replace")
    return None


def json_object(content: bytes) -> dict[str, Any]:
    """Decode JSON as `json_value` does; it must be an object.

    Raises:
        Unreadable: it is no JSON object.
    """
    return _object(json_value(content))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"a JSON {type(value).__name__} where an object was expected")
    return value


def _no_number(word: str) -> None:
    """Read NaN and Infinity, which JSON does not have, as null."""
