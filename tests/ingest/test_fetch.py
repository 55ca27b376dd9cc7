"""Hints: read again once, answered through the inbox, waited for, and never parked because an upstream is away."""

import asyncio
from typing import Any

import pytest

from app.ingest.accounts import whmcs_hint
from app.resources import Resources
from tests.linked import settle

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
