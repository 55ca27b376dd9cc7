"""Requests that offer an upgrade to another protocol, as every JDK client and `curl --http2` do.

None is supported, so they are answered as if they had not offered it (RFC 9110, 7.8). The parser stops behind such a
head and takes the body for the other protocol, so the head is parsed once more without the upgrade, then the body.
"""

from collections.abc import Iterable

_UPGRADING = frozenset({b"upgrade", b"http2-settings"})


def without_upgrade(method: bytes, url: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Render the head without the headers of an upgrade. Names of headers are in lower case."""
    lines = [b"%b %b HTTP/%b\r\n" % (method, url, version.encode())]
    for name, value in headers:
        kept = _remaining(value) if name == b"connection" else value
        if name not in _UPGRADING and (kept or name != b"connection"):
            lines.append(b"%b: %b\r\n" % (name, kept))
    return b"".join((*lines, b"\r\n"))


def _remaining(connection: bytes) -> bytes:
    options = (option.strip() for option in connection.split(b","))
    return b", ".join(option for option in options if option and option.lower() not in _UPGRADING)
