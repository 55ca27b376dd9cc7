"""Upstream merges of customers: the portal account follows to the remaining customer, with its history.

A merge appears as the deletion of one customer. Salesforce records the customer it was merged into. WHMCS's hook
reports it; if that was lost, an invoice or service of the deleted client shows its new owner. Both are fetchers of the
hint `merge`, so that a merge is retried while an upstream is unavailable, and parked when an operator has to decide.

A customer that an erased one is merged into is erased as well, unless they have a portal account of their own.

Reads: ingest.inbox. Reads and writes: portal.id_mappings, mirror.records. Writes: ingest.client_merges, portal.audit,
portal.erased_owners.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog

from app.audit import AuditEntry, append
from app.clock import now
from app.db import Connection, Db, is_outage
from app.errors import UpstreamNotFound
from app.events import Change
from app.ingest import id_mappings
from app.ingest.inbox.inbox import Inbox
from app.ingest.privacy import erased_owners, strip_personal_data
from app.ingest.refetch import owners
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.salesforce.wire import ACCOUNT_NUMBER
from app.integrations.whmcs.client import WhmcsRecord

OWNER_COLUMN: dict[str, id_mappings.OwnerColumn] = {"salesforce": "salesforce_account_id", "whmcs": "whmcs_client_id"}
log = structlog.get_logger()

LONGEST_CHAIN = 10
MOST_MEMBERS_READ = 3

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
    """Both merged customers have a portal account, and only staff can decide which one to close."""


async def request(pool: asyncpg.Pool, box: Inbox) -> int:
    """Submit a hint `merge` for each linked customer deleted upstream, once per deletion; return how many."""
    gone = await pool.fetch(_GONE)
    hints = [_hint(row["source"], row["record_id"], row["version"]) for row in gone]
    submitted = 0
    for hint in hints:  # one by one: one that fails must not block the others
        try:
            submitted += await box.submit([hint]) is not None
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("merge_not_submitted", record_id=hint.record_id)
    return submitted


def _hint(source: Any, record_id: str, version: int) -> Change:
    return Change.hint(
        source,
        "merge",
        record_id,
        event_id=f"merge:{record_id}:{version}",
        version=version,
        occurred_at=now(),
        origin="portal",
        owner_id=record_id,
    )


async def salesforce(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Follow a deleted account through its chain of merges."""
    into = hint.record_id
    for _ in range(LONGEST_CHAIN):
        if not (further := await upstreams.salesforce.merged_into("Account", into)):
            break
        into = further
    if into == hint.record_id:
        return []
    master = await upstreams.salesforce.get("Account", into)
    return await _follow(connection, hint, into, master[ACCOUNT_NUMBER])


async def whmcs(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Follow a deleted client, by the hook's report or by the new owner of its invoices and services."""
    into = hint.data.get("into") or await _owner_of_its_records(upstreams, connection, hint.record_id)
    return await _follow(connection, hint, into, None) if into else []


async def _owner_of_its_records(upstreams: Upstreams, connection: Db, client_id: str) -> str | None:
    read: dict[str, Callable[[str], Awaitable[WhmcsRecord]]] = {
        "invoice": upstreams.whmcs.invoice,
        "service": upstreams.whmcs.service,
    }
    rows = await connection.fetch(
        "SELECT object, record_id FROM mirror.records WHERE source = 'whmcs' AND object = ANY($1::text[]) "
        "AND owner_id = $2 ORDER BY occurred_at DESC LIMIT $3",
        list(read),
        client_id,
        MOST_MEMBERS_READ,
    )
    for row in rows:
        try:
            found = await read[row["object"]](row["record_id"])
        except UpstreamNotFound:
            continue
        if found.owner_id != client_id:
            return found.owner_id
    return None


_HELD = """
SELECT m.{column} AS owner_id, EXISTS (SELECT FROM portal.erasures e WHERE e.account_id = m.account_id) AS erased
FROM portal.id_mappings m WHERE m.{column} = ANY($1::text[])
"""
_NOTE = """
INSERT INTO ingest.client_merges (former_client_id, into_client_id) VALUES ($1, $2)
ON CONFLICT (former_client_id) DO UPDATE SET into_client_id = excluded.into_client_id
"""


async def _follow(connection: Connection, hint: Change, into: str, customer_number: str | None) -> list[Change]:
    """Move the mapping, if the customer is linked, and request everything of the remaining customer. Idempotent.

    Raises:
        MergeConflict: both have a portal account.
    """
    column = OWNER_COLUMN[hint.source]
    held = await connection.fetch(_HELD.format(column=column), [hint.record_id, into])
    if len(held) == 2:
        if any(row["erased"] for row in held if row["owner_id"] == hint.record_id):
            return []
        if hint.source == "whmcs":
            await connection.execute(_NOTE, hint.record_id, into)
        raise MergeConflict(
            f"{hint.source} {hint.record_id} was merged into {into}, and both have a portal account. "
            "Close one of the two accounts, then retry this entry."
        )
    if await erased_owners.became(connection, hint.source, hint.record_id, into):
        await strip_personal_data.strip(connection, [into])
    async with connection.transaction():
        moved = await id_mappings.move(connection, column, hint.record_id, into, customer_number)
        if moved is not None:
            detail = {"source": hint.source, "was": hint.record_id}
            entry = AuditEntry(action="follow_merge", outcome="ok", account_id=moved, target=into, detail=detail)
            await append(connection, entry)
    row = await connection.fetchrow(
        f"SELECT account_id, whmcs_client_id, salesforce_account_id FROM portal.id_mappings WHERE {column} = $1", into
    )
    return owners.linked(row["account_id"], row["whmcs_client_id"], row["salesforce_account_id"]) if row else []
