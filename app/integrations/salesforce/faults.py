"""The wall: every way simple-salesforce, requests and gRPC can fail, as one of our own errors."""

from typing import Any

import grpc
import requests
from simple_salesforce.exceptions import SalesforceError

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
)

SALESFORCE = "salesforce"
BUSY = frozenset({"UNABLE_TO_LOCK_ROW", "REQUEST_LIMIT_EXCEEDED", "TXN_SECURITY_METERING_ERROR"})
REFUSED_CREDENTIALS = frozenset(
    {"INVALID_SESSION_ID", "INVALID_AUTH_HEADER", "API_DISABLED_FOR_ORG", "INSUFFICIENT_ACCESS_OR_READONLY"}
)
ABSENT = frozenset({"NOT_FOUND", "ENTITY_IS_DELETED", "MALFORMED_ID"})


class ReplayRejected(UpstreamError):
    """The replay position is unknown or too old; it must never be sent again."""

    code = "replay_rejected"


def from_rest(error: Exception, operation: str, *, write: bool) -> UpstreamError:
    """What a failed REST call means. `write` tells whether an unanswered request may have taken effect."""
    if isinstance(error, UpstreamError):
        return error
    if isinstance(error, SalesforceError):
        return _answered(getattr(error, "status", 0), getattr(error, "content", None), operation)
    if isinstance(error, requests.exceptions.JSONDecodeError | requests.exceptions.InvalidJSONError):
        return UpstreamMalformed(SALESFORCE, operation, repr(error))
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.SSLError) or _never_sent(error):
        return UpstreamUnavailable(SALESFORCE, operation, repr(error))
    if isinstance(error, requests.exceptions.RequestException | OSError):
        kind = OutcomeUnknown if write else UpstreamUnavailable
        return kind(SALESFORCE, operation, repr(error))
    return UpstreamMalformed(SALESFORCE, operation, repr(error))


def _never_sent(error: Exception) -> bool:
    """Whether the connection was never made; urllib3 says so only in the reason it wraps."""
    return isinstance(error, requests.exceptions.ConnectionError) and "NewConnectionError" in repr(error)


def _answered(status: int, content: Any, operation: str) -> UpstreamError:
    first = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
    return of_code(status, first.get("errorCode") or "", first.get("message") or str(content)[:300], operation)


def of_code(status: int, code: str, message: str, operation: str) -> UpstreamError:
    """What an answered refusal means, by error code first and status second."""
    kind: type[UpstreamError] = UpstreamRejected
    if code in BUSY or status in (420, 429):
        kind = UpstreamBusy
    elif code in REFUSED_CREDENTIALS or status == 401:
        kind = UpstreamAuthFailed
    elif code in ABSENT or status == 404:
        kind = UpstreamNotFound
    elif status >= 500:
        kind = UpstreamUnavailable
    return kind(SALESFORCE, operation, message, vendor_code=code)


def from_grpc(error: grpc.RpcError, operation: str) -> UpstreamError:
    """What an ended stream means: by the `error-code` trailer, because the gRPC status is too coarse."""
    trailers = dict(getattr(error, "trailing_metadata", lambda: ())() or ())
    code = str(trailers.get("error-code", ""))
    details = getattr(error, "details", lambda: "")() or ""
    if ".replayid." in code or "Replay ID validation failed" in details:
        return ReplayRejected(SALESFORCE, operation, details, vendor_code=code)
    if ".auth." in code or _status(error) == grpc.StatusCode.UNAUTHENTICATED:
        return UpstreamAuthFailed(SALESFORCE, operation, details, vendor_code=code)
    if "limit" in code or "protection" in code:
        return UpstreamBusy(SALESFORCE, operation, details, vendor_code=code)
    return UpstreamUnavailable(SALESFORCE, operation, details, vendor_code=code)


def _status(error: grpc.RpcError) -> Any:
    return getattr(error, "code", lambda: None)()
