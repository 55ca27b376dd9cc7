"""Requests that ask for another protocol, as every JDK client and `curl --http2` do.

There is none here, so they are answered as if they had not asked (RFC 9110, 7.8). The parser ends with such a head and
takes the body for something of the other protocol, so the head is parsed once more without the wish, then the body.
"""

from collections.abc import Iterable

_ABOUT_IT = frozenset({b"upgrade", b"http2-settings"})


def without_wish(method: bytes, url: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A head that asks for nothing but an answer. Names of headers are in lower case."""
    lines = [b"%b %b HTTP/%b\r\n" % (method, url, version.encode())]
    for name, value in headers:
        kept = _remaining(value) if name == b"connection" else value
        if name not in _ABOUT_IT and (kept or name != b"connection"):
            lines.append(b"%b: %b\r\n" % (name, kept))
    return b"".join((*lines, b"\r\n"))


def _remaining(connection: bytes) -> bytes:
    options = (option.strip() for option in connection.split(b","))
    return b", ".join(option for option in options if option and option.lower() not in _ABOUT_IT)
