"""Checks of a request's head by RFC 9110 and 9112, on every route.

They require an implemented method, one valid `Host`, an unambiguously framed body, and no repetition of a header that
takes one value.
"""

import re
from collections import Counter
from functools import lru_cache

from app.errors import InvalidRequest, PortalError, Violation
from app.http.answering.problems import MethodNotImplemented, TransferCodingUnknown
from app.http.middleware.request_context import Scope
from app.words.sentence import say

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""The methods that any route answers."""
SINGLE = frozenset(
    {
        *(b"authorization", b"content-type", b"host", b"last-event-id", b"origin", b"x-csrf-token"),
        *(b"consistency-token", b"idempotency-key", b"portal-version"),
        *(b"webhook-id", b"webhook-signature", b"webhook-timestamp"),
    }
)
"""Headers of one value, on which a proxy in front and this server must not disagree."""
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?")
_REQUEST_LINE = re.compile(rb"^([!#$%&'*+.^_`|~0-9A-Za-z-]+) [^ \r\n]+ HTTP/1\.[0-9]\r?$", re.M)


def malformed(scope: Scope) -> PortalError | None:
    """Return what is wrong with the head of a request, if anything."""
    if scope["method"] not in METHODS:
        return MethodNotImplemented()
    if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in scope["headers"]):
        return TransferCodingUnknown()
    names = Counter(name for name, _ in scope["headers"] if name in SINGLE)
    host: bytes | None = next((value for name, value in scope["headers"] if name == b"host"), None)
    repeated = sorted(name.decode() for name, count in names.items() if count > 1)
    if "host" in repeated or (host is None and scope["http_version"] != "1.0"):
        return _bad_host(say("problems.host_once"))
    if host is not None and not is_host(host):
        return _bad_host(say("problems.host_invalid"))
    if repeated:
        problems = [Violation(name, "repeated_header", say("fields.header_once")) for name in repeated]
        return InvalidRequest(say("problems.header_twice"), code="repeated_header", errors=problems)
    return None


@lru_cache(maxsize=256)
def is_host(value: bytes) -> bool:
    """Return whether the value is a host as in a URL, with or without a port."""
    return _HOST.fullmatch(value) is not None


def unreadable(data: bytes) -> PortalError:
    """Choose the error for bytes whose method the parser does not know."""
    methods = {found.decode() for found in _REQUEST_LINE.findall(data)}
    return InvalidRequest(say("problems.malformed_http")) if methods <= METHODS else MethodNotImplemented()


def _bad_host(sentence: str) -> PortalError:
    return InvalidRequest(sentence, code="invalid_host", errors=[Violation("Host", "invalid_host", sentence)])
