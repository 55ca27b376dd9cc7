"""Translate the framework's and msgspec's errors about parameters into violations, all of them at once.

`app/inputs/body.py` decodes bodies, before the framework would.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar.exceptions import HTTPException, ValidationException
from litestar.typing import FieldDefinition

from app.errors import InvalidRequest, PortalError, Violation
from app.http.answering.declared_parameters import parameters_of
from app.inputs.faults import faults_of
from app.inputs.words import violation
from app.words.sentence import say

BOUNDS = ("ge", "le", "min_length", "max_length")


def of_malformed(error: Exception, request: Any = None) -> PortalError:
    """Translate an error of the framework. It wraps msgspec's errors; the innermost one says what is wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, msgspec.DecodeError) and not isinstance(cause, msgspec.ValidationError):
            return InvalidRequest(say("problems.malformed_json"), code="malformed_json")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, ValidationException):
        first = _parameters(error)
        others = _others(request) if request is not None else ()
        named = {each.field for each in first}
        return InvalidRequest(errors=[*_precise(first, others), *(each for each in others if each.field not in named)])
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidRequest()
    return PortalError()


def _parameters(error: ValidationException) -> list[Violation]:
    """Translate errors of query, path and header parameters: one code for all, the sentence says what is wrong."""
    extra = error.extra if isinstance(error.extra, list) else []
    named = [(str(each.get("key", "")), str(each.get("message", ""))) for each in extra if isinstance(each, dict)]
    return [_as_parameter(violation(name, "", sentence)) for name, sentence in named]


def _precise(found: list[Violation], others: tuple[Violation, ...]) -> Iterator[Violation]:
    """Prefer what was found by the type of the parameter, which names the possible values."""
    by_field = {each.field: each for each in others}
    return (by_field.get(each.field, each) for each in found)


def _others(request: Any) -> tuple[Violation, ...]:
    """Look at every query parameter that is sent: the framework stops at the first that is wrong."""
    fields = parameters_of(request.route_handler)
    given = request.query_params
    found = []
    for name in given:
        if (field := fields.get(name)) is None:
            continue
        value = given.getall(name) if field.is_non_string_collection else _plain(field, given[name])
        found += [_as_parameter(each, name) for each in faults_of(_annotation(field), value)]
    return tuple(found)


def _annotation(field: FieldDefinition) -> Any:
    """Return the type of a parameter with its bounds, as msgspec reads them."""
    kind: Any = field.annotation
    for name in BOUNDS:
        if (bound := getattr(field.kwarg_definition, name, None)) is not None:
            kind = Annotated[kind, msgspec.Meta(**{name: bound})]
    return kind


def _plain(field: FieldDefinition, text: str) -> Any:
    """Read a parameter as JSON would have it: a number is sent as text."""
    try:
        return msgspec.convert(text, field.annotation, strict=False)
    except msgspec.ValidationError:
        return text


def _as_parameter(wrong: Violation, name: str | None = None) -> Violation:
    return msgspec.structs.replace(wrong, code="invalid_parameter", pointer="", field=name or wrong.field)
