"""Error translation: every failure of simple-salesforce, requests and gRPC as one of our own errors."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import requests
from simple_salesforce.exceptions import SalesforceError
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from app.errors import (
    OutcomeUnknown,
    PortalError,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
    UpstreamUnreached,
)
from app.intake import text
from app.integrations.forms import retry_after_of

SALESFORCE = "salesforce"
BUSY = frozenset({"UNABLE_TO_LOCK_ROW", "REQUEST_LIMIT_EXCEEDED", "TXN_SECURITY_METERING_ERROR"})
STALE_TOKEN = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"})
"""A new token may help; other refusals of our credentials need an administrator."""
NOT_PERMITTED = frozenset({"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "INSUFFICIENT_ACCESS_OR_READONLY"})
IS_DELETED = "ENTITY_IS_DELETED"
NO_SUCH_FIELD = "INVALID_FIELD"
ABSENT = frozenset({"NOT_FOUND", IS_DELETED})
"""Salesforce's own codes. NOT_FOUND is also returned for living records that the user may not see."""
PERMANENT = frozenset(
    {
        *("STRING_TOO_LONG", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        *("FIELD_INTEGRITY_EXCEPTION", "REQUIRED_FIELD_MISSING", "INVALID_EMAIL_ADDRESS", "NUMBER_OUTSIDE_VALID_RANGE"),
        *("JSON_PARSER_ERROR", "INVALID_FIELD", "INVALID_TYPE", "DUPLICATE_VALUE", "INVALID_CROSS_REFERENCE_KEY"),
    }
)
"""Refused because of the request, whatever the status: repeating it changes nothing."""
LONGEST_REASON = 300
MOST_FIELDS = 20
TOO_MUCH = ("limit.exceeded", "limit.triggered", "protection.triggered")
BUS_DENIES = (".meta.permission", "cannot.subscribe", "tenant.license")
REFUSED_STATUSES = frozenset(
    {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED}
)
"""Without an explaining trailer, these concern the request."""
BUS_REFUSES = ("topic.not.found", "validation.empty", "schema.validation.failed", "invalid", "mismatch")


class ReplayRejected(UpstreamError):
    """The replay position is unknown or too old; it must never be sent again."""

    code = "replay_rejected"


def from_rest(error: Exception, operation: str, *, write: bool) -> UpstreamError:
    """Translate a failed REST call. `write`: an unanswered request may have taken effect.

    Anything unforeseen counts as an answer that could not be parsed.
    """
    if isinstance(error, UpstreamError):
        return error
    if isinstance(error, SalesforceError):
        return _answered(error, operation, write)
    unanswered = OutcomeUnknown if write else UpstreamUnavailable
    spoiled = OutcomeUnknown if write else UpstreamMalformed
    if isinstance(error, requests.exceptions.JSONDecodeError | requests.exceptions.ContentDecodingError):
        return spoiled(SALESFORCE, operation, repr(error))
    if isinstance(error, requests.exceptions.RequestException | OSError):
        return (UpstreamUnreached if _never_sent(error) else unanswered)(SALESFORCE, operation, repr(error))
    return spoiled(SALESFORCE, operation, repr(error)[:LONGEST_REASON])


@contextmanager
def understood(operation: str, *, write: bool = False) -> Iterator[None]:
    """Translate errors of parsing a part of an answer."""
    try:
        yield
    except PortalError:
        raise
    except Exception as error:
        raise from_rest(error, operation, write=write) from error


def _never_sent(error: Exception) -> bool:
    """Return true if no connection was made: name, address, handshake or the request itself failed."""
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
    """Translate a status that is not a success.

    Only a list of errors with codes comes from Salesforce itself; anything else comes from a proxy, which knows nothing
    about the record.
    """
    status, content = getattr(error, "status", 0), getattr(error, "content", None)
    told = retry_after_of(getattr(error, "retry_after", None))
    if refusal := refusal_of(status, content, operation, told):
        return refusal
    reason = f"HTTP {status}: {str(content)[:LONGEST_REASON]}"
    if status == 401:
        return UpstreamAuthFailed(SALESFORCE, operation, reason)
    if status in (420, 429, 503):
        kind = UpstreamUnavailable if status == 503 else UpstreamBusy
        return kind(SALESFORCE, operation, reason, retry_after_seconds=told)
    if write:
        return OutcomeUnknown(SALESFORCE, operation, reason, retry_after_seconds=told)
    if isinstance(status, int) and status >= 500:
        return UpstreamUnavailable(SALESFORCE, operation, reason, retry_after_seconds=told)
    return UpstreamMalformed(SALESFORCE, operation, reason)


def refusal_of(status: Any, content: Any, operation: str, told: int | None = None) -> UpstreamError | None:
    """Translate Salesforce's list of errors; None if it is not one.

    The fields are those of every error with the first one's code.
    """
    errors = [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []
    code = errors[0].get("errorCode") if errors else None
    if not code or not isinstance(code, str):
        return None
    alike = [each for each in errors if each.get("errorCode") == code]
    fields = (name for each in alike if isinstance(each.get("fields"), list) for name in each["fields"])
    message = "; ".join(str(each.get("message", "")) for each in alike)[:LONGEST_REASON]
    return of_code(status, code, message, operation, [name for name in fields if isinstance(name, str)], told)


def of_code(
    status: Any, code: str, message: str, operation: str, fields: Sequence[str] = (), told: int | None = None
) -> UpstreamError:
    """Translate an answered refusal, by error code first and status second."""
    number = status if isinstance(status, int) else 0
    if code in ABSENT:
        return UpstreamNotFound(SALESFORCE, operation, message, vendor_code=code)
    kind: type[UpstreamError] = UpstreamUnavailable
    if code in BUSY or number in (420, 429):
        kind = UpstreamBusy
    elif code in STALE_TOKEN | NOT_PERMITTED or number == 401:
        kind = UpstreamAuthFailed
    elif number < 500 or code in PERMANENT:
        return UpstreamRejected(
            SALESFORCE, operation, message, vendor_code=code, fields=tuple(dict.fromkeys(fields))[:MOST_FIELDS]
        )
    told = told if issubclass(kind, UpstreamUnavailable) else None
    return kind(SALESFORCE, operation, message, vendor_code=code, retry_after_seconds=told)


def member(answer: Any, name: str, operation: str) -> Any:
    """Return a part of an answer to a write. A success of undocumented shape may have taken effect.

    Raises:
        OutcomeUnknown: the part is missing.
    """
    if not isinstance(answer, dict) or name not in answer:
        raise OutcomeUnknown(SALESFORCE, operation, f"success without {name}")
    return answer[name]


def new_id(answer: Any, operation: str) -> str:
    """Return the id of a created record.

    Raises:
        OutcomeUnknown: success without an id.
    """
    found = member(answer, "id", operation)
    if not isinstance(found, str) or not found.isalnum():
        raise OutcomeUnknown(SALESFORCE, operation, "success with an id that is none")
    return found


def done(response: requests.Response, operation: str) -> None:
    """Check the answer to an update, which has no content. A proxy's page is not a success.

    Raises:
        OutcomeUnknown: it is neither empty nor a JSON object.
    """
    if response.status_code != 204 and not isinstance(response.json(), dict):
        raise OutcomeUnknown(SALESFORCE, operation, f"HTTP {response.status_code} with something else than a result")


def from_grpc(error: grpc.RpcError, operation: str) -> UpstreamError:
    """Translate an ended call by its `error-code` trailer, because the gRPC status is too coarse."""
    trailers = dict(getattr(error, "trailing_metadata", lambda: ())() or ())
    code = text.clean(str(trailers.get("error-code", "")))
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
    if any(part in code for part in BUS_REFUSES) or status in REFUSED_STATUSES:
        return UpstreamRejected
    return UpstreamUnavailable
