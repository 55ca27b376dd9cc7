"""The error for an account without data yet: it does not promise "in a moment" when that is not true.

Reads: read_model.parked, upstreams, outages.
"""

import random
from uuid import UUID

from app.clock.recovery import told_seconds
from app.db import only_row
from app.errors import NotReady
from app.queries.reading.store import Store
from app.words.sentence import say

FAILED_RETRY_SECONDS = 900
FAILED = say("problems.unread_parked")
AWAY = say("problems.unread_away")

_WHY = """
SELECT EXISTS (
           SELECT FROM read_model.parked WHERE account_id = $1 AND source = $2 AND object = ANY($3::text[])) AS failed,
       u.upstream IS NOT NULL AS away,
       coalesce(greatest(extract(epoch FROM clock_timestamp() - u.since), 0), 0)::float8 AS elapsed_seconds,
       ARRAY(SELECT extract(epoch FROM o.ended_at - o.began_at)::float8 FROM read_model.outages o
             WHERE o.upstream = $2 AND o.reason = u.reason) AS durations_seconds
FROM (SELECT $2::text AS name) AS asked
LEFT JOIN read_model.upstreams u ON u.upstream = asked.name AND u.state <> 'closed'
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
        elapsed_seconds, durations_seconds = why["elapsed_seconds"], why["durations_seconds"]
        return NotReady(
            AWAY, retry_after_seconds=told_seconds(durations_seconds, elapsed_seconds, random.random(), least_seconds=0)
        )
    return NotReady()
