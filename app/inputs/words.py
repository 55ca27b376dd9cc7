"""Translation of the decoder's error sentences into ours, each with a stable code and parameters."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from app.errors import Violation

Params = dict[str, Any]
_KINDS: Mapping[str, str] = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "bytes": "text in base64",
    "date": "a date",
    "datetime": "a date and time",
    "uuid": "an id",
    "decimal": "a number",
}


def _number(found: re.Match[str]) -> int:
    return int(found["n"])


def _most(unit: str) -> Callable[[re.Match[str]], tuple[str, Params]]:
    return lambda found: (f"At most {_number(found):,}{unit}.", {"most": _number(found)})


def _least(unit: str) -> Callable[[re.Match[str]], tuple[str, Params]]:
    return lambda found: (f"At least {_number(found):,}{unit}.", {"least": _number(found)})


def _type(found: re.Match[str]) -> tuple[str, Params]:
    wanted = [_KINDS.get(each.strip(), "something else") for each in found["kinds"].split("|")]
    return f"This must be {' or '.join(wanted)}.", {"expected": wanted}


def _fixed(message: str) -> Callable[[re.Match[str]], tuple[str, Params]]:
    return lambda found: (message, {})


_TABLE: tuple[tuple[str, str, Callable[[re.Match[str]], tuple[str, Params]]], ...] = (
    (r"Expected `(str|bytes)` of length >= 1\b", "field_empty", _fixed("Please fill this in.")),
    (r"Expected `str` of length >= (?P<n>\d+)", "field_too_short", _least(" characters")),
    (r"Expected `str` of length <= (?P<n>\d+)", "field_too_long", _most(" characters")),
    (r"Expected `bytes` of length <= (?P<n>\d+)", "field_too_long", _most(" bytes")),
    (r"Expected `array` of length >= (?P<n>\d+)", "too_few_items", _least(" of these")),
    (r"Expected `array` of length <= (?P<n>\d+)", "too_many_items", _most(" of these")),
    (r"Expected `(int|float)` >= (?P<n>-?\d+)", "number_too_small", _least("")),
    (r"Expected `(int|float)` <= (?P<n>-?\d+)", "number_too_large", _most("")),
    (r"Expected `(?P<kinds>[^`]+)`, got", "wrong_type", _type),
    (r"Invalid enum value", "not_a_choice", _fixed("This is none of the possible values.")),
    (r"Invalid RFC3339 encoded date\b", "date_invalid", _fixed("Write the day as in 2026-12-31.")),
    (r"Invalid RFC3339", "date_invalid", _fixed("Write the time as in 2026-12-31T12:00:00Z.")),
    (r"Invalid UUID", "invalid_value", _fixed("This is not an id of ours.")),
    (r"Invalid base64", "invalid_value", _fixed("This is not base64.")),
)
TABLE = tuple((re.compile(pattern), code, said) for pattern, code, said in _TABLE)


def violation(field: str, pointer: str, sentence: str, *, choices: tuple[Any, ...] = ()) -> Violation:
    """Translate the decoder's sentence about a field; `choices` are the field's possible values."""
    for pattern, code, said in TABLE:
        if found := pattern.search(sentence):
            message, params = said(found)
            if code == "not_a_choice" and choices:
                message, params = f"Possible are: {', '.join(map(str, choices))}.", {"choices": list(choices)}
            return Violation(field, code, message, params, pointer)
    return Violation(field, "invalid_value", "This value cannot be used.", {}, pointer)
