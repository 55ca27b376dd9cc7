"""Errors that an upstream tells apart by sentence only, as WHMCS and WHM do theirs."""

import re
from collections.abc import Sequence

from app.errors import UpstreamError, UpstreamRejected

Meaning = tuple[re.Pattern[str], type[UpstreamError], str]
"""What a sentence looks like, the error it is, and a code of our own making for it."""


def of_sentence(upstream: str, operation: str, sentence: str, meanings: Sequence[Meaning]) -> UpstreamError:
    """The error that was meant. The first match wins; a sentence that none knows is a plain refusal."""
    for pattern, kind, code in meanings:
        if pattern.search(sentence):
            return kind(upstream, operation, sentence, vendor_code=code)
    return UpstreamRejected(upstream, operation, sentence)
