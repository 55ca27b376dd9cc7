"""Problem details (RFC 9457), and the only place where an error meets an HTTP status code."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)

from app import errors
from app.db import is_outage
from app.errors import PasswordFeedback, PortalError, Violation
from app.http.answering.validation_errors import of_malformed

MEDIA_TYPE = "application/problem+json"
COMMAND_ID = "command_id"
"""The key under which the scope of a request names its command in the ledger."""


class MethodNotAllowed(PortalError):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    detail = "This method is not allowed here."

    def __init__(self, allow: str = "GET, HEAD, OPTIONS") -> None:
        self.allow = allow
        super().__init__()


class MethodNotImplemented(PortalError):
    """No route implements the method."""

    code = "method_not_implemented"
    detail = "This method is not known here."


class TransferCodingUnknown(PortalError):
    """A body with another transfer coding than chunks; a proxy in front may have framed it differently."""

    code = "transfer_coding_unknown"
    detail = "Send the body with a length or in chunks, without another transfer coding."


class UnsupportedMediaType(PortalError):
    """A body that is not JSON. A form of another site can send anything but JSON without a preflight."""

    code = "unsupported_media_type"
    detail = "Send the body as application/json."


class QueryTooLong(PortalError):
    """No route needs a query string of this length."""

    code = "query_too_long"
    detail = "The query string is too long."


class HeadersTooLarge(PortalError):
    """No route needs this many or this large headers."""

    code = "headers_too_large"
    detail = "The request's headers are too large. Clear the cookies of this site and try again."


class TooSlow(PortalError):
    """A request whose head or body is not complete in time."""

    code = "request_timeout"
    detail = "The request did not arrive in time."


class Busy(PortalError):
    """The process is at its limit of concurrent requests or connections."""

    code = "server_busy"
    detail = "We are very busy at the moment. Please try again in a few seconds."
    retry_after_seconds = 2


class Unavailable(PortalError):
    """Our own database cannot be reached."""

    code = "temporarily_unavailable"
    detail = "We cannot answer at the moment. Please try again in a few seconds."
    retry_after_seconds = 5


class Unfinished(PortalError):
    """A command past its deadline; the work goes on and the same key gives its answer later."""

    code = "outcome_unknown"
    detail = errors.OutcomeUnknown.detail
    retry_after_seconds = 10


class NetworkUnavailable(PortalError):
    """Freebit is away, refuses our credentials, or sends what cannot be read."""

    code = "network_unavailable"
    detail = "The mobile network's system is unavailable, please try again in a moment."
    retry_after_seconds = 30


class HostingUnavailable(PortalError):
    """WHM is away, refuses our credentials, or sends what cannot be read."""

    code = "hosting_unavailable"
    detail = "The hosting server is unavailable, please try again in a moment."
    retry_after_seconds = 30


class BillingUnavailable(PortalError):
    """WHMCS is away, refuses our credentials, or sends what cannot be read."""

    code = "billing_unavailable"
    detail = "The billing system is unavailable, please try again in a moment."
    retry_after_seconds = 30


STATUS: Mapping[type[PortalError], int] = {
    MethodNotAllowed: 405,
    errors.InvalidRequest: 400,
    errors.NotAuthenticated: 401,
    errors.PaymentRefused: 402,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    TooSlow: 408,
    errors.Conflict: 409,
    errors.Outdated: 412,
    errors.TooLarge: 413,
    QueryTooLong: 414,
    UnsupportedMediaType: 415,
    errors.RuleViolated: 422,
    errors.RateLimited: 429,
    HeadersTooLarge: 431,
    errors.NotReady: 503,
    errors.Overloaded: 503,
    errors.ScannerUnavailable: 503,
    Busy: 503,
    Unavailable: 503,
    Unfinished: 503,
    BillingUnavailable: 503,
    NetworkUnavailable: 503,
    HostingUnavailable: 503,
    errors.UpstreamRejected: 502,
    errors.UpstreamMalformed: 502,
    errors.UpstreamError: 503,
    errors.PortalError: 500,
    MethodNotImplemented: 501,
    TransferCodingUnknown: 501,
}
AWAY: Mapping[str, type[PortalError]] = {
    "whmcs": BillingUnavailable,
    "freebit": NetworkUnavailable,
    "whm": HostingUnavailable,
}
NOT_IN_THE_BODY = frozenset({"invalid_parameter", "unknown_parameter", "token_invalid", "idempotency_key_required"})
PATH_FIELDS = frozenset({"invoice_id", "subscription_id"})
"""Violations that name no field of the body: by code, and by field."""
log = structlog.get_logger()


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The body of every error. `password_feedback` comes with a password that is easy to guess, `command_id` with the
    failure of a command that `GET /api/commands/{command_id}` tells about."""

    type: str
    """The path of the page that explains the code."""
    title: str
    """The status in words."""
    status: int
    """The HTTP status."""
    detail: str
    """A sentence for the customer, with what to do next."""
    code: str
    """The stable code of the error: a row of the page that `type` names. Take an unknown one by its status."""
    request_id: str
    """The id of the request; quote it when you ask for help."""
    command_id: str | None = None
    """The command that failed, for `GET /api/commands/{command_id}`."""
    errors: list[Violation] = []
    """Everything that is wrong with the request, at once."""
    retry_after: int | None = None
    """Seconds to wait before trying again."""
    password_feedback: PasswordFeedback | None = None
    """Advice, with a password that is easy to guess."""


def status_of(error: PortalError) -> int:
    """Look up the status of an error."""
    return status_of_kind(type(error))


def status_of_kind(kind: type[PortalError]) -> int:
    """Look up the status of a kind of error; the nearest ancestor in the table decides."""
    return next(STATUS[each] for each in kind.__mro__ if each in STATUS)


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer any exception with a problem. An unexpected one is logged in full and shown as a generic sentence."""
    known = _known(error)
    if isinstance(known, errors.UpstreamError):
        log.warning("upstream_failed", upstream=known.upstream, operation=known.operation, error=str(known))
    elif isinstance(known, Unavailable):
        log.error("database_unavailable", path=request.scope.get("path_template", ""), error=repr(error))
    elif status_of(known) == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("unexpected_error", path=request.scope.get("path_template", ""), exc_info=error)
    return _response(request, known)


def _response(request: Request[Any, Any, Any], error: PortalError) -> Response[bytes]:
    status, headers, body = rendered(error, str(request.scope.get("request_id", "")), request.scope.get(COMMAND_ID))  # type: ignore[arg-type]
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def rendered(error: PortalError, request_id: str, command_id: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """Render an error as status, headers and body. `command_id`: the command in the ledger that failed."""
    error = as_told(error)
    status, code, detail = status_of(error), error.code, error.detail
    problem = Problem(
        type=f"/docs/errors#{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
        command_id=command_id,
        errors=[_pointed(each) for each in error.errors],
        retry_after=error.retry_after_seconds,
        password_feedback=error.feedback,
    )
    headers = {"Cache-Control": "no-store"}
    if command_id:
        headers["Command-Id"] = command_id
    if error.retry_after_seconds:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allow
    return status, headers, msgspec.json.encode(problem)


def allowed(methods: Iterable[str]) -> str:
    """Render the methods of a path for `Allow`: HEAD where there is GET, and OPTIONS everywhere."""
    named = {method for method in methods if method}
    return ", ".join(sorted({*named, "OPTIONS", *(("HEAD",) if "GET" in named else ())}))


def _pointed(violation: Violation) -> Violation:
    """Add the JSON pointer of a field that a command names by its dotted path. No field name contains a dot."""
    known = violation.pointer or not violation.field
    if known or violation.code in NOT_IN_THE_BODY or violation.field in PATH_FIELDS:
        return violation
    return msgspec.structs.replace(violation, pointer="/" + violation.field.replace(".", "/"))


def as_told(error: PortalError) -> PortalError:
    """Map every kind of outage of an upstream to one error, which names what the upstream does for customers."""
    away = isinstance(error, errors.UpstreamUnavailable | errors.UpstreamAuthFailed | errors.UpstreamMalformed)
    if away and isinstance(error, errors.UpstreamError) and error.upstream in AWAY:
        return AWAY[error.upstream](retry_after_seconds=error.retry_after_seconds)
    return error


def _known(error: Exception) -> PortalError:
    if isinstance(error, PortalError):
        return error
    if is_outage(error):
        return Unavailable()
    if isinstance(error, NotFoundException):
        return errors.NotFound()
    if isinstance(error, MethodNotAllowedException):
        return MethodNotAllowed(allowed(each.strip() for each in (error.headers or {}).get("allow", "").split(",")))
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return errors.TooLarge()
    if isinstance(error, ValidationException | SerializationException | HTTPException):
        return of_malformed(error)
    return PortalError()


HANDLERS = {PortalError: answer, HTTPException: answer, Exception: answer}
