"""A re-read that was overtaken is asked for again, until the mirror holds what Salesforce holds."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from app.clock import now
from app.events import Change, milliseconds
from app.ingest.inbox import claims, inbox
from app.ingest.refetch import fetch, rereads
from app.ingest.refetch.fetchers import FETCHERS
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.salesforce import records
from app.integrations.salesforce.wire import FIELDS
from app.resources import Resources
from tests.fixtures.linked import settle

ACTIVATION = "Activation_Status__c"


async def until_quiet(resources: Resources) -> None:
    async with asyncio.timeout(60):
        while await resources.pool.fetchval("SELECT EXISTS (SELECT FROM ingest.inbox WHERE settled_at IS NULL)"):
            await settle(resources)
            await asyncio.sleep(0.05)


async def order(resources: Resources) -> dict[str, Any]:
    rows = await resources.salesforce.query(f"SELECT {', '.join(FIELDS['Order'])} FROM Order ORDER BY Id LIMIT 1")
    return rows[0]


def told(row: dict[str, Any], data: dict[str, Any], **more: Any) -> Change:
    """Return the event of the write that left the row as it is."""
    whole = records.change("Order", row, origin="refetch", read_at=now())
    return replace(whole, kind="partial", origin="cdc", data=data, read_at=None, event_id=str(now()), **more)


async def held(resources: Resources) -> Any:
    return await resources.pool.fetchval("SELECT data FROM mirror.records WHERE object = 'Order'")


async def test_what_an_echo_told_survives_an_edit_that_overtakes_its_reread(sandbox: Any, resources: Resources) -> None:
    row = await order(resources)
    path = f"/salesforce/Order/{row['Id']}"
    (await sandbox.control.patch(path, json={ACTIVATION: "Failed"})).raise_for_status()
    row = await order(resources)
    before = records.change("Order", {**row, ACTIVATION: "Activating"}, origin="command", read_at=now())
    await resources.inbox.submit([before])
    await settle(resources)
    await resources.inbox.submit([told(row, {ACTIVATION: "Failed"}, echo=True)])
    await _apply_only(resources)
    assert (await held(resources))[ACTIVATION] == "Activating", "it contradicts within one second: it must be read"

    upstreams = Upstreams(resources.salesforce, resources.whmcs)
    async with resources.pool.acquire() as connection:
        shard = inbox.shard_of(before)
        entries = await claims.claim(connection, "fetch", shard, 20)
        assert [entry.change.kind for entry in entries] == ["hint"]
        answer = await FETCHERS["salesforce", "Order"](upstreams, connection, entries[0].change)
        await asyncio.sleep(1.1)  # the edit shall bear a later second
        (await sandbox.control.patch(path, json={"BillingCity": "Nagoya"})).raise_for_status()
        await resources.inbox.submit([told(await order(resources), {"BillingCity": "Nagoya"})])
        await _apply_only(resources)
        await fetch._record(connection, entries, answer)
    await until_quiet(resources)
    data = await held(resources)
    assert (data[ACTIVATION], data["BillingCity"]) == ("Failed", "Nagoya")
    outcomes = [row["outcome"] for row in await resources.pool.fetch("SELECT outcome FROM ingest.inbox ORDER BY id")]
    assert outcomes.count("reread") == 2, "the echo, and the answer that was overtaken"


async def test_a_record_held_deleted_that_lives_is_drift_and_heals(sandbox: Any, resources: Resources) -> None:
    from app.ingest.catch_up.reconcile import Reconcile

    row = await order(resources)
    alive = records.change("Order", row, origin="backfill", read_at=now())
    await resources.inbox.submit([alive])
    await settle(resources)
    late = now() + timedelta(milliseconds=1)
    gone = replace(alive, kind="deleted", data={}, event_id="gone", read_at=late, version=milliseconds(late))
    await resources.inbox.submit([gone])
    await settle(resources)
    deleted = "SELECT deleted FROM mirror.records WHERE record_id = $1"
    assert await resources.pool.fetchval(deleted, row["Id"])
    run = Reconcile(resources.pool, resources.inbox, Upstreams(resources.salesforce, resources.whmcs))
    await resources.pool.execute("UPDATE mirror.records SET occurred_at = occurred_at - interval '1 hour'")
    found = {each.object: each async for each in run.salesforce()}
    assert found["Order"].differing >= 1
    await until_quiet(resources)
    assert not await resources.pool.fetchval(deleted, row["Id"])


def test_what_can_be_read_again_is_what_has_a_fetcher() -> None:
    asked_otherwise = {("salesforce", "merge"), ("salesforce", "undecodable"), ("whmcs", "merge")}
    asked_otherwise |= {(source, "unstorable") for source in ("salesforce", "whmcs", "portal", "whm")}
    assert FETCHERS.keys() - asked_otherwise == rereads.ONE_BY_ONE


@pytest.mark.parametrize(
    ("source", "member", "asked"),
    [
        ("whmcs", "pay_method", ("pay_methods", "1001")),
        ("whmcs", "gateway", ("gateways", "all")),
        ("whmcs", "invoice", ("invoice", "7")),
        ("salesforce", "Order", ("Order", "7")),
        ("portal", "account", None),
        ("whmcs", "upgrade", None),
    ],
)
def test_members_are_read_with_their_list(source: Any, member: str, asked: tuple[str, str] | None) -> None:
    wish = rereads.hint(source, member, "7", "1001", reason="test", version=1, occurred_at=now())
    assert (wish and (wish.object, wish.record_id)) == asked


async def _apply_only(resources: Resources) -> None:
    from app.processes.worker import WorkerJobs

    work = WorkerJobs(resources)
    for lane, shard in await inbox.open_shards(resources.pool):
        if lane == "apply":
            await work.apply(shard)
