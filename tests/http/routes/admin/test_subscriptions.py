"""Operators and running services over HTTP: deciding leaves a trace, ending asks twice."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.commands.identity.sessions import session_store
from app.settings import Settings
from tests.http.routes.test_subscriptions import api, owner_of, worker

__all__ = ["api", "worker"]


@pytest.fixture
async def operator(pool: asyncpg.Pool, sandbox_settings: Settings) -> dict[str, str]:
    """The header of an operator with a second factor."""
    user_id = uuid4()
    await pool.execute(
        "INSERT INTO portal.users (id, email, password_hash, role) VALUES ($1, 'op@example.jp', 'unused', 'operator')",
        user_id,
    )
    opened = await session_store.open_session(pool, sandbox_settings, user_id, "203.0.113.7", "test", mfa=True)
    return {"authorization": f"Bearer {opened.token}"}


async def test_hosting_is_suspended_and_released_and_the_customer_reads_it_at_once(
    api: httpx.AsyncClient, sandbox: Any, worker: None, operator: dict[str, str], pool: asyncpg.Pool
) -> None:
    customer, service_id = await owner_of(api, sandbox, "Hosting")
    path = f"/api/admin/subscriptions/{service_id}"
    assert (await api.get(path, headers=operator)).json()["status"] == "Active"
    body = {"reason": "Overdue on Payment"}
    done = await api.post(f"{path}/suspend", json=body, headers=operator)
    assert (done.status_code, done.json()["status"]) == (200, "Suspended"), done.text
    shown = (await api.get(f"/api/subscriptions/{service_id}", headers=customer)).json()
    assert shown["status_text"].startswith("Suspended because a payment is overdue.")
    link = await api.post(f"/api/subscriptions/{service_id}/control-panel-link", headers=customer)
    assert (link.status_code, link.json()["code"]) == (409, "subscription_not_active")
    done = await api.post(f"{path}/unsuspend", headers=operator)
    assert done.json()["status"] == "Active"
    used = await api.post(f"{path}/usage", headers=operator)
    assert used.json()["hosting"]["suspended"] is False
    synced = await api.post(f"{path}/sync-plan", headers=operator)
    assert synced.status_code == 200
    unsure = await api.post(f"{path}/terminate", json={"reason": "x", "confirm": "yes"}, headers=operator)
    assert (unsure.status_code, unsure.json()["errors"][0]["field"]) == (400, "confirm")
    ended = await api.post(f"{path}/terminate", json={"reason": "x", "confirm": service_id}, headers=operator)
    assert ended.json()["status"] == "Terminated"
    actions = [
        row["action"] for row in await pool.fetch("SELECT action FROM portal.audit WHERE target = $1", service_id)
    ]
    assert actions == ["service.suspend", "service.unsuspend", "service.sync_plan", "service.terminate"]


async def test_an_unknown_service_is_a_404(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    absent = await api.get("/api/admin/subscriptions/99999999", headers=operator)
    assert (absent.status_code, absent.json()["code"]) == (404, "subscription_not_found")
    reissue = await api.post("/api/admin/subscriptions/1/reissue", json={"eid": "12"}, headers=operator)
    assert reissue.status_code == 400
    assert (await api.get("/api/admin/plan-changes", headers=operator)).json() == {"items": []}
    assert (await api.get("/api/admin/scheduled-changes", headers=operator)).json() == {"items": []}
    retry = await api.post(f"/api/admin/plan-changes/{uuid4()}/retry", headers=operator)
    assert (retry.status_code, retry.json()["code"]) == (404, "no_plan_change")


async def test_what_was_refused_and_what_waits_is_listed_and_counted(
    api: httpx.AsyncClient, sandbox: Any, worker: None, operator: dict[str, str], pool: asyncpg.Pool
) -> None:
    _, service_id = await owner_of(api, sandbox, "Hosting")
    for state, ended, code in (
        ("refused", "now()", "price_changed"),
        ("waiting", "NULL", None),
        ("done", "now()", None),
    ):
        await pool.execute(
            "INSERT INTO portal.scheduled_changes (schedule_id, account_id, subscription_id, whmcs_client_id, "
            "command_digest, present_name, sku, product_name, direction, monthly, effective_date, due_at, "
            "next_attempt_at, version, state, ended_at, error_code) VALUES ($1, $1, $2, '1', '', 'Hosting Pro', "
            "'HOSTING-BASIC', 'Hosting Basic', 'downgrade', 800, '2026-01-01', '2026-01-01', 'infinity', 1, $3, "
            f"{ended}, $4)",
            uuid4(),
            service_id,
            state,
            code,
        )
    listed = (await api.get("/api/admin/scheduled-changes", headers=operator)).json()["items"]
    assert [(each["state"], each["error_code"]) for each in listed] == [("refused", "price_changed"), ("waiting", None)]
    assert len((await api.get("/api/admin/scheduled-changes?limit=1", headers=operator)).json()["items"]) == 1
    story = (await api.get(f"/api/admin/subscriptions/{service_id}", headers=operator)).json()
    assert sorted(each["state"] for each in story["scheduled_changes"]) == ["done", "refused", "waiting"]
    metrics = (await api.get("/metrics")).text
    for state in ("waiting", "late", "refused"):
        assert f'portal_scheduled_changes{{state="{state}"}} 1' in metrics
