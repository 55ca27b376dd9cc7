"""Rewrites of a real answer, as a broken install, proxy or import would have written it: bytes in, bytes out.

Most rewrites spoil values inside the JSON and leave the rest of it as it was. They put a marker where the damage goes,
write the JSON again, and replace the marker by bytes that no encoder of ours would write.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_MARK = "@@SPOILT@@"
_FREE_TEXT = frozenset(
    {
        *("firstname", "lastname", "companyname", "address1", "address2", "city", "notes", "reason", "description"),
        *("domain", "suspensionreason", "name", "groupname", "message", "statusmsg", "plan", "owner", "user"),
        *("Name", "FirstName", "LastName", "Description", "Subject", "CommentBody", "Phone"),
        *("BillingStreet", "BillingCity", "ShippingStreet"),
    }
)
"""Values that people write, by name, in the answers of all upstreams."""
_MONEY = re.compile(r"-?\d{1,12}\.\d{2}")
_MONEY_NAMES = re.compile(r"price|amount|total|balance|credit$", re.I)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T].*)?")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
ZERO_DATES = ("0000-00-00 00:00", "-0001-11-30", "30/11/2026")
PAGE = b"<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"
DEEP = 20_000


@dataclass(frozen=True)
class RewriteOptions:
    """The options of a rewrite: the names of the values to spoil, and the text to put into them."""

    names: frozenset[str] = frozenset()
    text: str = ""


Rewrite = Callable[[bytes, RewriteOptions], bytes]


def spelled(text: str) -> bytes:
    """Return the bytes of a text with `\\xNN` escapes, or of `base64:…`.

    Raises:
        ValueError
    """
    if text.startswith("base64:"):
        try:
            return base64.b64decode(text.removeprefix("base64:"), validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from error
    parts = _ESCAPE.split(text)
    plain = (part.encode("utf-8", "surrogatepass") for part in parts[::2])
    escaped = [bytes.fromhex(part) for part in parts[1::2]] + [b""]
    return b"".join(each + byte for each, byte in zip(plain, escaped, strict=True))


def _loaded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _dumped(value: Any, *, ascii_only: bool = True) -> bytes:
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "backslashreplace")


def _walked(value: Any, change: Callable[[str, Any], Any], name: str = "") -> Any:
    """Return the value with `change` applied to every scalar. A scalar is given its own name or that of its list."""
    if isinstance(value, dict):
        return {key: _walked(each, change, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_walked(each, change, name) for each in value]
    return change(name, value)


def _names(value: Any) -> Iterable[str]:
    found: set[str] = set()

    def note(name: str, scalar: Any) -> Any:
        if isinstance(scalar, str) and scalar:
            found.add(name)
        return scalar

    _walked(value, note)
    return found


def _in_text(damage: Callable[[RewriteOptions], bytes]) -> Rewrite:
    """Make a rewrite that damages texts: the named ones, else those that people write, else the longest.

    An answer that is no JSON is damaged in its middle.
    """

    def rewrite(body: bytes, options: RewriteOptions) -> bytes:
        document = _loaded(body)
        if not isinstance(document, dict | list):
            half = len(body) // 2
            return body[:half] + damage(options) + body[half:]
        there = set(_names(document))
        chosen = (options.names or _FREE_TEXT) & there or ({_longest(document)} if not options.names else set())

        def spoil(name: str, value: Any) -> Any:
            spoilt = isinstance(value, str) and value and name in chosen
            return value[: len(value) // 2] + _MARK + value[len(value) // 2 :] if spoilt else value

        return _dumped(_walked(document, spoil)).replace(_MARK.encode(), damage(options))

    return rewrite


def _longest(document: Any) -> str:
    longest = ("", "")

    def note(name: str, value: Any) -> Any:
        nonlocal longest
        if isinstance(value, str) and len(value) > len(longest[1]):
            longest = (name, value)
        return value

    _walked(document, note)
    return longest[0]


def _grouped(body: bytes, options: RewriteOptions) -> bytes:
    def group(name: str, value: Any) -> Any:
        if options.names and name not in options.names:
            return value
        if isinstance(value, str) and _MONEY.fullmatch(value):
            return f"{Decimal(value):,.2f}"
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return f"{value:,.2f}" if number and (options.names or _MONEY_NAMES.search(name)) else value

    document = _loaded(body)
    return body if document is None else _dumped(_walked(document, group))


def _zero_dates(body: bytes, options: RewriteOptions) -> bytes:
    """Replace each date by the next of three broken spellings, or by the requested one."""
    met = 0

    def spoil(name: str, value: Any) -> Any:
        nonlocal met
        if not (isinstance(value, str) and _DATE.fullmatch(value)) or (options.names and name not in options.names):
            return value
        met += 1
        return options.text or ZERO_DATES[(met - 1) % len(ZERO_DATES)]

    document = _loaded(body)
    return body if document is None else _dumped(_walked(document, spoil))


def _each(make: Callable[[Any], Any]) -> Rewrite:
    """Make a rewrite that replaces every named value; without names, every number."""

    def rewrite(body: bytes, options: RewriteOptions) -> bytes:
        def change(name: str, value: Any) -> Any:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return make(value) if name in options.names or (not options.names and number) else value

        document = _loaded(body)
        return body if document is None else _dumped(_walked(document, change))

    return rewrite


def _shift_jis(body: bytes, options: RewriteOptions) -> bytes:
    document = _loaded(_in_text(lambda options: (options.text or "日本語").encode())(body, options))
    text = body.decode() if document is None else json.dumps(document, ensure_ascii=False)
    return text.encode("shift_jis", "replace")


HOWS: dict[str, Rewrite] = {
    "bom": lambda body, options: b"\xef\xbb\xbf" + body,
    "blanks": lambda body, options: b"\r\n \t" + body + b"\r\n\r\n",
    "utf16": lambda body, options: body.decode("utf-8", "replace").encode("utf-16"),
    "latin1": _in_text(lambda options: (options.text or "é").encode("latin-1", "replace")),
    "shift_jis": _shift_jis,
    "surrogate": _in_text(lambda options: (options.text or "\\ud83d").encode()),
    "nul": _in_text(lambda options: b"\\u0000"),
    "raw_nul": _in_text(lambda options: b"\x00"),
    "control": _in_text(lambda options: b"\x01\n\x1b"),
    "null_bytes_body": lambda body, options: b"\x00" * len(body),
    "truncate": lambda body, options: body[: len(body) * 2 // 3],
    "doubled": lambda body, options: body + body,
    "html": lambda body, options: PAGE,
    "grouped": _grouped,
    "zero_dates": _zero_dates,
    "nulls": _each(lambda value: None),
    "nan": lambda body, options: _each(lambda value: float("nan"))(body, options),
    "endless_number": _in_text(lambda options: b'","endless":' + b"9" * 5_000 + b',"rest":"'),
    "deep": lambda body, options: b"[" * DEEP + body + b"]" * DEEP,
    "scalar": lambda body, options: b'"success"',
    "list": lambda body, options: b"[" + body + b"]",
    "null": lambda body, options: b"null",
}
"""Every rewrite by its name."""


def rewritten(body: bytes, how: str, *, find: str = "", replace: str = "", names: str = "", text: str = "") -> bytes:
    """Return an answer's bytes after a rewrite. Without `how`, replace every `find` by `replace`."""
    if not how:
        return body.replace(spelled(find), spelled(replace))
    options = RewriteOptions(frozenset(each.strip() for each in names.split(",") if each.strip()), text)
    return HOWS[how](body, options)
