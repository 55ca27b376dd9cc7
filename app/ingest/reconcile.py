"""Find what no event announced: compare the upstreams with the mirror, within a budget, and heal through the inbox.

Salesforce: what changed in a window behind the last run, what was deleted in it, and a part of everything by id, in
rotation, so that what was missed for good is found one day. WHMCS, which tells nothing of silent changes: the linked
customers whose lists were read longest ago.

What differs is submitted, and nothing else; a change that is in the inbox already or a moment old is not drift.

Reads: Salesforce, WHMCS, mirror.records, ingest.inbox. Writes: ingest.inbox, ingest.progress, ingest.drift.
"""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec
from msgspec import Struct

from app.events import Change
from app.ingest import erased, inbox, mirror, progress, webhook_feed
from app.ingest.accounts import WHMCS_RESOURCES, whmcs_hint
from app.ingest.backfill import OBJECTS
from app.ingest.fetchers import FETCHERS
from app.ingest.inbox import Inbox
from app.ingest.mirror import now
from app.ingest.resync import changed_since, deleted_since
from app.ingest.upstreams import Upstreams
from app.integrations.salesforce import records
from app.integrations.salesforce.client import quote
from app.integrations.salesforce.wire import FIELDS

GRACE = timedelta(seconds=30)
"""What changed so lately may simply be on its way."""
FIRST_WINDOW = timedelta(hours=24)
SWEEP = 1_000
"""Records of each object that one run looks at by id."""
IDS_A_QUERY = 200
MEMBERS = {
    "client": "client",
    "client_invoices": "invoice",
    "client_services": "service",
    "pay_methods": "pay_method",
    "cancel_requests": "cancel_request",
}


class Finding(Struct, frozen=True, kw_only=True):
    """What comparing one object came to. Those that differed were submitted to the inbox."""

    source: str
    object: str
    checked: int
    differing: int
    took_seconds: float


class Reconcile:
    """One run."""

    def __init__(self, pool: asyncpg.Pool, box: Inbox, upstreams: Upstreams) -> None:
        self._pool, self._inbox, self._upstreams = pool, box, upstreams

    async def salesforce(self, since: datetime | None = None) -> AsyncIterator[Finding]:
        """Every mirrored object; tells after each."""
        for name in OBJECTS:
            operation, started_at = f"reconcile:salesforce:{name}", now()
            state = await progress.load(self._pool, operation)
            last = datetime.fromisoformat(state["until"]) if "until" in state else started_at - FIRST_WINDOW
            tally = _Tally("salesforce", name)
            async for page in changed_since(self._upstreams.salesforce, name, since or last):
                await self._check(tally, page)
            async for page in deleted_since(self._upstreams.salesforce, name, since or last):
                await self._check(tally, page)
            swept = await self._sweep_upstream(tally, name, state.get("swept", ""))
            missed = await self._sweep_mirror(tally, name, state.get("missed", ""))
            await progress.save(
                self._pool, operation, {"until": started_at.isoformat(), "swept": swept, "missed": missed}
            )
            yield await self._keep(tally)

    async def whmcs(self, clients: int = 20) -> AsyncIterator[Finding]:
        """The lists of those customers who were read longest ago; tells after each resource."""
        for resource in WHMCS_RESOURCES:
            rows = await self._pool.fetch(
                "SELECT m.whmcs_client_id AS id FROM portal.id_mappings m LEFT JOIN read_model.freshness f "
                "ON f.account_id = m.account_id AND f.resource = $1 ORDER BY f.verified_at NULLS FIRST LIMIT $2",
                resource,
                clients,
            )
            yield await self.whmcs_resource(resource, [row["id"] for row in rows])
        yield await self.whmcs_resource("cancel_requests", ["all"])

    async def whmcs_resource(self, resource: str, whmcs_client_ids: Sequence[str]) -> Finding:
        """One resource of these customers."""
        tally = _Tally("whmcs", MEMBERS[resource])
        for client_id in whmcs_client_ids:
            hint = msgspec.structs.replace(whmcs_hint(resource, client_id, "reconcile"), data={"whole": True})
            async with self._pool.acquire() as connection:
                changes = await FETCHERS["whmcs", resource](self._upstreams, connection, hint)
            await self._check(tally, [each for each in changes if each.object == MEMBERS[resource]])
            await self._inbox.submit(changes)  # those that agree are verified by it
        if tally.differing:
            await webhook_feed.missed(self._pool, f"{tally.differing} {tally.object} changes came without a webhook")
        return await self._keep(tally)

    async def _sweep_upstream(self, tally: "_Tally", name: str, cursor: str) -> str:
        """The next records by id, whatever their age; from the start again after the last."""
        read_at = now()
        where = quote("WHERE Id > {}", cursor) if cursor else ""
        soql = f"SELECT {', '.join(FIELDS[name])} FROM {name} {where} ORDER BY Id LIMIT {SWEEP}"
        rows = await self._upstreams.salesforce.query(soql)
        await self._check(tally, [records.change(name, row, origin="reconcile", read_at=read_at) for row in rows])
        return rows[-1]["Id"] if len(rows) == SWEEP else ""

    async def _sweep_mirror(self, tally: "_Tally", name: str, cursor: str) -> str:
        """The next mirrored records by id: is each still there? One that is not is read again, and so deleted."""
        rows = await self._pool.fetch(
            "SELECT record_id FROM mirror.records WHERE source = 'salesforce' AND object = $1 AND record_id > $2 "
            "AND NOT deleted AND verified_at < $3 ORDER BY record_id LIMIT $4",
            name,
            cursor,
            now() - GRACE,
            SWEEP,
        )
        ids = [row["record_id"] for row in rows]
        for start in range(0, len(ids), IDS_A_QUERY):
            wanted = ids[start : start + IDS_A_QUERY]
            found = await self._upstreams.salesforce.query(quote(f"SELECT Id FROM {name} WHERE Id IN {{}}", wanted))
            gone = sorted(set(wanted) - {row["Id"] for row in found})
            tally.differing += len(gone)
            await self._inbox.submit([_read_again(name, record_id) for record_id in gone])
        return ids[-1] if len(ids) == SWEEP else ""

    async def _check(self, tally: "_Tally", changes: Sequence[Change]) -> None:
        async with self._pool.acquire() as connection:
            differing = await differing_from(connection, changes)
        tally.checked += len(changes)
        tally.differing += len(differing)
        await self._inbox.submit(differing)

    async def _keep(self, tally: "_Tally") -> Finding:
        await self._pool.execute(
            "INSERT INTO ingest.drift (source, object, checked, differing) VALUES ($1, $2, $3, $4)",
            tally.source,
            tally.object,
            tally.checked,
            tally.differing,
        )
        return Finding(
            source=tally.source,
            object=tally.object,
            checked=tally.checked,
            differing=tally.differing,
            took_seconds=round(time.monotonic() - tally.started, 3),
        )


class _Tally:
    def __init__(self, source: str, object_name: str) -> None:
        self.source, self.object = source, object_name
        self.checked = self.differing = 0
        self.started = time.monotonic()


async def differing_from(connection: Any, changes: Sequence[Change]) -> list[Change]:
    """Those of these whole records that the mirror holds otherwise, though nothing in flight explains it."""
    held = await mirror.load(connection, {mirror.address(change) for change in changes})
    suspects = [change for change in changes if not _agrees(held.get(mirror.address(change)), change)]
    if suspects:
        plain = await erased.stripped(connection, suspects)
        suspects = [change for change in plain if not _agrees(held.get(mirror.address(change)), change)]
    if not suspects:
        return []
    rows = await connection.fetch(
        "SELECT DISTINCT i.source, i.object, i.record_id FROM ingest.inbox i "
        "JOIN unnest($1::text[], $2::text[], $3::text[]) AS k (source, object, record_id) "
        "USING (source, object, record_id) WHERE i.settled_at IS NULL",
        *[list(column) for column in zip(*(mirror.address(change) for change in suspects), strict=True)],
    )
    in_flight = {tuple(row) for row in rows}
    latest = now() - GRACE
    return [
        change
        for change in suspects
        if mirror.address(change) not in in_flight and (change.source == "whmcs" or change.occurred_at < latest)
    ]


def _agrees(held: Any, change: Change) -> bool:
    if held is None:
        return change.kind == "deleted"
    if held.version > change.version:
        return True  # the mirror knows something later than this read
    return bool(held.deleted) == (change.kind == "deleted") and (held.deleted or held.data == change.data)


def _read_again(name: str, record_id: str) -> Change:
    at = now()
    return Change(
        source="salesforce",
        object=name,
        record_id=record_id,
        kind="hint",
        event_id=f"reconcile:{name}:{record_id}:{inbox.milliseconds(at)}",
        version=inbox.milliseconds(at),
        occurred_at=at,
        origin="reconcile",
    )
