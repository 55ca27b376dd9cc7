"""Translate the framework's and msgspec's errors about parameters into violations.

`app/inputs/body.py` decodes bodies, before the framework would.
"""

from http import HTTPStatus

import msgspec
from litestar.exceptions import HTTPException, ValidationException

from app.errors import InvalidRequest, PortalError, Violation
from app.inputs.words import violation
from app.words.sentence import say


def of_malformed(error: Exception) -> PortalError:
    """Translate an error of the framework. It wraps msgspec's errors; the innermost one says what is wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, msgspec.DecodeError) and not isinstance(cause, msgspec.ValidationError):
            return InvalidRequest(say("problems.malformed_json"), code="malformed_json")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, ValidationException):
        return InvalidRequest(errors=_parameters(error))
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidRequest()
    return PortalError()


def _parameters(error: ValidationException) -> list[Violation]:
    """Translate errors of query, path and header parameters: one code for all, the sentence says what is wrong."""
    extra = error.extra if isinstance(error.extra, list) else []
    named = [(str(each.get("key", "")), str(each.get("message", ""))) for each in extra if isinstance(each, dict)]
    violations = [violation(name, "", sentence) for name, sentence in named]
    return [msgspec.structs.replace(each, code="invalid_parameter") for each in violations]
