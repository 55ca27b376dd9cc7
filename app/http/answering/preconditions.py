"""Entity tags in `If-Match` and `If-None-Match` (RFC 9110, 13.1).

Our validators name a state and not the bytes of its transfer. A proxy that compresses answers weakens the validator
(`W/"x"`, nginx) or appends the coding (`"x-gzip"`, Apache); both forms still name that state.
"""

import re

from app.queries.reading.spoken import tag_in
from app.words.languages import Language

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_CODING = re.compile(r"(?:--?|;|:)(?:gzip|br|zstd|deflate)$")
_LANGUAGE = re.compile(r"\.([a-z]{2})-[0-9a-f]+$")
"""The end of a validator of an answer in another language than English."""
ANY = "*"


def tags(value: str) -> frozenset[str]:
    """Parse the tags of a field value, its lines joined by commas, into the form of our own answers."""
    return frozenset(f'"{_CODING.sub("", tag)}"' for tag in _TAG.findall(value))


def names(value: str, etag: str) -> bool:
    """Return whether a field value names this state, or any state."""
    return value.strip() == ANY or etag in tags(value)


def names_state(value: str, etag: str) -> bool:
    """Return whether a field value names this state, in whatever language the caller read it."""
    return value.strip() == ANY or etag in {_without_language(tag) for tag in tags(value)}


def held_in(value: str, language: Language) -> frozenset[str]:
    """Return the states that the caller holds in a language."""
    found = tags(value)
    return frozenset(state for tag in found if tag_in(state := _without_language(tag), language) == tag)


def _without_language(tag: str) -> str:
    return f'"{_LANGUAGE.sub("", tag[1:-1])}"'
