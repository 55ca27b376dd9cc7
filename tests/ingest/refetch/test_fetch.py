"""Hints: read again once, answered through the inbox, waited for, and never parked because an upstream is away."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from app.clock import now
from app.errors import UpstreamUnavailable
from app.ingest.apply.drain import ATTEMPTS
from app.ingest.inbox import claims, inbox
from app.ingest.refetch import fetch, lists
from app.ingest.refetch.owners import account_history_hint, whmcs_hint
from app.ingest.refetch.upstreams import Pauses
from app.processes.worker import WorkerJobs
from app.resources import Resources
from tests.fixtures.linked import settle

DUE = "UPDATE ingest.inbox SET next_attempt_at = now() - interval '1 second' WHERE settled_at IS NULL"


@pytest.fixture
def client_id(sandbox: Any) -> str:
    return str(sandbox.customer(with_whmcs=True)["whmcs_client_id"])


async def test_a_hint_is_answered_and_its_submission_waits_for_the_answer(resources: Resources, client_id: str) -> None:
    submission = await resources.inbox.submit([whmcs_hint("client", client_id, "test")])
    assert submission is not None
    assert not await resources.inbox.settled(submission, 0.05)
    await settle(resources)
    assert await resources.inbox.settled(submission, 1)
    row = await resources.pool.fetchrow("SELECT data FROM mirror.records WHERE object = 'client'")
    assert row["data"]["id"] == client_id
    assert "password" not in str(row["data"]).lower()


async def test_the_same_reason_asks_once(resources: Resources, client_id: str) -> None:
    assert await resources.inbox.submit([whmcs_hint("client", client_id, "test")]) is not None
    assert await resources.inbox.submit([whmcs_hint("client", client_id, "test")]) is None


async def test_while_the_upstream_is_down_a_hint_waits_and_is_never_parked(
    sandbox: Any, resources: Resources, client_id: str
) -> None:
    await sandbox.fault("whmcs", "down", count=None)
    submission = await resources.inbox.submit([whmcs_hint("client", client_id, "test")])
    for _ in range(7):
        await resources.pool.execute(DUE)
        await settle(resources)
    assert await resources.pool.fetchval("SELECT count(*) FROM ingest.dead_letters") == 0
    await sandbox.clear_faults()
    async with asyncio.timeout(60):  # the breaker lets a probe through after its pause
        while not await resources.inbox.settled(submission or 0, 0.5):
            await resources.pool.execute(DUE)
            await settle(resources)


async def test_an_answer_that_cannot_be_read_is_counted_parks_and_heals_with_the_next_hint(
    sandbox: Any, resources: Resources, client_id: str
) -> None:
    await sandbox.fault("whmcs", "garbage", operation="GetClientsProducts", count=None)
    await resources.inbox.submit([whmcs_hint("client_services", client_id, "first")])
    for _ in range(ATTEMPTS):
        await resources.pool.execute(DUE)
        await settle(resources)
    letters = "SELECT source, object, record_id, resolution FROM ingest.dead_letters"
    assert [tuple(row) for row in await resources.pool.fetch(letters)] == [
        ("whmcs", "client_services", client_id, None)
    ]
    await resources.inbox.submit([whmcs_hint("client_services", client_id, "still unreadable")])
    await settle(resources)
    assert len(await resources.pool.fetch(letters)) == 1, "one letter a record"
    await sandbox.clear_faults()
    await resources.inbox.submit([whmcs_hint("client_services", client_id, "second")])
    await settle(resources)
    assert [row["resolution"] for row in await resources.pool.fetch(letters)] == ["superseded"]
    assert await resources.pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL") == 0


async def test_refused_credentials_are_counted(sandbox: Any, resources: Resources, client_id: str) -> None:
    denied = {"denied_actions": ["GetPayMethods"]}
    (await sandbox.control.put("/whmcs/access", json=denied)).raise_for_status()
    await resources.inbox.submit([whmcs_hint("pay_methods", client_id, "test")])
    await settle(resources)
    assert await resources.pool.fetchval("SELECT attempts FROM ingest.inbox") == 1
    (await sandbox.control.put("/whmcs/access", json={"denied_actions": []})).raise_for_status()


async def test_a_hint_about_an_unreadable_record_fails_alone(resources: Resources, client_id: str) -> None:
    unknown = structs.replace(whmcs_hint("client", client_id, "odd"), object="horoscope")
    await resources.inbox.submit([unknown, whmcs_hint("client", client_id, "good")])
    await settle(resources)
    rows = {row["object"]: row for row in await resources.pool.fetch("SELECT * FROM ingest.inbox WHERE kind = 'hint'")}
    assert (rows["horoscope"]["attempts"], rows["horoscope"]["settled_at"]) == (1, None)
    assert rows["client"]["outcome"] == "refetched"


async def test_while_an_upstream_is_away_it_is_asked_once_a_round_and_no_hint_is_counted(
    sandbox: Any, resources: Resources
) -> None:
    """Back-off is the upstream's: with its first answer everything goes on."""
    await sandbox.fault("whmcs", "status", count=None)
    hints = [whmcs_hint("client", str(9_000 + n), "outage") for n in range(80)]
    await resources.inbox.submit(hints)
    await WorkerJobs(resources).sweep()
    calls = [call for call in await sandbox.calls("whmcs") if call.get("operation") == "GetClientsDetails"]
    assert len(calls) <= 3 * inbox.SHARDS, "one question, repeated a little, a shard at most"
    assert await resources.pool.fetchval("SELECT max(attempts) FROM ingest.inbox") == 0
    due = "SELECT count(*) FROM ingest.inbox WHERE next_attempt_at > now() + interval '10 seconds'"
    assert await resources.pool.fetchval(due) == 0
    await sandbox.clear_faults()
    async with asyncio.timeout(60):
        while await resources.pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL"):
            await WorkerJobs(resources).sweep()
            await asyncio.sleep(0.1)


async def test_the_other_upstreams_hints_go_on(sandbox: Any, resources: Resources, client_id: str) -> None:
    await sandbox.fault("whmcs", "status", count=None)
    account = sandbox.customer(with_whmcs=True)["salesforce_account_id"]
    await resources.inbox.submit([whmcs_hint("client", client_id, "w"), account_history_hint(account, "s")])
    work = WorkerJobs(resources)
    for _ in range(3):
        await work.sweep()
    assert await resources.pool.fetchval("SELECT count(*) FROM mirror.records WHERE object = 'Account'") == 1
    assert await resources.pool.fetchval("SELECT outcome FROM ingest.inbox WHERE event_id LIKE 'w:%'") is None


async def test_a_pause_ends_when_the_upstream_says_and_never_lasts_long() -> None:
    pauses = Pauses()
    error = UpstreamUnavailable("whmcs", "x")
    assert 1 <= pauses.pause("whmcs", error) <= 2
    error.retry_after_seconds = 3600
    assert pauses.pause("whmcs", error) <= 6
    assert pauses.away() == ["whmcs"]


async def test_a_member_that_cannot_be_stored_keeps_no_other_from_being(resources: Resources, client_id: str) -> None:
    await resources.inbox.submit([whmcs_hint("client_services", client_id, "test")])
    changes = [
        lists.gone(whmcs_hint("client_services", client_id, "x"), "service", number, now())
        for number in ("1", "2\x00", "3")
    ]
    async with resources.pool.acquire() as connection:
        for shard in range(inbox.SHARDS):
            if entries := await claims.claim(connection, "fetch", shard, 20):
                marker = lists.marker("whmcs", "client_services", client_id, [], now())
                await fetch._record(connection, entries, [*changes, marker])
    rows = await resources.pool.fetch("SELECT object, record_id FROM ingest.inbox WHERE settled_at IS NULL ORDER BY id")
    kept = [tuple(row) for row in rows if row["object"] != "unstorable"]
    assert kept == [("service", "1"), ("service", "3"), ("client_services", client_id)]
    assert await resources.pool.fetchval("SELECT count(*) FROM ingest.dead_letters WHERE object = 'unstorable'") == 1


async def test_a_record_that_is_gone_upstream_is_gone_from_the_mirror(
    sandbox: Any, resources: Resources, client_id: str
) -> None:
    link = await sandbox.control.post(f"/whmcs/clients/{client_id}/pay-methods", json={"silent": True})
    assert link.status_code == 200
    await resources.inbox.submit([whmcs_hint("pay_methods", client_id, "before")])
    await settle(resources)
    held = "SELECT count(*) FROM mirror.records WHERE object = 'pay_method' AND NOT deleted AND owner_id = $1"
    before = await resources.pool.fetchval(held, client_id)
    await sandbox.control.post("/reset")
    await resources.inbox.submit([whmcs_hint("pay_methods", client_id, "after")])
    await settle(resources)
    assert await resources.pool.fetchval(held, client_id) == before - 1
