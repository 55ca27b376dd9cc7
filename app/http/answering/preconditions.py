"""Entity tags in `If-Match` and `If-None-Match` (RFC 9110, 13.1).

Our validators name a state and not the bytes of its transfer. A proxy that compresses answers weakens the validator
(`W/"x"`, nginx) or appends the coding (`"x-gzip"`, Apache); both forms still name that state.
"""

import re

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_CODING = re.compile(r"(?:--?|;|:)(?:gzip|br|zstd|deflate)$")
ANY = "*"


def tags(value: str) -> frozenset[str]:
    """Parse the tags of a field value, its lines joined by commas, into the form of our own answers."""
    return frozenset(f'"{_CODING.sub("", tag)}"' for tag in _TAG.findall(value))


def names(value: str, etag: str) -> bool:
    """Return whether a field value names this state, or any state."""
    return value.strip() == ANY or etag in tags(value)
