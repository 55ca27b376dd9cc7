"""Fill the mirror: every record of Salesforce, and everything of linked customers in WHMCS.

Runs while live events flow: the version of a page is its records' SystemModstamp, that of a WHMCS list the start of its
read, so an older page never overwrites a newer event. A page and its cursor enter the inbox in one transaction; a
stopped run resumes there. When the inbox is full, the next page waits.

A record that cannot be parsed or stored is logged and skipped. An object that cannot be read does not stop the others:
the run then ends with that error, unfinished, and resumes there next time.

Reads: Salesforce by id, WHMCS through the fetch lane; portal.id_mappings. Writes: ingest.inbox, ingest.progress.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import asyncpg
import structlog
from msgspec import Struct

from app.clock import now
from app.db import Connection, is_outage
from app.errors import UpstreamMalformed
from app.events import Change
from app.ingest import progress
from app.ingest.inbox import inbox
from app.ingest.inbox.inbox import Inbox
from app.ingest.inbox.isolation import Append, Woken
from app.ingest.refetch.owners import EVERYBODYS, WHMCS_RESOURCES, whmcs_hint
from app.integrations.salesforce import records
from app.integrations.salesforce.client import SalesforceClient, quote
from app.integrations.salesforce.wire import FIELDS

OBJECTS = ("Product2", "PricebookEntry", "Account", "Order", "OrderItem")
"""Parents before children, and the catalog first, because it is public."""
PAGE = 2_000
ACCOUNTS_PER_PAGE = 100
HIGH_WATER = 20_000
OWNED = {"Account": "Id", "Order": "AccountId", "OrderItem": "Order.AccountId"}
"""Object → field that names its account; these are read for linked accounts first."""

log = structlog.get_logger()


class BackfillStep(Struct, frozen=True):
    """Progress of one part of the run."""

    name: str
    done: int
    total: int


class Backfill:
    """A run, or the rest of one."""

    def __init__(self, pool: asyncpg.Pool, box: Inbox, *, calls_per_second: float = 0) -> None:
        self._pool, self._inbox = pool, box
        self._pause_seconds = 1 / calls_per_second if calls_per_second else 0.0

    async def salesforce(
        self, client: SalesforceClient, objects: Sequence[str] = OBJECTS, *, restart: bool = False
    ) -> AsyncIterator[BackfillStep]:
        """Read every record of these objects, those of linked accounts first; yield after each page.

        Raises:
            Exception: the last failure, after everything else was read.
        """
        await self._begin("salesforce", restart=restart)
        parts = {name: partial(self._object, client, name) for name in objects}
        if set(objects) >= OWNED.keys():
            parts = {"linked accounts": partial(self._linked, client), **parts}
        last: Exception | None = None
        for name, part in parts.items():
            try:
                async for step in part():
                    yield step
            except Exception as error:
                if is_outage(error):
                    raise
                log.warning("backfill_part_failed", part=name, error=repr(error))
                last = error
        if last is not None:
            raise last
        await self._end("salesforce")

    async def whmcs(self, *, restart: bool = False) -> AsyncIterator[BackfillStep]:
        """Request refetches of everything of every linked customer. Others are read when they link."""
        await self._begin("whmcs", restart=restart)
        operation = "backfill:whmcs:clients"
        state = await progress.load(self._pool, operation)
        total = await self._pool.fetchval("SELECT count(*) FROM portal.id_mappings")
        done, cursor, run = state.get("done", 0), state.get("cursor", ""), state.get("run") or now().isoformat()
        while clients := await self._next_linked("whmcs_client_id", cursor, 25):
            hints = [whmcs_hint(each, client, f"backfill:{run}") for client in clients for each in WHMCS_RESOURCES]
            done, cursor = done + len(clients), clients[-1]
            await self._record(hints, operation, {"done": done, "cursor": cursor, "run": run})
            yield BackfillStep("clients", done, max(total, done))
            await self._throttle(calls=len(hints))
        shared = [whmcs_hint(each, "all", f"backfill:{run}") for each in EVERYBODYS]
        await self._record(shared, operation, {"done": done, "run": run})
        await self._end("whmcs")

    async def _object(self, client: SalesforceClient, name: str) -> AsyncIterator[BackfillStep]:
        operation = f"backfill:salesforce:{name}"
        state = await progress.load(self._pool, operation)
        if state.get("finished"):
            return
        total = await client.count(name)
        done, cursor = state.get("done", 0), state.get("cursor", "")
        while True:
            read_at = now()
            where = quote("WHERE Id > {}", cursor) if cursor else ""
            rows = await client.query(f"SELECT {', '.join(FIELDS[name])} FROM {name} {where} ORDER BY Id LIMIT {PAGE}")
            last_id = next((row["Id"] for row in reversed(rows) if records.is_id(row.get("Id"))), None)
            if last_id is None and len(rows) >= PAGE:
                raise UpstreamMalformed("salesforce", f"backfill:{name}", "a page of records without an Id")
            done, cursor = done + len(rows), last_id or cursor
            changes = records.changes(name, rows, origin="backfill", read_at=read_at)
            state = {"done": done, "cursor": cursor, "finished": len(rows) < PAGE}
            await self._record(changes, operation, state)
            yield BackfillStep(name, done, max(total, done))
            if state["finished"]:
                return
            await self._throttle(calls=1)

    async def _linked(self, client: SalesforceClient) -> AsyncIterator[BackfillStep]:
        operation = "backfill:salesforce:linked"
        state = await progress.load(self._pool, operation)
        total = await self._pool.fetchval("SELECT count(*) FROM portal.id_mappings")
        done, cursor = state.get("done", 0), state.get("cursor", "")
        while accounts := await self._next_linked("salesforce_account_id", cursor, ACCOUNTS_PER_PAGE):
            read_at = now()
            changes: list[Change] = []
            for name, owner in OWNED.items():
                where = quote(f"WHERE {owner} IN {{}}", accounts)
                rows = await client.query(f"SELECT {', '.join(FIELDS[name])} FROM {name} {where} ORDER BY Id")
                changes += records.changes(name, rows, origin="backfill", read_at=read_at)
            done, cursor = done + len(accounts), accounts[-1]
            await self._record(changes, operation, {"done": done, "cursor": cursor})
            yield BackfillStep("linked accounts", done, max(total, done))
            await self._throttle(calls=len(OWNED))

    async def _next_linked(self, column: str, cursor: str, limit: int) -> list[str]:
        rows = await self._pool.fetch(
            f"SELECT {column} AS id FROM portal.id_mappings WHERE {column} > $1 ORDER BY 1 LIMIT $2", cursor, limit
        )
        return [row["id"] for row in rows]

    async def _record(self, changes: Sequence[Change], operation: str, state: dict[str, Any]) -> None:
        """Record a page and its cursor in one transaction."""

        async def work(connection: Connection, append: Append) -> Woken:
            woken: Woken = set()
            for start in range(0, len(changes), 500):
                woken |= (await append(connection, changes[start : start + 500]))[1]
            await progress.save(connection, operation, state)
            return woken

        await self._inbox.wake(await inbox.storing(lambda: inbox.of_pool(self._pool), work))

    async def _throttle(self, *, calls: int) -> None:
        """Pause for the call budget, and until the workers have caught up."""
        await asyncio.sleep(self._pause_seconds * calls)
        while await inbox.open_up_to(self._pool, HIGH_WATER) >= HIGH_WATER:
            await asyncio.sleep(0.5)

    async def _begin(self, source: str, *, restart: bool) -> None:
        """Resume a stopped run; start a new one after a finished one."""
        state = await progress.load(self._pool, f"backfill:{source}")
        if restart or state.get("finished_at"):
            await progress.forget(self._pool, f"backfill:{source}")
            state = {}
        await progress.save(self._pool, f"backfill:{source}", {"started_at": now(), **state})

    async def _end(self, source: str) -> None:
        state = await progress.load(self._pool, f"backfill:{source}")
        await progress.save(self._pool, f"backfill:{source}", {**state, "finished_at": now()})
