"""Length of the pause before the next probe: what the upstream asks for, or a share of the outage so far."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_TOLD_SECONDS = 600.0
"""Upper bound for a `Retry-After`: a mistake there must not stop all calls for a day."""
SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 30.0
SHARE_OF_OUTAGE = 0.15
"""A pause is this share of the outage so far, so that its end is noticed soon."""
REFUSED_SECONDS = 60.0
"""Interval of attempts while our credentials are refused: log-ins are limited, and an operator must act first."""


def retry_after_seconds_of(header: str | None) -> float | None:
    """Parse a `Retry-After` header, in seconds or as an HTTP date; None if it cannot be read."""
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
    """Compute the pause before the next probe, with jitter. The upstream's own request is never undercut."""
    if reason == "auth":
        return REFUSED_SECONDS * random.uniform(1.0, 1.1)
    grown = min(max(open_for_seconds * SHARE_OF_OUTAGE, SHORTEST_SECONDS), LONGEST_SECONDS)
    asked = told + random.uniform(0.0, 0.2) if told else 0.0
    return max(grown * random.uniform(0.8, 1.2), asked)
