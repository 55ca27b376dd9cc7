"""Classification of errors that an upstream distinguishes only by sentence, as WHMCS and WHM do."""

import re
from collections.abc import Sequence

from app.errors import UpstreamError, UpstreamRejected

Meaning = tuple[re.Pattern[str], type[UpstreamError], str]
"""A sentence's pattern, the error it stands for, and a code of our own for it."""


def of_sentence(upstream: str, operation: str, sentence: str, meanings: Sequence[Meaning]) -> UpstreamError:
    """Return the error for a sentence. The first match wins; an unknown sentence is a plain refusal."""
    for pattern, kind, code in meanings:
        if pattern.search(sentence):
            return kind(upstream, operation, sentence, vendor_code=code)
    return UpstreamRejected(upstream, operation, sentence)
