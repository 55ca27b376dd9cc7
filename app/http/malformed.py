"""What is wrong with a request that could not be read, field by field: from the framework's and msgspec's words."""

import re
from http import HTTPStatus

import msgspec
from litestar.exceptions import HTTPException, ValidationException

from app.errors import InvalidRequest, PortalError, Violation

_UNKNOWN_FIELD = re.compile(r"unknown field `(?P<field>[^`]+)`")
_MISSING_FIELD = re.compile(r"missing required field `(?P<field>[^`]+)`")
_BODY = re.compile(r"^\.?data(\.|$)")  # the framework's name for the body
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`")


def of_malformed(error: Exception) -> PortalError:
    """The framework wraps msgspec's errors; the innermost one knows what is wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, msgspec.ValidationError):
            return of_validation(cause)
        if isinstance(cause, msgspec.DecodeError):
            return InvalidRequest("The body is not valid JSON.", code="malformed_json")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, ValidationException):
        return InvalidRequest(errors=_parameters(error))
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidRequest()
    return PortalError()


def _parameters(error: ValidationException) -> list[Violation]:
    extra = error.extra if isinstance(error.extra, list) else []
    return [
        Violation(str(each.get("key", "")), "invalid_parameter", str(each.get("message", "")))
        for each in extra
        if isinstance(each, dict)
    ]


def of_validation(error: msgspec.ValidationError) -> PortalError:
    """msgspec's sentence as field, code and message."""
    text = str(error)
    path = _BODY.sub("", match.group("path") if (match := _PATH.search(text)) else "")
    sentence = _PATH.sub("", text)
    for pattern, code in ((_UNKNOWN_FIELD, "unknown_field"), (_MISSING_FIELD, "missing_field")):
        if match := pattern.search(sentence):
            field = ".".join(part for part in (path, match.group("field")) if part)
            return InvalidRequest(
                code=code if code == "unknown_field" else None, errors=[_violation(field, code, sentence)]
            )
    return InvalidRequest(errors=[_violation(path, "invalid_value", sentence)])


def _violation(field: str, code: str, sentence: str) -> Violation:
    return Violation(field, code, sentence.rstrip(".") + ".")
