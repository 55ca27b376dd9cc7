"""Request bodies: decoded into the route's type, each text normalised, all faults reported at once.

A valid body is decoded once, by msgspec, and only texts with a rule are looked at again. The decoder stops at the first
fault, so a body that it refuses is read a second time, leniently and field by field. Of a file, which is larger than
anything that somebody fills in, only the first fault is reported: reading millions of small values takes seconds of
processor time.
"""

import re
from functools import cache
from typing import Any

import msgspec

from app.errors import InvalidRequest, Violation
from app.inputs.faults import faults_of
from app.inputs.spelling import speller
from app.inputs.words import violation
from app.words.sentence import say

MOST_READ_AGAIN_BYTES = 262_144
_AT = re.compile(r" - at `\$\.(\w+)`")


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def read(kind: Any, content: bytes) -> Any:
    """Decode the body into this type.

    Raises:
        InvalidRequest: `malformed_json`, or every fault, field by field.
    """
    try:
        value = _decoder(kind).decode(content)
    except msgspec.ValidationError as error:
        if len(content) > MOST_READ_AGAIN_BYTES:
            raise _refusal([_first(str(error))]) from error
        raise _refusal(faults_of(kind, _lenient(content)) or [violation("", "", str(error))]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_json() from error
    return spelled(kind, value)


def _first(sentence: str) -> Violation:
    """Turn the decoder's sentence into a violation."""
    found = _AT.search(sentence)
    return violation(found[1], f"/{found[1]}", sentence) if found else violation("", "", sentence)


def spelled(kind: Any, value: Any) -> Any:
    """Normalise every text of a decoded value.

    Raises:
        InvalidRequest: every broken rule, field by field.
    """
    spell = speller(kind)
    if spell is None:
        return value
    wrong: list[Violation] = []
    value = spell(value, (), wrong)
    if wrong:
        raise _refusal(wrong)
    return value


def _lenient(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_json() from error


def _no_json() -> InvalidRequest:
    return InvalidRequest(say("problems.malformed_json"), code="malformed_json")


def _refusal(wrong: list[Violation]) -> InvalidRequest:
    unknown = all(each.code == "unknown_field" for each in wrong)
    return InvalidRequest(code="unknown_field" if unknown else None, errors=wrong)
