"""Customers whom staff merged upstream: the portal account stands for the one that is left, and history follows.

A merge shows as the deletion of the one that is gone. Salesforce remembers what it became; WHMCS's hook says so, and
where that got lost, an invoice or service that had been its and is somebody else's now does. Both are fetchers of the
hint `merge`, so that a merge is retried while an upstream is away, and parked where somebody has to decide.

Whom an erased customer is merged into is erased as well, unless that one has a portal account of their own.

Reads: ingest.inbox. Reads and writes: portal.id_mappings, mirror.records. Writes: portal.audit, portal.erased_owners.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog

from app.db import is_outage
from app.errors import UpstreamNotFound
from app.events import Change
from app.ingest.apply.mirror import now
from app.ingest.inbox.inbox import Inbox
from app.ingest.privacy import erased_owners, strip_personal_data
from app.ingest.refetch import owners
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.salesforce.wire import ACCOUNT_NUMBER
from app.integrations.whmcs.client import WhmcsRecord

OWNER_COLUMN = {"salesforce": "salesforce_account_id", "whmcs": "whmcs_client_id"}
log = structlog.get_logger()

LONGEST_CHAIN = 10
MEMBERS_ASKED = 3

_GONE = """
SELECT r.source, r.record_id, r.version FROM (
  SELECT source, object, record_id, version FROM mirror.records WHERE deleted AND object IN ('Account', 'client')) r
WHERE (CASE r.source
         WHEN 'salesforce' THEN EXISTS (SELECT FROM portal.id_mappings WHERE salesforce_account_id = r.record_id)
         ELSE EXISTS (SELECT FROM portal.id_mappings WHERE whmcs_client_id = r.record_id) END)
  AND NOT EXISTS (SELECT FROM ingest.inbox i WHERE i.settled_at IS NULL
                  AND (i.source, i.object, i.record_id) = (r.source, 'merge', r.record_id))
"""


class MergeConflict(Exception):
    """Both merged customers have a portal login of their own, and only staff can say which one goes."""


async def look(pool: asyncpg.Pool, box: Inbox) -> int:
    """Ask what became of linked customers that are gone upstream, once for each deletion; returns how many."""
    gone = await pool.fetch(_GONE)
    hints = [_hint(row["source"], row["record_id"], row["version"]) for row in gone]
    asked = 0
    for hint in hints:  # one by one: one that cannot be asked must not keep the others
        try:
            asked += await box.submit([hint]) is not None
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("merge_not_asked", record_id=hint.record_id)
    return asked


def _hint(source: Any, record_id: str, version: int) -> Change:
    at = now()
    return Change(
        source=source,
        object="merge",
        record_id=record_id,
        kind="hint",
        event_id=f"merge:{record_id}:{version}",
        version=version,
        occurred_at=at,
        origin="portal",
        owner_id=record_id,
    )


async def salesforce(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """An account that is gone: what did it become, by as many merges as there were?"""
    into = hint.record_id
    for _ in range(LONGEST_CHAIN):
        if not (further := await upstreams.salesforce.merged_into("Account", into)):
            break
        into = further
    if into == hint.record_id:
        return []
    master = await upstreams.salesforce.get("Account", into)
    return await _follow(connection, hint, into, master[ACCOUNT_NUMBER])


async def whmcs(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """A client that is gone: the hook said what it became, or its invoices and services do."""
    into = hint.data.get("into") or await _owner_of_its_records(upstreams, connection, hint.record_id)
    return await _follow(connection, hint, into, None) if into else []


async def _owner_of_its_records(upstreams: Upstreams, connection: Any, client_id: str) -> str | None:
    read: dict[str, Callable[[str], Awaitable[WhmcsRecord]]] = {
        "invoice": upstreams.whmcs.invoice,
        "service": upstreams.whmcs.service,
    }
    rows = await connection.fetch(
        "SELECT object, record_id FROM mirror.records WHERE source = 'whmcs' AND object = ANY($1::text[]) "
        "AND owner_id = $2 ORDER BY occurred_at DESC LIMIT $3",
        list(read),
        client_id,
        MEMBERS_ASKED,
    )
    for row in rows:
        try:
            found = await read[row["object"]](row["record_id"])
        except UpstreamNotFound:
            continue
        if found.owner_id != client_id:
            return found.owner_id
    return None


_MOVE = """
WITH moved AS (
  UPDATE portal.id_mappings SET {column} = $2, customer_number = coalesce($3, customer_number)
  WHERE {column} = $1 RETURNING account_id)
INSERT INTO portal.audit (action, outcome, account_id, target, detail)
SELECT 'follow_merge', 'ok', account_id, $2, jsonb_build_object('source', $4::text, 'was', $1) FROM moved
"""


_HELD = """
SELECT m.{column} AS owner_id, EXISTS (SELECT FROM portal.erasures e WHERE e.account_id = m.account_id) AS erased
FROM portal.id_mappings m WHERE m.{column} = ANY($1::text[])
"""


async def _follow(connection: Any, hint: Change, into: str, customer_number: str | None) -> list[Change]:
    """Move the mapping, if anybody is linked, and read all that the one left has. Safe to repeat from anywhere.

    Raises:
        MergeConflict: both have a portal account.
    """
    column = OWNER_COLUMN[hint.source]
    held = await connection.fetch(_HELD.format(column=column), [hint.record_id, into])
    if len(held) == 2:
        if any(row["erased"] for row in held if row["owner_id"] == hint.record_id):
            return []
        raise MergeConflict(
            f"{hint.source} {hint.record_id} was merged into {into}, and both have a portal account. "
            "Close one of the two accounts, then retry this entry."
        )
    if await erased_owners.became(connection, hint.source, hint.record_id, into):
        await strip_personal_data.strip(connection, [into])
    await connection.execute(_MOVE.format(column=column), hint.record_id, into, customer_number, hint.source)
    row = await connection.fetchrow(
        f"SELECT account_id, whmcs_client_id, salesforce_account_id FROM portal.id_mappings WHERE {column} = $1", into
    )
    return owners.linked(row["account_id"], row["whmcs_client_id"], row["salesforce_account_id"]) if row else []
