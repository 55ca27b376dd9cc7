"""Operators' routes: what they show is what the command line shows, and deciding leaves a trace."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.commands.identity.sessions import session_store
from app.projections.rebuild import requests
from app.projections.registry import projectors
from app.settings import Settings
from tests.fixtures.changes import INVOICE, change
from tests.projections.conftest import feed

__all__ = ["feed"]


@pytest.fixture
async def operator(pool: asyncpg.Pool, settings: Settings) -> dict[str, str]:
    """The header of an operator with a second factor."""
    user_id = uuid4()
    await pool.execute(
        "INSERT INTO portal.users (id, email, password_hash, role) VALUES ($1, 'op@example.jp', 'unused', 'operator')",
        user_id,
    )
    opened = await session_store.open_session(pool, settings, user_id, "203.0.113.7", "test", mfa=True)
    return {"authorization": f"Bearer {opened.token}"}


async def parked(pool: asyncpg.Pool, feed: Any) -> int:
    poison = {**INVOICE, "note": "poison", "lastname": "Hana Sato"}
    await feed([change("whmcs", "invoice", "66", poison, owner_id="client-hana")])
    for version in range(1, 6):
        await pool.execute("UPDATE ingest.inbox SET next_attempt_at = now() - interval '1 second'")
        await feed([change("whmcs", "invoice", "77", INVOICE, at=version, owner_id="client-hana")])
    number: int = await pool.fetchval("SELECT id FROM ingest.dead_letters")
    return number


async def test_dead_letters_are_listed_without_the_person_and_decided_about(
    api: httpx.AsyncClient, pool: asyncpg.Pool, operator: dict[str, str], add_customer: Any, feed: Any
) -> None:
    await add_customer("hana")
    number = await parked(pool, feed)
    listed = await api.get("/api/admin/dead-letters", headers=operator)
    assert [each["id"] for each in listed.json()["items"]] == [number]
    assert "Hana" not in listed.text
    path = f"/api/admin/dead-letters/{number}"
    assert (await api.post(f"{path}/retry", headers=operator)).json() == {"ids": [number], "already": []}
    assert (await api.post(f"{path}/discard", json={"reason": "x"}, headers=operator)).json()["already"] == [number]
    assert (await api.post("/api/admin/dead-letters/999/retry", headers=operator)).status_code == 404
    actions = [row["action"] for row in await pool.fetch("SELECT action FROM portal.audit WHERE user_id IS NOT NULL")]
    assert "dead_letter.retry" in actions
    assert actions.count("staff_access") == 4


async def test_projections_show_and_a_rebuild_can_be_asked_for(
    api: httpx.AsyncClient, pool: asyncpg.Pool, operator: dict[str, str], settings: Settings
) -> None:
    found = (await api.get("/api/admin/projections", headers=operator)).json()
    assert {each["slice"] for each in found["generations"]} == {each.name for each in projectors(settings)}
    assert found["measures"]["lanes"]
    assert (await api.post("/api/admin/projections/nothing/rebuild", headers=operator)).status_code == 404
    for _ in range(2):
        assert (await api.post("/api/admin/projections/invoices/rebuild", headers=operator)).status_code == 202
    wanted = await requests.pending(pool, projectors(settings))
    assert [each.name for each in wanted] == ["invoices"]
    await requests.done(pool, "invoices")
    assert await requests.pending(pool, projectors(settings)) == []


async def test_a_row_is_explained_for_its_own_account_alone(
    api: httpx.AsyncClient, operator: dict[str, str], add_customer: Any, feed: Any
) -> None:
    hana: UUID = await add_customer("hana")
    kenji: UUID = await add_customer("kenji")
    await feed([change("whmcs", "invoice", "77", INVOICE, owner_id="client-hana")])
    found = await api.get(f"/api/admin/accounts/{hana}/explain/invoices/77", headers=operator)
    assert found.json()["rows"][0]["item_id"] == "77"
    for path in (f"{kenji}/explain/invoices/77", f"{hana}/explain/nothing/77", f"{hana}/explain/invoices/78"):
        assert (await api.get(f"/api/admin/accounts/{path}", headers=operator)).status_code == 404


async def test_the_provisioning_queue_shows_and_is_decided_about(
    api: httpx.AsyncClient, pool: asyncpg.Pool, operator: dict[str, str], add_customer: Any
) -> None:
    account_id = await add_customer("hana")
    await pool.execute(
        "INSERT INTO portal.fulfilments (order_id, account_id, state, step, error_code) "
        "VALUES ('801A', $1, 'failed', 'sim', 'FREEBIT_REJECTED')",
        account_id,
    )
    listed = (await api.get("/api/admin/fulfilments", headers=operator)).json()
    assert [(each["order_id"], each["error_code"]) for each in listed["items"]] == [("801A", "FREEBIT_REJECTED")]
    assert listed["counts"] == [{"state": "failed", "error_code": "FREEBIT_REJECTED", "count": 1}]
    assert 'portal_fulfilments{state="failed",error="FREEBIT_REJECTED"} 1' in (await api.get("/metrics")).text
    assert (await api.get("/api/admin/fulfilments/801A", headers=operator)).json()["tried"] == []
    retried = await api.post("/api/admin/fulfilments/801A/retry", headers=operator)
    assert retried.json()["fulfilment"]["state"] == "running"
    await pool.execute("UPDATE portal.fulfilments SET state = 'done'")
    refused = await api.post("/api/admin/fulfilments/801A/cancel", json={"reason": "x"}, headers=operator)
    assert (refused.status_code, refused.json()["code"]) == (409, "fulfilment_over")
    refused = await api.post("/api/admin/fulfilments/801A/skip", json={"reason": "x"}, headers=operator)
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_skip")
    await pool.execute(
        "INSERT INTO portal.provision_steps (order_id, position, step, state, error_code) "
        "VALUES ('801A', 1, 'setup_ssl', 'failed', 'CERTIFICATE_NOT_ISSUED')"
    )
    [listed] = (await api.get("/api/admin/fulfilments", headers=operator)).json()["items"]
    assert (listed["provision_state"], listed["provision_error_code"]) == ("failed", "CERTIFICATE_NOT_ISSUED")
    skipped = await api.post("/api/admin/fulfilments/801A/skip", json={"reason": "x"}, headers=operator)
    assert [each["state"] for each in skipped.json()["provision"]] == ["skipped"]
    assert (await api.get("/api/admin/fulfilments", headers=operator)).json()["items"] == []
    assert (await api.get("/api/admin/fulfilments/801B", headers=operator)).json()["code"] == "no_fulfilment"
