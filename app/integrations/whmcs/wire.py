"""WHMCS's dialect, one way and the other: PHP-style forms out, tolerant normalisation in."""

import base64
import html
from collections.abc import Iterable, Mapping
from typing import Any

import phpserialize3

NULL_DATES = frozenset({"0000-00-00", "0000-00-00 00:00:00", ""})


def form(params: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """PHP `http_build_query`: lists as `pid[0]`, maps as `prefs[general]`, true as 1; false and None are left out."""
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


def serialized(values: Mapping[int, str]) -> str:
    """A map as WHMCS wants custom fields: base64 over PHP's serialisation."""
    return base64.b64encode(phpserialize3.dumps(dict(values)).encode()).decode()


def as_list(value: Any, singular: str) -> list[dict[str, Any]]:
    """A collection, however WHMCS wrapped it: `{"invoice": [...]}`, `""`, `{}`, a bare object, or numbered keys."""
    if isinstance(value, Mapping) and singular in value:
        value = value[singular]
    if isinstance(value, Mapping) and value and all(str(key).isdigit() for key in value):
        value = [value[key] for key in sorted(value, key=int)]
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict)]
    return [dict(value)] if value and isinstance(value, Mapping) else []


def text(value: Any) -> str:
    """A scalar as text; WHMCS stores what was typed into its forms with HTML entities."""
    return "" if value is None else html.unescape(str(value))


def identifier(value: Any) -> str:
    """An id or a count, which may come as number or string; "" for none.

    Raises:
        ValueError: it is neither.
    """
    plain = "" if value is None else str(value).strip()
    return str(int(plain)) if plain else ""


def is_true(value: Any) -> bool:
    """A yes, in any of the ways WHMCS says it."""
    return str(value).strip().lower() in ("1", "true", "on", "yes")


def csv(value: str) -> tuple[str, ...]:
    """A comma-separated list, possibly empty."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def moment(value: Any) -> str | None:
    """A date or datetime as `YYYY-MM-DD[ HH:MM:SS]`; WHMCS's zero dates are nothing."""
    plain = "" if value is None else str(value).strip()
    return None if plain in NULL_DATES else plain


def picked(source: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Some scalars as text, under their own names; everything not named stays outside."""
    return {name: text(source.get(name)) for name in names}
