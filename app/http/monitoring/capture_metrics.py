"""Charges of which nobody knows what came of them, as Prometheus metrics."""

import asyncpg

from app.db import is_outage
from app.queries.payment_attempts import doubts

_TEXT = """\
# HELP portal_captures_in_doubt Charges without an answer whose outcome nobody knows
# TYPE portal_captures_in_doubt gauge
portal_captures_in_doubt {count}
# HELP portal_captures_in_doubt_oldest_seconds Age of the oldest of them, 0 for none
# TYPE portal_captures_in_doubt_oldest_seconds gauge
portal_captures_in_doubt_oldest_seconds {oldest_seconds:.0f}
"""


async def capture_metrics(pool: asyncpg.Pool) -> bytes:
    """Render the number and the age of charges in doubt; empty while the database is away."""
    try:
        found = await doubts(pool)
    except Exception as error:
        if not is_outage(error):
            raise
        return b""
    return _TEXT.format(count=found.count, oldest_seconds=found.oldest_seconds).encode()
