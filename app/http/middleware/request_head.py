"""What the head of a request must be by RFC 9110 and 9112, whatever it asks for: a method that is implemented, one
valid `Host`, a body that is framed as everybody reads it, and no header twice that may stand there once."""

import re
from collections import Counter
from functools import lru_cache

from app.errors import InvalidRequest, PortalError, Violation
from app.http.answering.problems import MethodNotImplemented, TransferCodingUnknown
from app.http.middleware.request_context import Scope

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that some route or other answers."""
SINGLE = frozenset(
    {
        *(b"authorization", b"content-type", b"host", b"last-event-id", b"origin", b"x-csrf-token"),
        *(b"consistency-token", b"idempotency-key"),
        *(b"webhook-id", b"webhook-signature", b"webhook-timestamp"),
    }
)
"""Headers of one value, on which somebody before us and we must not disagree."""
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?")
_REQUEST_LINE = re.compile(rb"^([!#$%&'*+.^_`|~0-9A-Za-z-]+) [^ \r\n]+ HTTP/1\.[0-9]\r?$", re.M)


def unfit(scope: Scope) -> PortalError | None:
    """What is wrong with a request, if anything is."""
    if scope["method"] not in METHODS:
        return MethodNotImplemented()
    if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in scope["headers"]):
        return TransferCodingUnknown()
    names = Counter(name for name, _ in scope["headers"] if name in SINGLE)
    host: bytes | None = next((value for name, value in scope["headers"] if name == b"host"), None)
    repeated = sorted(name.decode() for name, count in names.items() if count > 1)
    if "host" in repeated or (host is None and scope["http_version"] != "1.0"):
        return _bad_host("A request names its host once.")
    if host is not None and not is_host(host):
        return _bad_host("This is not the name of a host.")
    if repeated:
        problems = [Violation(name, "repeated_header", "This header may be sent once.") for name in repeated]
        return InvalidRequest("A header that has one value was sent twice.", code="repeated_header", errors=problems)
    return None


@lru_cache(maxsize=256)
def is_host(value: bytes) -> bool:
    """Whether it is a host as a URL has it, with or without a port."""
    return _HOST.fullmatch(value) is not None


def unread(data: bytes) -> PortalError:
    """What to say of bytes whose method the parser does not know."""
    methods = {found.decode() for found in _REQUEST_LINE.findall(data)}
    return InvalidRequest("The request is not valid HTTP.") if methods <= METHODS else MethodNotImplemented()


def _bad_host(sentence: str) -> PortalError:
    return InvalidRequest(sentence, code="invalid_host", errors=[Violation("Host", "invalid_host", sentence)])
