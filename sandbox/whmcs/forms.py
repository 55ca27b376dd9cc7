"""PHP's way to read a form, and its serialisation format."""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any

from sandbox.whmcs.actions.errors import Refused

MAX_INPUT_VARS = 1_000
MOST_NESTED = 64
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
"""A text that PHP's arrays take for a number when it is a key."""
_KEY = re.compile(r"\[([^\]]*)\]")


def parse(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`$_POST`: brackets nest, `[]` appends, a later duplicate wins, everything past the limit is silently dropped."""
    fields: dict[str, Any] = {}
    for count, (name, value) in enumerate(pairs):
        if count >= MAX_INPUT_VARS:
            break
        head, bracket, _ = name.partition("[")
        if not head:
            continue
        keys = _KEY.findall(name[len(head) :]) if bracket else []
        _put(fields, [re.sub(r"[ .]", "_", head.lstrip()), *keys[:MOST_NESTED]], value)
    return fields


def _put(target: dict[str, Any], keys: list[str], value: str) -> None:
    for key in keys[:-1]:
        place = _slot(target, key)
        if not isinstance(target.get(place), dict):
            target[place] = {}
        target = target[place]
    target[_slot(target, keys[-1])] = value


def _slot(target: dict[str, Any], key: str) -> str:
    if key:
        return key
    return str(max((int(each) for each in target if each.isdigit()), default=-1) + 1)


def unserialized(text: str, parameter: str) -> dict[Any, Any]:
    """Return a map given as base64 over PHP's serialisation. Objects are refused."""
    try:
        value, rest = _read(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, IndexError, RecursionError) as error:
        raise Refused(f"Invalid serialized value for {parameter}") from error
    if rest or not isinstance(value, dict):
        raise Refused(f"Invalid serialized value for {parameter}")
    return value


def _read(data: bytes) -> tuple[Any, bytes]:
    """One value and what follows it. Lengths count bytes; `O:` and `C:`, which make objects, are never read."""
    tag = data[:1]
    if tag == b"N":
        return None, _after(data, b"N;")
    if tag in (b"i", b"d", b"b"):
        text, _, rest = data[2:].partition(b";")
        return {b"i": int, b"d": float, b"b": lambda given: given == b"1"}[tag](text), rest  # type: ignore[operator]
    if tag not in (b"s", b"a"):
        raise ValueError("only arrays and scalars are read")
    size_text, _, rest = data[2:].partition(b":")
    if not size_text.isdigit():
        raise ValueError("a length is a number")
    size = int(size_text)
    if tag == b"s":
        rest = _after(rest, b'"')
        return rest[:size].decode(), _after(rest[size:], b'";')
    rest = _after(rest, b"{")
    found: dict[Any, Any] = {}
    for _ in range(size):
        key, rest = _read(rest)
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise ValueError("a key is a number or a text")
        if isinstance(key, str) and _WHOLE.fullmatch(key):
            key = int(key)
        found[key], rest = _read(rest)
    return found, _after(rest, b"}")


def _after(data: bytes, expected: bytes) -> bytes:
    if not data.startswith(expected):
        raise ValueError(f"expected {expected!r}")
    return data[len(expected) :]
