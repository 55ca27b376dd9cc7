"""Backfill and reconciliation over the sandbox: everything is read, nothing newer overwritten, silent changes heal."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from app.clock import now
from app.ingest.catch_up import backfill
from app.ingest.catch_up.backfill import Backfill
from app.ingest.catch_up.reconcile import Reconcile
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.salesforce import records
from app.integrations.salesforce.wire import FIELDS
from app.resources import Resources, open_resources
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.commands.subscriptions.running_services import someone_with

COUNT = "SELECT count(*) FROM mirror.records WHERE source = 'salesforce' AND object = $1 AND NOT deleted"


def salesforce_id(fifteen: str) -> str:
    """Return the 18-character spelling: three letters that encode which of the fifteen are capitals."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    parts = [fifteen[start : start + 5] for start in (0, 5, 10)]
    return fifteen + "".join(letters[sum(1 << n for n, c in enumerate(part) if c.isupper())] for part in parts)


GONE = salesforce_id("01t00000GONE000")


@pytest.fixture
async def resources(
    sandbox: Any, sandbox_settings: Settings, pool: asyncpg.Pool, redis: Redis
) -> AsyncIterator[Resources]:
    async with open_resources(sandbox_settings, pool_size=12) as opened:
        yield opened


@pytest.fixture
def desk(resources: Resources, sandbox: Any) -> Desk:
    return Desk(resources, sandbox)


@pytest.fixture
def run(resources: Resources) -> Reconcile:
    return Reconcile(resources.pool, resources.inbox, Upstreams(resources.salesforce, resources.whmcs))


async def test_everything_is_read_and_a_stopped_run_goes_on(
    desk: Desk, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "PAGE", 40)
    steps = Backfill(desk.pool, resources.inbox).salesforce(resources.salesforce)
    async for step in steps:
        if step.name == "Order":
            break
    await steps.aclose()
    stopped = await desk.pool.fetchval(
        "SELECT state FROM ingest.progress WHERE operation = 'backfill:salesforce:Order'"
    )
    assert (stopped["done"], stopped["finished"]) == (40, False)
    names = []
    async for step in Backfill(desk.pool, resources.inbox).salesforce(resources.salesforce):
        names.append((step.name, step.done))
    assert names[0] == ("Order", 80), "parts that were done are not read again"
    await desk.settle()
    for name in backfill.OBJECTS:
        assert await desk.pool.fetchval(COUNT, name) == await resources.salesforce.count(name)


async def test_a_page_that_was_read_before_a_change_does_not_overwrite_it(desk: Desk, resources: Resources) -> None:
    read_at = now()
    (row,) = await resources.salesforce.query(f"SELECT {', '.join(FIELDS['Order'])} FROM Order ORDER BY Id LIMIT 1")
    page = [records.change("Order", row, origin="backfill", read_at=read_at)]
    await asyncio.sleep(1.1)  # Salesforce stamps to the second, and the change shall be a later one
    patched = await desk.sandbox.control.patch(f"/salesforce/Order/{row['Id']}", json={"Status": "Rejected"})
    patched.raise_for_status()
    await desk.news(row["Id"])
    await resources.inbox.submit(page)
    await desk.settle()
    held = await desk.pool.fetchrow("SELECT data, version FROM mirror.records WHERE record_id = $1", row["Id"])
    assert held["data"]["Status"] == "Rejected"
    assert held["version"] > page[0].version
    outcome = "SELECT outcome FROM ingest.inbox WHERE origin = 'backfill'"
    assert await desk.pool.fetchval(outcome) == "stale"


async def test_what_linked_customers_have_in_whmcs_is_read(desk: Desk, resources: Resources) -> None:
    await desk.customer()
    await desk.pool.execute("DELETE FROM mirror.records WHERE source = 'whmcs' AND object IN ('invoice', 'service')")
    async for step in Backfill(desk.pool, resources.inbox).whmcs():
        assert step.done == step.total == 1
    await desk.settle()
    assert await desk.pool.fetchval("SELECT count(*) FROM mirror.records WHERE object = 'invoice'")


async def test_a_silent_change_in_whmcs_is_found_counted_and_healed(desk: Desk, run: Reconcile) -> None:
    actor = await desk.customer()
    await desk.reread("products", "all")
    clean = [each async for each in run.whmcs()]
    await desk.settle()
    assert all(each.checked for each in clean if each.object not in ("service", "cancel_request")), clean
    assert not any(each.differing for each in clean), clean
    invoice_id = await desk.pool.fetchval("SELECT invoice_id FROM read_model.invoices WHERE status = 'unpaid' LIMIT 1")
    if invoice_id is None:
        invoice_id = await desk.pool.fetchval("SELECT invoice_id FROM read_model.invoices LIMIT 1")
    body = {"notes": "changed by nobody", "status": "Cancelled", "silent": True}
    (await desk.sandbox.control.patch(f"/whmcs/invoices/{invoice_id}", json=body)).raise_for_status()
    found = {each.object: each async for each in run.whmcs()}
    await desk.settle()
    assert found["invoice"].differing == 1
    status = "SELECT status FROM read_model.invoices WHERE account_id = $1 AND invoice_id = $2"
    assert await desk.pool.fetchval(status, actor.account_id, invoice_id) == "cancelled"
    drift = await desk.pool.fetchrow(
        "SELECT checked, differing FROM ingest.drift WHERE object = 'invoice' ORDER BY id DESC"
    )
    assert drift["differing"] == 1


async def test_a_change_without_an_event_is_found_by_its_timestamp(
    desk: Desk, resources: Resources, run: Reconcile
) -> None:
    async for _ in Backfill(desk.pool, resources.inbox).salesforce(resources.salesforce):
        pass
    await desk.settle()
    record_id = await desk.pool.fetchval("SELECT record_id FROM mirror.records WHERE object = 'Product2' LIMIT 1")
    await desk.pool.execute(
        'UPDATE mirror.records SET data = data || \'{"Name": "Damaged"}\' WHERE record_id = $1', record_id
    )
    await desk.pool.execute("DELETE FROM mirror.records WHERE object = 'PricebookEntry'")
    missing = await resources.salesforce.count("PricebookEntry")
    found = {each.object: each async for each in run.salesforce()}
    assert found["Product2"].differing >= 1
    assert found["PricebookEntry"].differing >= missing
    await desk.settle()
    data = await desk.pool.fetchval("SELECT data FROM mirror.records WHERE record_id = $1", record_id)
    assert data["Name"] != "Damaged"
    assert await desk.pool.fetchval(COUNT, "PricebookEntry") == missing
    again = {each.object: each async for each in run.salesforce()}
    assert {name: each.differing for name, each in again.items()} == dict.fromkeys(again, 0)


async def test_a_record_that_is_gone_without_a_trace_is_found_by_its_id_and_named(
    desk: Desk, resources: Resources, run: Reconcile
) -> None:
    async for _ in Backfill(desk.pool, resources.inbox).salesforce(resources.salesforce, ["Product2"]):
        pass
    await desk.settle()
    await desk.pool.execute(
        f"INSERT INTO mirror.records SELECT source, object, '{GONE}', parent_id, owner_id, data, version, "
        "deleted, occurred_at, now() - interval '1 hour' FROM mirror.records "
        "WHERE object = 'Product2' LIMIT 1"
    )
    found = {each.object: each async for each in run.salesforce()}
    assert found["Product2"].differing == 1
    async with asyncio.timeout(60):
        while not (letter := await desk.pool.fetchrow("SELECT record_id, error FROM ingest.dead_letters")):
            await desk.work.sweep()
    assert letter["record_id"] == GONE
    assert "DELETION_UNPROVEN" in letter["error"]
    gone = f"SELECT deleted FROM mirror.records WHERE record_id = '{GONE}'"
    assert await desk.pool.fetchval(gone) is False


async def test_a_list_that_cannot_be_read_is_counted_and_every_other_is_compared(
    desk: Desk, run: Reconcile, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = await desk.customer(), await desk.customer(number=1)
    await desk.sandbox.fault("whmcs", "garbage", operation="GetClientsProducts", count=3)  # a read is repeated twice
    found = {each.object: each async for each in run.whmcs()}
    await desk.settle()
    assert found["service"].failed == 1
    assert "UpstreamMalformed" in (found["service"].error or "")
    assert {name: each.failed for name, each in found.items() if name != "service"} == dict.fromkeys(
        found.keys() - {"service"}, 0
    )
    state = await desk.pool.fetchval(
        "SELECT state FROM ingest.progress WHERE operation = 'reconcile:whmcs:client_services'"
    )
    assert len(state["failed"]) == 1
    assert {first.whmcs_client_id, second.whmcs_client_id} >= state["failed"].keys()
    found = {each.object: each async for each in run.whmcs()}
    assert found["service"].failed == 0
    assert await desk.pool.fetchval("SELECT count(*) FROM ingest.progress WHERE state -> 'failed' <> '{}'") == 0


async def test_unreadable_customers_do_not_stop_the_backfill(desk: Desk, run: Reconcile) -> None:
    await desk.customer()
    await desk.customer(number=1)
    both = [row["id"] for row in await desk.pool.fetch("SELECT whmcs_client_id AS id FROM portal.id_mappings")]
    await run._remember("client_services", both[:1], [])
    assert await run._longest_ago("client_services", 1) == [both[1], both[0]]


async def test_one_object_that_fails_does_not_stop_the_next(desk: Desk, run: Reconcile) -> None:
    await desk.sandbox.fault("salesforce", "status", "query", count=3, status=500)
    found = [each async for each in run.salesforce()]
    assert [each.object for each in found] == list(backfill.OBJECTS)
    assert sum(each.failed for each in found) >= 1
    assert any(not each.failed for each in found), found


async def test_a_request_to_cancel_that_no_hook_announced_is_found(desk: Desk, run: Reconcile) -> None:
    _, service_id = await someone_with(desk, "sim")
    params = {"serviceid": service_id, "type": "Immediate", "reason": "by phone"}
    await desk.resources.whmcs.call("AddCancelRequest", params, write=True, timeout_seconds=30)
    [found] = [each async for each in run.whmcs() if each.object == "cancel_request"]
    await desk.settle()
    assert (found.checked, found.differing) == (1, 1)
    held = "SELECT cancellation FROM read_model.subscriptions WHERE subscription_id = $1"
    assert await desk.pool.fetchval(held, service_id) == "now"
    data = await desk.pool.fetchval("SELECT data FROM mirror.records WHERE object = 'cancel_request'")
    assert set(data) == {"type", "date"}, "the reason stays in WHMCS"
