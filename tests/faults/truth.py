"""The expected read models: computed afresh, in a database of its own, from the upstreams' own state."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import asyncpg
import msgspec

from app.cli import migrate
from app.clock import now
from app.commands.providers.take_up import take_up
from app.db import open_pool
from app.events import Change
from app.ingest.apply import drain
from app.ingest.catch_up.backfill import OBJECTS
from app.ingest.inbox.inbox import Inbox, open_shards
from app.ingest.refetch import hosting_accounts
from app.ingest.refetch.fetchers import FETCHERS
from app.ingest.refetch.owners import WHMCS_RESOURCES, whmcs_hint
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.salesforce import records
from app.integrations.salesforce.wire import FIELDS
from app.projections.engine import recompute
from app.projections.registry import projectors
from app.resources import Resources

AGES = frozenset({"version", "as_of", "verified_at", "changed_at"})
"""When a row was computed or last verified, not what it says."""


HOSTING_SECONDS = 60
UNREAD_ACCOUNTS = """
SELECT EXISTS (SELECT FROM portal.provided_services p WHERE p.provider = 'whm' AND NOT EXISTS (
    SELECT FROM read_model.provider_accounts a WHERE a.account_name = p.account_name))
"""

Held = dict[str, dict[tuple[str, ...], dict[str, Any]]]
"""Table → key → row."""


async def differences(running: Resources) -> list[str]:
    """Every row that is not as it must be, as sentences; none when all is well."""
    await _know_hosting(running)
    wanted = await expected(running)
    return compared(wanted, await held(running, running.pool))


async def _know_hosting(running: Resources) -> None:
    """Wait until every service that was provisioned is taken up, and its hosting account read.

    Both follow an order's end by some seconds, which nothing that is open announces.
    """
    await take_up(running.pool, running.inbox)
    await running.inbox.submit([hosting_accounts.list_hint(f"truth:{now().isoformat()}")])
    async with asyncio.timeout(HOSTING_SECONDS):
        while await running.pool.fetchval(UNREAD_ACCOUNTS):
            await asyncio.sleep(0.2)


async def expected(running: Resources, unreadable: list[str] | None = None) -> Held:
    """Return every read model as it must be. What cannot be read or stored is added to `unreadable`, or raised without
    it."""
    url = running.settings.database_url.rsplit("/", 1)[0] + "/truth"
    await running.pool.execute("DROP DATABASE IF EXISTS truth")
    await running.pool.execute("CREATE DATABASE truth")
    await asyncio.to_thread(migrate.up, url)
    fresh = await open_pool(url)
    try:
        await _project(running, fresh, unreadable)
        return await held(running, fresh)
    finally:
        await fresh.close()


async def held(running: Resources, pool: asyncpg.Pool) -> Held:
    """Every read model as a database has it."""
    return {each.table.name: await _rows(pool, each.table.name) for each in projectors(running.settings)}


def compared(wanted: Held, found: Held) -> list[str]:
    """Return the differences, as sentences."""
    return [line for table in wanted for line in _compared(table, wanted[table], found[table])]


async def _project(running: Resources, fresh: asyncpg.Pool, unreadable: list[str] | None) -> None:
    for table in ("users", "id_mappings", "provided_services"):
        rows = await running.pool.fetch(f"SELECT * FROM portal.{table}")
        if not rows:
            continue
        names = list(rows[0].keys())
        slots = ", ".join(f"${n}" for n in range(1, len(names) + 1))
        values = [tuple(row.values()) for row in rows]
        await fresh.executemany(f"INSERT INTO portal.{table} ({', '.join(names)}) VALUES ({slots})", values)

    async def nothing(*_: object) -> None:
        return None

    box = Inbox(fresh, nothing)
    for changes in await _everything(running, fresh, unreadable):
        await _submit(box, changes, unreadable)
    project = partial(recompute.project, projectors(running.settings))
    while shards := await open_shards(fresh):
        for _, shard in shards:
            await drain.drain(fresh, shard, project, nothing, nothing)


async def _submit(box: Inbox, changes: Sequence[Change], unreadable: list[str] | None) -> None:
    """All of them at once, or what can be stored of them one by one."""
    try:
        await box.submit(changes)
    except Exception as error:
        if unreadable is None:
            raise
        if len(changes) == 1:
            unreadable.append(f"{changes[0].object} {changes[0].record_id}: {error!r}"[:300])
            return
        for each in changes:
            await _submit(box, [each], unreadable)


async def _everything(running: Resources, fresh: asyncpg.Pool, unreadable: list[str] | None) -> list[Sequence[Change]]:
    """Every record of the upstreams that the mirror is made of, read now, by a portal that knows none of them."""
    read_at, found = now(), []
    for name in OBJECTS:
        rows = await running.salesforce.query(f"SELECT {', '.join(FIELDS[name])} FROM {name}")
        found.append([records.change(name, row, origin="backfill", read_at=read_at) for row in rows])
    upstreams = Upstreams(running.salesforce, running.whmcs, running.whm)
    clients = await running.pool.fetch("SELECT whmcs_client_id AS id FROM portal.id_mappings")
    hints = [whmcs_hint(resource, row["id"], "truth") for row in clients for resource in WHMCS_RESOURCES]
    async with fresh.acquire() as connection:
        lists = [whmcs_hint(name, "all", "truth") for name in ("gateways", "products")]
        hosted = await running.pool.fetch("SELECT account_name FROM portal.provided_services WHERE provider = 'whm'")
        accounts = [hosting_accounts.hint_of(row["account_name"], "truth") for row in hosted]
        for hint in [*hints, *lists, *accounts, hosting_accounts.list_hint("truth")]:
            try:
                changes = await FETCHERS[hint.source, hint.object](upstreams, connection, hint)
            except Exception as error:
                if unreadable is None:
                    raise
                unreadable.append(f"{hint.object} of {hint.record_id}: {error!r}"[:300])
                continue
            found.append([each for each in changes if each.kind != "deleted"])
    return found


async def _rows(pool: asyncpg.Pool, table: str) -> dict[tuple[str, ...], dict[str, Any]]:
    rows = await pool.fetch(f"SELECT * FROM read_model.{table}")
    if table.startswith("timeline_"):
        rows = [row for row in rows if row["kind"] in DATED]
    keys = [name for name in (rows[0].keys() if rows else ()) if name in KEYS]
    return {tuple(str(row[key]) for key in keys): _said(row) for row in rows}


DATED = (
    *("invoice_issued", "invoice_overdue", "invoice_paid", "payment_received", "invoice_refunded"),
    *("service_registered", "order_in_review", "case_opened", "case_answered", "case_closed"),
)
"""Entries of the timeline that everybody can tell from the records alone."""
BY_DAY = ("invoice_issued", "service_registered")
"""Of these the records tell the day, and those who watched the time."""

KEYS = (
    "account_id",
    "entry_id",
    "sku",
    "order_id",
    "invoice_id",
    "subscription_id",
    "charge_id",
    "price_id",
    "account_name",
    "payment_method_id",
    "gateway",
    "resource",
)


BY_EVENTS = frozenset({"approval", "approved_despite"})
"""What only an observer of the events can know."""


def _said(row: Any) -> dict[str, Any]:
    return {
        name: _seen_once(msgspec.json.decode(value)) if isinstance(value, bytes) else value
        for name, value in row.items()
        if name not in AGES | BY_EVENTS and not (name == "at" and row["kind"] in BY_DAY)
    }


def _seen_once(document: dict[str, Any]) -> dict[str, Any]:
    """Remove the states that an order passed through, which only an observer of the events can know."""
    if "timeline" in document:
        document["timeline"] = document["timeline"][-1]["state"] if document["timeline"] else None
    if document.get("kind") in BY_DAY:
        del document["at"]
    return document


def _compared(table: str, expected: dict[Any, dict[str, Any]], held: dict[Any, dict[str, Any]]) -> list[str]:
    found = [f"{table} {key}: missing" for key in expected.keys() - held.keys()]
    found += [f"{table} {key}: should not be there" for key in held.keys() - expected.keys()]
    for key in expected.keys() & held.keys():
        for name, value in expected[key].items():
            if held[key].get(name) != value:
                found.append(f"{table} {key} {name}: {held[key].get(name)!r} instead of {value!r}")
    return found
