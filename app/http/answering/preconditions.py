"""Entity tags that a caller names in `If-Match` and `If-None-Match` (RFC 9110, 13.1).

Our validators name a state and not the bytes of its transfer. So what a proxy that packs answers on their way makes of
one still names that state: it weakens it (`W/"x"`, nginx) or marks the coding in it (`"x-gzip"`, Apache).
"""

import re

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_CODING = re.compile(r"(?:--?|;|:)(?:gzip|br|zstd|deflate)$")
ANY = "*"


def tags(value: str) -> frozenset[str]:
    """The tags of a field value, several lines of which are joined by commas, as our own answers have them."""
    return frozenset(f'"{_CODING.sub("", tag)}"' for tag in _TAG.findall(value))


def names(value: str, etag: str) -> bool:
    """Whether a field value names this state, or any."""
    return value.strip() == ANY or etag in tags(value)
