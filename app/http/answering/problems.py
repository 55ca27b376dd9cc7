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
from app.errors import CaseDraft, PasswordFeedback, PortalError, Violation
from app.http.answering.languages import language_of
from app.http.answering.validation_errors import of_malformed
from app.words.languages import DEFAULT, Language
from app.words.sentence import Phrase, Sentence, say
from app.words.worded import Worded, translated

MEDIA_TYPE = "application/problem+json"
COMMAND_ID = "command_id"
"""The key under which the scope of a request names its command in the ledger."""


class MethodNotAllowed(PortalError):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    detail = say("problems.method_not_allowed")

    def __init__(self, allow: str = "GET, HEAD, OPTIONS") -> None:
        self.allow = allow
        super().__init__()


class MethodNotImplemented(PortalError):
    """No route implements the method."""

    code = "method_not_implemented"
    detail = say("problems.method_not_implemented")


class OperationRemoved(PortalError):
    """An operation whose announced end is past."""

    code = "operation_removed"
    detail = say("problems.operation_removed")


class TransferCodingUnknown(PortalError):
    """A body with another transfer coding than chunks; a proxy in front may have framed it differently."""

    code = "transfer_coding_unknown"
    detail = say("problems.transfer_coding_unknown")


class UnsupportedMediaType(PortalError):
    """A body that is not JSON. A form of another site can send anything but JSON without a preflight."""

    code = "unsupported_media_type"
    detail = say("problems.unsupported_media_type")


class QueryTooLong(PortalError):
    """No route needs a query string of this length."""

    code = "query_too_long"
    detail = say("problems.query_too_long")


class HeadersTooLarge(PortalError):
    """No route needs this many or this large headers."""

    code = "headers_too_large"
    detail = say("problems.headers_too_large")


class TooSlow(PortalError):
    """A request whose head or body is not complete in time."""

    code = "request_timeout"
    detail = say("problems.request_timeout")


class Busy(PortalError):
    """The process is at its limit of concurrent requests or connections."""

    code = "server_busy"
    detail = say("problems.server_busy")
    retry_after_seconds = 2


class Unavailable(PortalError):
    """Our own database cannot be reached."""

    code = "temporarily_unavailable"
    detail = say("problems.temporarily_unavailable")
    retry_after_seconds = 5


class Unfinished(PortalError):
    """A command past its deadline; the work goes on and the same key gives its answer later."""

    code = "outcome_unknown"
    detail = errors.OutcomeUnknown.detail
    retry_after_seconds = 10


class NetworkUnavailable(PortalError):
    """Freebit is away, refuses our credentials, or sends what cannot be read."""

    code = "network_unavailable"
    detail = say("problems.network_unavailable")
    retry_after_seconds = 30


class HostingUnavailable(PortalError):
    """WHM is away, refuses our credentials, or sends what cannot be read."""

    code = "hosting_unavailable"
    detail = say("problems.hosting_unavailable")
    retry_after_seconds = 30


class BillingUnavailable(PortalError):
    """WHMCS is away, refuses our credentials, or sends what cannot be read."""

    code = "billing_unavailable"
    detail = say("problems.billing_unavailable")
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
    OperationRemoved: 410,
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
TITLES: Mapping[int, Sentence] = {
    400: say("http_status.400"),
    401: say("http_status.401"),
    402: say("http_status.402"),
    403: say("http_status.403"),
    404: say("http_status.404"),
    405: say("http_status.405"),
    408: say("http_status.408"),
    409: say("http_status.409"),
    412: say("http_status.412"),
    413: say("http_status.413"),
    414: say("http_status.414"),
    415: say("http_status.415"),
    422: say("http_status.422"),
    429: say("http_status.429"),
    431: say("http_status.431"),
    500: say("http_status.500"),
    501: say("http_status.501"),
    502: say("http_status.502"),
    503: say("http_status.503"),
}
AWAY: Mapping[str, type[PortalError]] = {
    "whmcs": BillingUnavailable,
    "freebit": NetworkUnavailable,
    "whm": HostingUnavailable,
}
NOT_IN_THE_BODY = frozenset(
    {
        *("invalid_parameter", "unknown_parameter", "token_invalid", "idempotency_key_required"),
        *("version_unknown", "version_removed"),
    }
)
PATH_FIELDS = frozenset({"invoice_id", "subscription_id"})
"""Violations that name no field of the body: by code, and by field."""
log = structlog.get_logger()


class Problem(Worded, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error. `password_feedback` comes with a password that is easy to guess, `command_id` with the
    failure of a command that `GET /api/commands/{command_id}` tells about, `case` with what only support can do: it is
    the body of a `POST /api/cases`. `detail_phrases` are the codes and parameters of `detail`, for a client with its
    own wording."""

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
    errors: list[Violation] = msgspec.field(default_factory=list)
    """Everything that is wrong with the request, at once."""
    retry_after: int | None = None
    """Seconds to wait before trying again."""
    password_feedback: PasswordFeedback | None = None
    """Advice, with a password that is easy to guess."""
    case: CaseDraft | None = None
    """The body of a `POST /api/cases`, where only support can do what was asked for."""
    title_phrases: tuple[Phrase, ...] = ()
    detail_phrases: tuple[Phrase, ...] = ()


def status_of(error: PortalError) -> int:
    """Look up the status of an error."""
    return status_of_kind(type(error))


def status_of_kind(kind: type[PortalError]) -> int:
    """Look up the status of a kind of error; the nearest ancestor in the table decides."""
    return next(STATUS[each] for each in kind.__mro__ if each in STATUS)


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer any exception with a problem. An unexpected one is logged in full and shown as a generic sentence."""
    known = _known(error, request)
    if isinstance(known, errors.UpstreamError):
        log.warning("upstream_failed", upstream=known.upstream, operation=known.operation, error=str(known))
    elif isinstance(known, Unavailable):
        log.error("database_unavailable", path=request.scope.get("path_template", ""), error=repr(error))
    elif status_of(known) == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("unexpected_error", path=request.scope.get("path_template", ""), exc_info=error)
    return _response(request, known)


def _response(request: Request[Any, Any, Any], error: PortalError) -> Response[bytes]:
    status, headers, body = rendered_for(request.scope, error)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def rendered_for(scope: Any, error: PortalError) -> tuple[int, dict[str, str], bytes]:
    """Render an error for a request: in its language, with its id, and the command of it that failed."""
    return rendered(error, str(scope.get("request_id", "")), scope.get(COMMAND_ID), language_of(scope))


def rendered(
    error: PortalError, request_id: str, command_id: str | None = None, language: Language = DEFAULT
) -> tuple[int, dict[str, str], bytes]:
    """Render an error as status, headers and body. `command_id`: the command in the ledger that failed."""
    error = as_told(error)
    status, code, detail = status_of(error), error.code, error.detail
    problem = Problem(
        type=f"/docs/errors#{code}",
        title=TITLES.get(status, HTTPStatus(status).phrase),
        status=status,
        detail=detail,
        code=code,
        request_id=request_id,
        command_id=command_id,
        errors=[_pointed(each) for each in error.errors],
        retry_after=error.told_seconds,
        password_feedback=error.feedback,
        case=error.case,
    )
    headers = {"Cache-Control": "no-store", "Content-Language": language, "Vary": "Accept-Language"}
    if command_id:
        headers["Command-Id"] = command_id
    if error.told_seconds:
        headers["Retry-After"] = str(error.told_seconds)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allow
    return status, headers, translated(msgspec.json.encode(problem), language)


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
        return AWAY[error.upstream](retry_after_seconds=error.told_seconds)
    return error


def _known(error: Exception, request: Request[Any, Any, Any]) -> PortalError:
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
        return of_malformed(error, request)
    return PortalError()


HANDLERS = {PortalError: answer, HTTPException: answer, Exception: answer}
