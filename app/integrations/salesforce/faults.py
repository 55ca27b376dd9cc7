"""The wall: every way simple-salesforce, requests and gRPC can fail, as one of our own errors."""

from typing import Any

import grpc
import requests
from simple_salesforce.exceptions import SalesforceError
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
    UpstreamUnreached,
)
from app.integrations.forms import retry_after_of

SALESFORCE = "salesforce"
BUSY = frozenset({"UNABLE_TO_LOCK_ROW", "REQUEST_LIMIT_EXCEEDED", "TXN_SECURITY_METERING_ERROR"})
STALE_TOKEN = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"})
"""A new token may help; the other refusals of our credentials need an administrator."""
NOT_PERMITTED = frozenset({"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "INSUFFICIENT_ACCESS_OR_READONLY"})
ABSENT = frozenset({"NOT_FOUND", "ENTITY_IS_DELETED", "MALFORMED_ID"})
TOO_MUCH = ("limit.exceeded", "limit.triggered", "protection.triggered")
BUS_DENIES = (".meta.permission", "cannot.subscribe", "tenant.license")
BUS_REFUSES = ("topic.not.found", "validation.empty", "schema.validation.failed", "invalid", "mismatch")


class ReplayRejected(UpstreamError):
    """The replay position is unknown or too old; it must never be sent again."""

    code = "replay_rejected"


def from_rest(error: Exception, operation: str, *, write: bool) -> UpstreamError:
    """What a failed REST call means. `write` tells whether an unanswered request may have taken effect."""
    if isinstance(error, UpstreamError):
        return error
    if isinstance(error, SalesforceError):
        return _answered(error, operation, write)
    unanswered = OutcomeUnknown if write else UpstreamUnavailable
    if isinstance(error, requests.exceptions.JSONDecodeError):  # a success whose body was spoiled on the way
        return (OutcomeUnknown if write else UpstreamMalformed)(SALESFORCE, operation, repr(error))
    if isinstance(error, requests.exceptions.RequestException | OSError):
        return (UpstreamUnreached if _never_sent(error) else unanswered)(SALESFORCE, operation, repr(error))
    return UpstreamMalformed(SALESFORCE, operation, repr(error))


def _never_sent(error: Exception) -> bool:
    """Whether no connection was made: name, address, handshake or the request itself was the trouble."""
    if isinstance(
        error,
        requests.exceptions.ConnectTimeout
        | requests.exceptions.ProxyError
        | requests.exceptions.InvalidURL
        | requests.exceptions.InvalidSchema
        | requests.exceptions.MissingSchema
        | requests.exceptions.InvalidHeader
        | requests.exceptions.InvalidJSONError
        | requests.exceptions.URLRequired,
    ):
        return True
    if isinstance(error, requests.exceptions.SSLError):
        return "CERTIFICATE_VERIFY_FAILED" in repr(error)
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError | ConnectTimeoutError)  # the former includes failed name resolution


def _answered(error: SalesforceError, operation: str, write: bool) -> UpstreamError:
    status, content = getattr(error, "status", 0), getattr(error, "content", None)
    first = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
    code, message = first.get("errorCode") or "", first.get("message") or str(content)[:300]
    told = retry_after_of(getattr(error, "retry_after", None))
    if write and not code and isinstance(status, int) and status >= 500 and status != 503:
        return OutcomeUnknown(SALESFORCE, operation, f"HTTP {status}: {message}", retry_after_seconds=told)
    return of_code(status, code, message, operation, told)


def of_code(status: Any, code: str, message: str, operation: str, told: int | None = None) -> UpstreamError:
    """What an answered refusal means, by error code first and status second."""
    number = status if isinstance(status, int) else 0
    kind: type[UpstreamError] = UpstreamRejected
    if code in BUSY or number in (420, 429):
        kind = UpstreamBusy
    elif code in STALE_TOKEN | NOT_PERMITTED or number == 401:
        kind = UpstreamAuthFailed
    elif code in ABSENT or number == 404:
        kind = UpstreamNotFound
    elif number >= 500:
        kind = UpstreamUnavailable
    told = told if issubclass(kind, UpstreamUnavailable) else None
    return kind(SALESFORCE, operation, message, vendor_code=code, retry_after_seconds=told)


def member(answer: Any, name: str, operation: str) -> Any:
    """A part of an answer to a write. One answered with success, but not in the documented shape, may have been done.

    Raises:
        OutcomeUnknown: it has no such part.
    """
    if not isinstance(answer, dict) or name not in answer:
        raise OutcomeUnknown(SALESFORCE, operation, f"success without {name}")
    return answer[name]


def from_grpc(error: grpc.RpcError, operation: str) -> UpstreamError:
    """What an ended call means: by the `error-code` trailer, because the gRPC status is too coarse."""
    trailers = dict(getattr(error, "trailing_metadata", lambda: ())() or ())
    code = str(trailers.get("error-code", ""))
    details = getattr(error, "details", lambda: "")() or ""
    return _bus_error(code, details, getattr(error, "code", lambda: None)())(
        SALESFORCE, operation, details, vendor_code=code
    )


def _bus_error(code: str, details: str, status: Any) -> type[UpstreamError]:
    if ".replayid." in code or "Replay ID validation failed" in details:  # the text, for a proxy that drops trailers
        return ReplayRejected
    if ".auth." in code or status == grpc.StatusCode.UNAUTHENTICATED or any(part in code for part in BUS_DENIES):
        return UpstreamAuthFailed
    if any(part in code for part in TOO_MUCH) or status == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return UpstreamBusy
    if any(part in code for part in BUS_REFUSES):
        return UpstreamRejected
    return UpstreamUnavailable
