"""Headers, parameters and problem responses that operations share, as components that they refer to."""

from collections.abc import Iterable
from typing import Any, Final

from app.http.answering.problems import MEDIA_TYPE
from app.http.openapi.error_codes import of_layers

Part = dict[str, Any]

MEANINGS: Final = {
    400: "The request could not be understood: malformed JSON, an unknown field or query parameter, a bad value.",
    401: "No valid session, credentials or signature.",
    402: "The charge of the payment method on file was declined; nothing was taken.",
    403: "The session may not do this, or the CSRF token is missing.",
    404: "Does not exist, or belongs to somebody else: the answer is the same.",
    409: "Conflicts with the current state, or the same request is still in progress.",
    410: "The operation has ended.",
    412: "`If-Match` does not name the current state.",
    413: "The body is too large.",
    414: "The query string is too long.",
    415: "The body is not application/json.",
    422: "Well formed, but a rule forbids it; `errors` names each violation.",
    429: "Too many requests.",
    431: "The headers are too large.",
    500: "An error on our side; `request_id` identifies it in our logs.",
    502: "An upstream refused the request, or its answer could not be read.",
    503: "Try again later: an upstream or our database is unavailable, or the account is still being prepared.",
}
"""What each status means, whichever operation answers it."""

OF_COMMANDS: Final = frozenset({400, 401, 402, 403, 404, 409, 412, 422, 429, 500, 502, 503})
"""Statuses with which a command that the ledger knows may fail."""

_TEXT: Final[Part] = {"type": "string"}
_COUNT: Final[Part] = {"type": "integer"}
_FLAG: Final[Part] = {"type": "string", "const": "true"}

HEADERS: Final[dict[str, tuple[str, Part]]] = {
    "X-Request-Id": ("The id of this request: the caller's own if it sent a well-formed one.", _TEXT),
    "RateLimit-Policy": ("The limit of this class of requests and its window in seconds.", _TEXT),
    "RateLimit": ("Requests that remain in this window, and seconds until it ends.", _TEXT),
    "Retry-After": ("Seconds to wait before trying again.", _COUNT),
    "WWW-Authenticate": ("The kind of credentials that is missing.", _TEXT),
    "Cache-Control": ("Who may store the answer, and how long.", _TEXT),
    "ETag": ("The version of the answer, for `If-None-Match` of the next read and `If-Match` of a change.", _TEXT),
    "Consistency": (
        "Present if a `Consistency-Token` was sent: whether the effect of its command is visible in this answer. "
        "`given_up`: it could not be applied and will not show by itself; do not wait for it.",
        {"type": "string", "enum": ["reached", "pending", "given_up"]},
    ),
    "Consistency-Token": ("Send it with a query to wait for this command's effect.", _TEXT),
    "Idempotency-Replayed": ("Present when the first answer to this key is returned again.", _FLAG),
    "Command-Id": ("`GET /api/commands/{command_id}` tells the state of the command.", _TEXT),
    "Account-Version": (
        "On answers of an account: its version. An event with a higher version is news to them.",
        _COUNT,
    ),
    "Portal-Version": ("The version of the API that this answer has the form of.", _TEXT),
    "Deprecation": ("Since when what you use is deprecated, `@` and seconds since the epoch (RFC 9745).", _TEXT),
    "Sunset": ("When it ends (RFC 8594).", _TEXT),
    "Link": ('With `Deprecation`: where to read what to do, as `rel="deprecation"`.', _TEXT),
    "Content-Language": ("The language of the sentences, on answers that can have some.", _TEXT),
    "Set-Cookie": ("The session, for browsers.", _TEXT),
    "Clear-Site-Data": ("What a browser keeps of the session is to be forgotten.", _TEXT),
    "Content-Disposition": ("The name of the file.", _TEXT),
}
"""Response headers by name: meaning and schema."""

REQUEST_HEADERS: Final[dict[str, Part]] = {
    "X-Request-Id": {
        "description": "An id of your own for this request: letters, digits, `.`, `_`, `-`, at most 64.",
        "schema": _TEXT,
    },
    "Portal-Version": {
        "description": "The version to be answered in, as a date; without it the oldest one that is still served.",
        "schema": _TEXT,
    },
    "Accept-Language": {
        "description": "The language of sentences, `en` or `ja`; without it the customer's own.",
        "schema": _TEXT,
    },
}
"""Headers that every request may have."""

_KEY = "A new one for each new request. The same key and body returns the first answer for 24 h."

PARAMETERS: Final[dict[str, tuple[str, str, bool, Part]]] = {
    "RequiredIdempotencyKey": ("Idempotency-Key", _KEY, True, _TEXT),
    "IdempotencyKey": ("Idempotency-Key", _KEY, False, _TEXT),
    "CsrfToken": (
        "X-CSRF-Token",
        "The `csrf_token` of the login or of `GET /api/auth/me`. Required with the session cookie, ignored otherwise.",
        False,
        _TEXT,
    ),
    "ConsistencyToken": (
        "Consistency-Token",
        "From a command's answer: the query waits until the command's effect is visible.",
        False,
        _TEXT,
    ),
    "Prefer": ("Prefer", "`wait=SECONDS`, how long to wait for that; 2 by default, at most 10.", False, _TEXT),
    "IfNoneMatch": ("If-None-Match", "The ETag of the answer you hold; 304 when nothing changed.", False, _TEXT),
}
"""Request headers by the name of their component: header, meaning, whether required, schema."""


_NOT_MODIFIED: Final = {
    "NotModified": ("ETag", "Consistency"),
    "NotModifiedPublic": ("ETag",),
}


def components(statuses: Iterable[int], problem: Part) -> dict[str, Part]:
    """Render the shared headers, parameters and problem responses.

    Args:
        statuses: the statuses with which some operation answers a problem.
        problem: a reference to the schema of a problem.
    """
    return {
        "headers": {name: {"description": says, "schema": kind} for name, (says, kind) in HEADERS.items()},
        "parameters": {
            key: {"name": name, "in": "header", "required": required, "description": says, "schema": kind}
            for key, (name, says, required, kind) in PARAMETERS.items()
        },
        "responses": {
            **{f"E{status}": _problem(status, problem) for status in sorted(statuses)},
            **{name: _not_modified(*names) for name, names in _NOT_MODIFIED.items()},
        },
    }


def parameter(key: str) -> Part:
    """Refer to a shared parameter."""
    return {"$ref": f"#/components/parameters/{key}"}


def headers(*names: str) -> dict[str, Part]:
    """Refer to shared headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def written_out(*names: str) -> dict[str, Part]:
    """Render headers where no reference may be."""
    return {name: {"description": says, "schema": kind} for name in names for says, kind in [HEADERS[name]]}


def problem_response(status: int) -> Part:
    """Refer to the shared response of a problem."""
    return {"$ref": f"#/components/responses/E{status}"}


def not_modified(*, of_account: bool) -> Part:
    """Refer to the shared response of an answer that the caller holds already."""
    return {"$ref": f"#/components/responses/{'NotModified' if of_account else 'NotModifiedPublic'}"}


def _not_modified(*names: str) -> Part:
    says = "Not modified: `If-None-Match` names what you would be answered."
    return {"description": says, "headers": headers(*names)}


def _problem(status: int, problem: Part) -> Part:
    names = ["Retry-After"] if status in (409, 429, 503) else []
    names += ["WWW-Authenticate"] if status == 401 else []
    names += ["Command-Id"] if status in OF_COMMANDS else []
    answer: Part = {"description": MEANINGS[status], "content": {MEDIA_TYPE: {"schema": problem}}}
    if names:
        answer["headers"] = headers(*names)
    if codes := of_layers().get(str(status)):
        answer["x-error-codes"] = codes
    return answer
