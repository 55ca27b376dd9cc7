"""WHMCS's dialect: PHP-style forms out, tolerant normalisation in."""

import base64
import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.intake import parse
from app.intake.fields import Fields
from app.intake.text import REPLACEMENT, clean, scalar

_ENTITY = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6}));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_NOTHING: tuple[Any, ...] = (None, "", "0", 0, False)
_PHP_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_OFFSET = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$", re.I)
LAST_CODE_POINT = 0x10FFFF
MOST_DIGITS = 18
UNREADABLE = "unreadable"
"""In place of an amount: no parser reads it as a number."""


def form(params: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Encode as PHP's `http_build_query`: lists as `pid[0]`, maps as `prefs[general]`, true as 1; false and None are
    left out."""
    fields: dict[str, str] = {}
    for name, value in params.items():
        key = f"{prefix}[{name}]" if prefix else name
        if isinstance(value, Mapping):
            fields |= form(value, key)
        elif isinstance(value, list | tuple):
            fields |= form({str(index): item for index, item in enumerate(value)}, key)
        elif value is True:
            fields[key] = "1"
        elif value is not None and value is not False:
            fields[key] = str(value)
    return fields


def serialized(values: Mapping[int, str] | Mapping[str, str]) -> str:
    """Encode a map as WHMCS expects custom fields: base64 over PHP's serialisation.

    Its lengths count bytes, and an integer-like array key is an integer.
    """
    members = {_php_key(key): _php_string(str(value)) for key, value in values.items()}
    body = b"".join(key + value for key, value in members.items())
    return base64.b64encode(b"a:%d:{%b}" % (len(members), body)).decode()


def _php_key(key: int | str) -> bytes:
    plain = str(key)
    whole = _PHP_WHOLE.fullmatch(plain) and -(2**63) <= int(plain) < 2**63
    return b"i:%b;" % plain.encode() if whole else _php_string(plain)


def _php_string(plain: str) -> bytes:
    content = clean(plain).encode()
    return b's:%d:"%b";' % (len(content), content)


def collection(value: Any, singular: str) -> list[Any]:
    """Return the items of a collection, however WHMCS wrapped it.

    It may be `{"invoice": [...]}`, `""`, `{}`, a bare object, or an object with numeric keys. Items may be anything;
    empty ones are dropped.

    Raises:
        ValueError: it is not a collection.
    """
    if isinstance(value, Mapping) and singular in value:
        value = value[singular]
    if isinstance(value, Mapping) and value and all(_numbered(key) for key in value):
        value = [value[key] for key in sorted(value, key=int)]
    if isinstance(value, list):
        return [item for item in value if item not in ([], {}, None, "")]
    if isinstance(value, Mapping):
        return [value] if value else []
    if any(value is nothing or (value == nothing and type(value) is type(nothing)) for nothing in _NOTHING):
        return []
    raise ValueError(f"no list of {singular}")


def as_list(value: Any, singular: str) -> list[dict[str, Any]]:
    """Return the items that are objects, as `collection` does.

    Raises:
        ValueError: it is not a collection.
    """
    return [dict(item) for item in collection(value, singular) if isinstance(item, Mapping)]


def _numbered(key: Any) -> bool:
    plain = str(key)
    return plain.isascii() and plain.isdigit() and len(plain) <= MOST_DIGITS


def text(value: Any) -> str:
    """Convert a scalar to text; "" for any other value.

    WHMCS stores form input as PHP's `htmlspecialchars` leaves it, so its entities are decoded, once, and no others:
    `&copy=2` is part of an address.
    """
    plain = scalar(value)
    return _ENTITY.sub(_character, plain) if "&" in plain else plain


def _character(found: "re.Match[str]") -> str:
    if found[1]:
        return _NAMED[found[1]]
    point = int(found[2]) if found[2] else int(found[3], 16)
    return clean(chr(point)) if point <= LAST_CODE_POINT else REPLACEMENT


def identifier(value: Any) -> str:
    """Parse an id or a count, which may be a number or a string, with blanks and as `7.0`; "" for none.

    Raises:
        ValueError: it is neither.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    number = parse.whole_number(value)
    if number is None or number < 0:
        raise ValueError("an id that is no number")
    return str(number)


def known_id(value: Any) -> str:
    """Parse a mandatory id.

    Raises:
        ValueError: it is missing, or cannot be read.
    """
    found = identifier(value)
    if found in ("", "0"):
        raise ValueError("no id")
    return found


def other_id(fields: Fields, name: str) -> str:
    """Parse an optional id, "" for none; an unreadable one is dropped and counted."""
    return fields.read(name, _other_id) or ""


def _other_id(value: Any) -> str | None:
    try:
        return identifier(value)
    except ValueError:
        return None


def is_true(value: Any) -> bool:
    """Return true for any spelling of yes that WHMCS uses."""
    return text(value).strip().lower() in ("1", "1.0", "true", "on", "yes")


def yes_or_no(value: Any) -> bool | None:
    """Parse any spelling of yes or no that WHMCS uses; None if it is absent, or neither."""
    if is_true(value):
        return True
    if value is None or not isinstance(value, str | int | float):
        return None
    return False if text(value).strip().lower() in ("", "0", "0.0", "false", "off", "no") else None


def csv(value: str) -> tuple[str, ...]:
    """Split a comma-separated list, possibly empty."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def local_time(value: Any) -> str | None:
    """Normalise a date or datetime of WHMCS's clock to `YYYY-MM-DD[ HH:MM:SS]`; a zero date is None.

    One with an offset, which WHMCS never returns, keeps it.
    """
    day = parse.day(value)
    if day is None:
        return None
    plain = text(value).strip()
    at = parse.instant(plain) if ":" in plain else None
    if at is None:
        return day.isoformat()
    return at.isoformat() if _OFFSET.search(plain) else at.strftime("%Y-%m-%d %H:%M:%S")


def amount(fields: Fields, name: str) -> str | None:
    """Parse an amount to a plain decimal string."""
    found = fields.money(name)
    return None if found is None else f"{found:f}"


def marked_amount(fields: Fields, name: str) -> str | None:
    """Parse an amount as `amount` does, but return `UNREADABLE` for one that is present and cannot be read."""
    found = amount(fields, name)
    return UNREADABLE if found is None and not fields.says_nothing(name) else found


def dated(fields: Fields, name: str) -> str | None:
    """Parse a date or datetime."""
    return fields.read(name, local_time)


def picked(fields: Fields, names: Iterable[str]) -> dict[str, str]:
    """Pick scalars as text, under their own names; all other fields are dropped."""
    return {name: fields.read(name, _text) or "" for name in names}


def _text(value: Any) -> str | None:
    return text(value) if isinstance(value, str | int | float) else None
