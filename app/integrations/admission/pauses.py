"""How long an upstream is left alone: what it asks for itself, or a pause that grows with the outage."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_TOLD_SECONDS = 600.0
"""More than this of a `Retry-After` is not believed: a mistake there must not stop a company for a day."""
SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 30.0
SHARE_OF_OUTAGE = 0.15
"""A pause is this part of the time the outage lasted so far, so that the end is noticed soon after it came."""
REFUSED_SECONDS = 60.0
"""Between two attempts while our credentials are refused: logins are limited upstream, and somebody must act first."""


def told_seconds(header: str | None) -> float | None:
    """What a `Retry-After` header asks for, in seconds or as an HTTP date; nothing for one that cannot be read."""
    text = (header or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_TOLD_SECONDS)
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    left_seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return min(max(left_seconds, 0.0), LONGEST_TOLD_SECONDS)


def pause_seconds(reason: str, open_for_seconds: float, told: float | None) -> float:
    """How long to wait until the next probe, with jitter. What the upstream asked for is never undercut."""
    if reason == "auth":
        return REFUSED_SECONDS * random.uniform(1.0, 1.1)
    grown = min(max(open_for_seconds * SHARE_OF_OUTAGE, SHORTEST_SECONDS), LONGEST_SECONDS)
    asked = told + random.uniform(0.0, 0.2) if told else 0.0
    return max(grown * random.uniform(0.8, 1.2), asked)
