"""Translation of the decoder's error sentences into ours, each with a stable code, the rule of shape and parameters."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from app.errors import ShapeRule, Violation
from app.words.sentence import Sentence, say

Said = Callable[[re.Match[str]], tuple[Sentence, dict[str, Any]]]
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
RULES: Mapping[str, ShapeRule] = {
    "missing_field": "required",
    "field_empty": "required",
    "field_too_short": "too_short",
    "too_few_items": "too_short",
    "field_too_long": "too_long",
    "too_many_items": "too_long",
    "not_a_choice": "not_one_of",
    "wrong_type": "invalid_format",
    "date_invalid": "invalid_format",
}
"""Code → the rule of shape that it is about. Any other code is about the format of its kind of text, or `invalid`."""


def _most(say_it: Callable[[int], Sentence]) -> Said:
    return lambda found: (say_it(int(found["n"])), {"most": int(found["n"])})


def _least(say_it: Callable[[int], Sentence]) -> Said:
    return lambda found: (say_it(int(found["n"])), {"least": int(found["n"])})


def _type(found: re.Match[str]) -> tuple[Sentence, dict[str, Any]]:
    wanted = [_KINDS.get(each.strip(), "something else") for each in found["kinds"].split("|")]
    return say("fields.type", expected=wanted), {"expected": wanted}


def _fixed(message: Sentence) -> Said:
    return lambda found: (message, {})


_TABLE: tuple[tuple[str, str, Said], ...] = (
    (r"Expected `(str|bytes)` of length >= 1\b", "field_empty", _fixed(say("fields.empty"))),
    (
        r"Expected `str` of length >= (?P<n>\d+)",
        "field_too_short",
        _least(lambda n: say("fields.least_characters", least=n)),
    ),
    (
        r"Expected `str` of length <= (?P<n>\d+)",
        "field_too_long",
        _most(lambda n: say("fields.most_characters", most=n)),
    ),
    (r"Expected `bytes` of length <= (?P<n>\d+)", "field_too_long", _most(lambda n: say("fields.most_bytes", most=n))),
    (
        r"Expected `array` of length >= (?P<n>\d+)",
        "too_few_items",
        _least(lambda n: say("fields.least_items", least=n)),
    ),
    (r"Expected `array` of length <= (?P<n>\d+)", "too_many_items", _most(lambda n: say("fields.most_items", most=n))),
    (r"Expected `(int|float)` >= (?P<n>-?\d+)", "number_too_small", _least(lambda n: say("fields.least", least=n))),
    (r"Expected `(int|float)` <= (?P<n>-?\d+)", "number_too_large", _most(lambda n: say("fields.most", most=n))),
    (r"Expected `(?P<kinds>[^`]+)`, got", "wrong_type", _type),
    (r"Invalid enum value", "not_a_choice", _fixed(say("fields.not_a_choice"))),
    (r"Invalid RFC3339 encoded date\b", "date_invalid", _fixed(say("fields.day"))),
    (r"Invalid RFC3339", "date_invalid", _fixed(say("fields.time"))),
    (r"Invalid UUID", "invalid_value", _fixed(say("fields.id"))),
    (r"Invalid base64", "invalid_value", _fixed(say("fields.base64"))),
)
TABLE = tuple((re.compile(pattern), code, said) for pattern, code, said in _TABLE)
FORMATS = frozenset({"Invalid UUID", "Invalid base64"})


def rule_of(code: str, *, otherwise: ShapeRule = "invalid") -> ShapeRule:
    """Return the rule of shape that a code is about."""
    return RULES.get(code, otherwise)


def violation(field: str, pointer: str, sentence: str, *, choices: tuple[Any, ...] = ()) -> Violation:
    """Translate the decoder's sentence about a field; `choices` are the field's possible values."""
    for pattern, code, said in TABLE:
        if found := pattern.search(sentence):
            message, params = said(found)
            if code == "not_a_choice" and choices:
                params = {"choices": list(choices)}
                message = say("fields.choices", choices=[str(each) for each in choices])
            is_format = found[0] in FORMATS
            rule = rule_of(code, otherwise="invalid_format" if is_format else "invalid")
            return Violation(field, code, message, params, pointer, rule)
    return Violation(field, "invalid_value", say("fields.unusable"), {}, pointer, "invalid")
