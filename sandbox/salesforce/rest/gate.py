"""The common gate for HTTP calls to the org, with refusals in the vendor's shapes."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.faults import gate
from sandbox.salesforce.ports import SalesforceWorld
from sandbox.salesforce.rest.errors import SalesforceError

UPSTREAM = "salesforce"

_STATUS_CODES = {
    401: ("INVALID_SESSION_ID", "Session expired or invalid"),
    403: ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    404: ("NOT_FOUND", "The requested resource does not exist"),
    503: ("SERVER_UNAVAILABLE", "The server is temporarily unavailable."),
}
_OAUTH_CODES = {
    400: ("invalid_grant", "expired access/refresh token"),
    401: ("invalid_client", "invalid client credentials"),
    403: ("access_denied", "login rate exceeded"),
}
_OAUTH = frozenset({"token", "userinfo", "revoke"})


async def answer(
    world: SalesforceWorld, request: Request, operation: str, work: Callable[[], Awaitable[Response]]
) -> Response:
    """Log the call, apply the faults scripted for it around `work`, and answer."""
    shape = oauth_refusal if operation in _OAUTH else refusal
    return await gate.answer(world, request, UPSTREAM, operation, work, shape)


def refusal(status: int) -> Response:
    """Return the answer for a scripted status."""
    code, message = _STATUS_CODES.get(status, ("UNKNOWN_EXCEPTION", "An unexpected error occurred."))
    return JSONResponse([{"message": message, "errorCode": code}], status)


def oauth_refusal(status: int) -> Response:
    """Return the answer of the OAuth endpoints, whose errors are objects."""
    code, message = _OAUTH_CODES.get(status, ("server_error", "an unexpected error occurred"))
    return JSONResponse({"error": code, "error_description": message}, status)


def failure(error: SalesforceError) -> Response:
    """Return a refusal as REST answers it."""
    return JSONResponse(error.rest(), error.status)
