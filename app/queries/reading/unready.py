"""The error for an account without data yet: it does not promise "in a moment" when that is not true.

Reads: read_model.parked, upstreams.
"""

from uuid import UUID

from app.db import only_row
from app.errors import NotReady
from app.queries.reading.store import Store
from app.words.sentence import say

FAILED_RETRY_SECONDS = 900
AWAY_RETRY_SECONDS = 60
FAILED = say("problems.unread_parked")
AWAY = say("problems.unread_away")

_WHY = """
SELECT EXISTS (
           SELECT FROM read_model.parked WHERE account_id = $1 AND source = $2 AND object = ANY($3::text[])) AS failed,
       EXISTS (SELECT FROM read_model.upstreams WHERE upstream = $2 AND state <> 'closed') AS away
"""


async def not_ready(store: Store, account_id: UUID, upstream: str, *objects: str) -> NotReady:
    """Build the error for a resource of an account that was never read.

    Where the read itself has failed for good and staff must act, the error does not promise that it is ready in a
    moment.
    """
    why = await only_row(store.pool, _WHY, account_id, upstream, list(objects))
    if why["failed"]:
        return NotReady(FAILED, retry_after_seconds=FAILED_RETRY_SECONDS)
    if why["away"]:
        return NotReady(AWAY, retry_after_seconds=AWAY_RETRY_SECONDS)
    return NotReady()
