"""Reconciliation: compare the upstreams with the mirror, within a budget, and submit the differences to the inbox.

Salesforce: records changed or deleted in a window that overlaps the last run, and a rotating part of all records by id,
so that a missed event is found eventually. WHMCS, which does not report silent changes: the linked customers whose
lists were read longest ago.

Only differences are submitted. A change that is in the inbox already or very recent is not drift, unless its record is
parked: then the read may heal it. A record differs when merging the read would change the mirror, so one that is
mirrored as deleted and exists upstream differs too.

Failures are isolated: an object, page, record or list that could not be read is counted, logged and skipped. Only after
several failures in a row of an unavailable upstream is the rest of that object left for the next run.

Reads: Salesforce, WHMCS, mirror.records, ingest.inbox. Writes: ingest.inbox, ingest.progress, ingest.drift.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from app.clock import now
from app.events import Change, milliseconds
from app.ingest import progress
from app.ingest.catch_up.backfill import OBJECTS
from app.ingest.catch_up.drift import GRACE, differing_from
from app.ingest.catch_up.tally import ObjectTally, Tally
from app.ingest.inbox.inbox import Inbox
from app.ingest.refetch import members
from app.ingest.refetch.fetchers import FETCHERS
from app.ingest.refetch.owners import WHMCS_RESOURCES, whmcs_hint
from app.ingest.refetch.salesforce_window import changed_since, deleted_since
from app.ingest.refetch.upstreams import Upstreams
from app.ingest.sources import webhook_feed
from app.integrations.salesforce import records
from app.integrations.salesforce.client import quote
from app.integrations.salesforce.wire import FIELDS

FIRST_WINDOW = timedelta(hours=24)
SWEEP = 1_000
"""Records of each object that one run compares by id."""
IDS_PER_QUERY = 200
AWAY_IN_A_ROW = 3
"""Consecutive customers without an answer of the upstream, after which the rest is left for the next run."""
MOST_REMEMBERED = 1_000
MEMBERS = {
    "client": "client",
    "client_invoices": "invoice",
    "client_services": "service",
    "pay_methods": "pay_method",
    "cancel_requests": "cancel_request",
    "products": "product",
}

WITHOUT_WEBHOOK = frozenset({"products"})
"""Lists whose changes no webhook is known to announce: WHMCS's hook for products need not run when a price changes."""


class Reconcile:
    """A reconciliation run."""

    def __init__(self, pool: asyncpg.Pool, box: Inbox, upstreams: Upstreams) -> None:
        self._pool, self._inbox, self._upstreams = pool, box, upstreams

    async def salesforce(self, since: datetime | None = None) -> AsyncIterator[ObjectTally]:
        """Compare every mirrored object; yield after each."""
        for name in OBJECTS:
            tally = Tally("salesforce", name)
            with tally.isolated(name):
                await self._salesforce_object(tally, name, since)
            yield await tally.save(self._pool)

    async def _salesforce_object(self, tally: Tally, name: str, since: datetime | None) -> None:
        """Compare one object. A part that succeeds advances its own cursor; the next run repeats one that failed."""
        operation, started_at = f"reconcile:salesforce:{name}", now()
        state = await progress.load(self._pool, operation)
        last = datetime.fromisoformat(state["until"]) if "until" in state else started_at - FIRST_WINDOW
        with tally.isolated("recently changed and deleted"):
            for pages in (changed_since, deleted_since):
                async for page in pages(self._upstreams.salesforce, name, since or last):
                    await self._check(tally, page)
            state["until"] = started_at.isoformat()
        with tally.isolated("records by id"):
            state["swept"] = await self._sweep_upstream(tally, name, state.get("swept", ""))
        with tally.isolated("mirrored records by id"):
            state["missed"] = await self._sweep_mirror(tally, name, state.get("missed", ""))
        await progress.save(self._pool, operation, state)

    async def whmcs(self, clients: int = 20) -> AsyncIterator[ObjectTally]:
        """Compare the lists of the customers read longest ago; yield after each resource."""
        for resource in WHMCS_RESOURCES:
            yield await self.whmcs_resource(resource, await self._longest_ago(resource, clients))
        for shared in ("cancel_requests", "products"):
            yield await self.whmcs_resource(shared, ["all"])

    async def whmcs_resource(self, resource: str, whmcs_client_ids: Sequence[str]) -> ObjectTally:
        """Compare one resource of these customers. Those that fail are tried after the others next time."""
        tally, done = Tally("whmcs", MEMBERS[resource]), set()
        for client_id in whmcs_client_ids:
            with tally.isolated(client_id):
                await self._whmcs_list(tally, resource, client_id)
                done.add(client_id)
            if tally.away >= AWAY_IN_A_ROW:
                break
        if tally.differing and resource not in WITHOUT_WEBHOOK:
            await webhook_feed.missed(self._pool, f"{tally.differing} {tally.object} changes came without a webhook")
        await self._remember(resource, tally.members, done)
        return await tally.save(self._pool)

    async def _whmcs_list(self, tally: Tally, resource: str, client_id: str) -> None:
        hint = msgspec.structs.replace(whmcs_hint(resource, client_id, "reconcile"), data={"whole": True})
        async with self._pool.acquire() as connection:
            changes = await FETCHERS["whmcs", resource](self._upstreams, connection, hint)
        found = [each for each in changes if each.object == MEMBERS[resource]]
        await self._check(tally, [each for each in found if each.kind != "hint"], submit=False)
        missing = [each for each in found if each.kind == "hint"]
        as_held = sum(len(digests) for each in changes for digests in each.data.get(members.UNCHANGED, {}).values())
        tally.checked += as_held + len(missing)
        tally.differing += len(missing)
        await self._inbox.submit(changes)  # the marker verifies those that agree

    async def _longest_ago(self, resource: str, clients: int) -> list[str]:
        """Choose the customers read longest ago. Those that failed get a quarter of the places and block no others."""
        failed = (await progress.load(self._pool, f"reconcile:whmcs:{resource}")).get("failed", {})
        rows = await self._pool.fetch(
            "SELECT m.whmcs_client_id AS id FROM portal.id_mappings m LEFT JOIN read_model.freshness f "
            "ON f.account_id = m.account_id AND f.resource = $1 WHERE m.whmcs_client_id <> ALL($3::text[]) "
            "ORDER BY f.verified_at NULLS FIRST LIMIT $2",
            resource,
            clients,
            list(failed),
        )
        again = sorted(failed, key=failed.__getitem__)[: max(clients // 4, 1)]
        return [row["id"] for row in rows] + again

    async def _remember(self, resource: str, failed: Iterable[str], done: Iterable[str]) -> None:
        operation = f"reconcile:whmcs:{resource}"
        known = (await progress.load(self._pool, operation)).get("failed", {})
        at = now().isoformat()
        kept = {each: when for each, when in known.items() if each not in set(done)} | dict.fromkeys(failed, at)
        if kept != known:
            newest = sorted(kept.items(), key=lambda item: item[1])[-MOST_REMEMBERED:]
            await progress.save(self._pool, operation, {"failed": dict(newest)})

    async def _sweep_upstream(self, tally: Tally, name: str, cursor: str) -> str:
        """Compare the next records by id, whatever their age; return the cursor, empty after the last."""
        read_at = now()
        where = quote("WHERE Id > {}", cursor) if cursor else ""
        soql = f"SELECT {', '.join(FIELDS[name])} FROM {name} {where} ORDER BY Id LIMIT {SWEEP}"
        rows = await self._upstreams.salesforce.query(soql)
        changes = []
        for row in rows:
            with tally.isolated(str(row.get("Id"))):
                changes.append(records.change(name, row, origin="reconcile", read_at=read_at))
        await self._check(tally, changes)
        return rows[-1]["Id"] if len(rows) == SWEEP else ""

    async def _sweep_mirror(self, tally: Tally, name: str, cursor: str) -> str:
        """Check that the next mirrored records still exist upstream; request a refetch of each that does not."""
        rows = await self._pool.fetch(
            "SELECT record_id FROM mirror.records WHERE source = 'salesforce' AND object = $1 AND record_id > $2 "
            "AND NOT deleted AND verified_at < $3 ORDER BY record_id LIMIT $4",
            name,
            cursor,
            now() - GRACE,
            SWEEP,
        )
        ids = [row["record_id"] for row in rows]
        for start in range(0, len(ids), IDS_PER_QUERY):
            wanted = ids[start : start + IDS_PER_QUERY]
            found = await self._upstreams.salesforce.query(quote(f"SELECT Id FROM {name} WHERE Id IN {{}}", wanted))
            gone = sorted(set(wanted) - {row["Id"] for row in found})
            tally.differing += len(gone)
            await self._inbox.submit([_refetch_hint(name, record_id) for record_id in gone])
        return ids[-1] if len(ids) == SWEEP else ""

    async def _check(self, tally: Tally, changes: Sequence[Change], *, submit: bool = True) -> None:
        async with self._pool.acquire() as connection:
            differing = await differing_from(connection, changes)
        tally.checked += len(changes)
        tally.differing += len(differing)
        if submit:
            await self._inbox.submit(differing)


def _refetch_hint(name: str, record_id: str) -> Change:
    at = now()
    return Change.hint(
        "salesforce",
        name,
        record_id,
        event_id=f"reconcile:{name}:{record_id}:{milliseconds(at)}",
        occurred_at=at,
        origin="reconcile",
    )
