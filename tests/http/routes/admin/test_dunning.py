"""Operators and dunning over HTTP: it is listed, paused with a reason, and every change leaves a trace."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest

from app.commands.dunning.schedule import calendar_of
from app.events import Change
from app.processes.clock import registry
from app.schedule import clock_jobs
from app.settings import Settings
from tests.commands.dunning.shown.conftest import account, billed, feed
from tests.commands.dunning.shown.journaled import journal, step
from tests.http.routes.admin.test_projections import operator

__all__ = ["account", "billed", "feed", "operator"]

Feed = Callable[[Sequence[Change]], Awaitable[None]]
TODAY = datetime.now(UTC).date()
LATER = (TODAY + timedelta(days=14)).isoformat()
ROOT = "/api/admin/dunning"


@pytest.fixture
async def unpaid(pool: asyncpg.Pool, billed: UUID) -> UUID:
    """The account of an invoice in dunning."""
    await journal(pool, billed, state="grace", slot=3, suspend_on=TODAY + timedelta(days=2))
    await step(pool, billed, "suspension_announced")
    return billed


async def test_dunning_is_listed_and_shown(api: httpx.AsyncClient, operator: dict[str, str], unpaid: UUID) -> None:
    found = (await api.get(ROOT, headers=operator)).json()
    assert [(each["whmcs_invoice_id"], each["state"], each["hold_reason"]) for each in found["items"]] == [
        (77, "grace", None)
    ]
    assert found["counts"]["grace"] == 1
    assert (await api.get(ROOT, params={"in_state": "settled"}, headers=operator)).json()["items"] == []
    shown = (await api.get(f"{ROOT}/77", headers=operator)).json()
    assert [each["step"] for each in shown["steps"]] == ["suspension_announced"]
    assert (await api.get(f"{ROOT}/78", headers=operator)).json()["code"] == "invoice_not_found"


async def test_it_is_held_forgiven_and_goes_on_and_all_of_it_is_audited(
    api: httpx.AsyncClient, operator: dict[str, str], unpaid: UUID, pool: asyncpg.Pool
) -> None:
    body = {"until": LATER, "reason": "disputes the amount"}
    held = await api.post(f"{ROOT}/77/hold", json=body, headers=operator)
    assert (held.status_code, held.json()["until"]) == (200, LATER)
    forgiven = await api.post(f"{ROOT}/77/hold", json={"until": None, "reason": "goodwill"}, headers=operator)
    assert (forgiven.status_code, forgiven.json()["until"]) == (200, None)
    assert (await api.get(ROOT, headers=operator)).json()["counts"]["held"] == 1
    lifted = await api.post(f"{ROOT}/77/lift", json={"reason": "by mistake"}, headers=operator)
    assert [each["hold_id"] for each in lifted.json()["items"]] == [forgiven.json()["hold_id"]]
    again = await api.post(f"{ROOT}/77/lift", json={"reason": "by mistake"}, headers=operator)
    assert (again.status_code, again.json()["code"]) == (404, "no_hold")
    of_account = await api.post(f"{ROOT}/77/hold", json={**body, "whole_account": True}, headers=operator)
    assert (of_account.status_code, of_account.json()["whmcs_invoice_id"]) == (200, None)
    lifted = await api.post(f"{ROOT}/77/lift", json={"reason": "done", "whole_account": True}, headers=operator)
    assert len(lifted.json()["items"]) == 1
    rows = await pool.fetch(
        "SELECT action, target, user_id FROM portal.audit WHERE action LIKE 'dunning.%' ORDER BY id"
    )
    assert [(each["action"], each["target"]) for each in rows] == [
        ("dunning.hold", "invoice 77"),
        ("dunning.forgive", "invoice 77"),
        ("dunning.lift", "invoice 77"),
        ("dunning.hold", str(unpaid)),
        ("dunning.lift", str(unpaid)),
    ]
    assert all(each["user_id"] for each in rows)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("77/hold", {"until": LATER}, 400, "invalid_request"),
        ("77/hold", {"until": LATER, "reason": ""}, 400, "invalid_request"),
        ("77/hold", {"until": "soon", "reason": "x"}, 400, "invalid_request"),
        ("77/hold", {"until": "2020-01-01", "reason": "x"}, 422, "hold_day_invalid"),
        ("78/hold", {"until": LATER, "reason": "x"}, 404, "invoice_not_found"),
        ("77/hold", {"reason": "x"}, 400, "invalid_request"),
        ("77/hold", {"until": None, "reason": "x" * 256}, 400, "invalid_request"),
        ("77/lift", {}, 400, "invalid_request"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    api: httpx.AsyncClient,
    operator: dict[str, str],
    unpaid: UUID,
    pool: asyncpg.Pool,
    path: str,
    body: Any,
    status: int,
    code: str,
) -> None:
    refused = await api.post(f"{ROOT}/{path}", json=body, headers=operator)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert await pool.fetchval("SELECT count(*) FROM portal.dunning_holds") == 0


async def test_the_policy_is_shown(api: httpx.AsyncClient, operator: dict[str, str]) -> None:
    found = (await api.get(f"{ROOT}/policy", headers=operator)).json()
    assert (found["policies"][0]["subject"], found["tasks"][0]["automator"], found["stopped"]) == (
        "usual",
        "whmcs",
        None,
    )


async def test_metrics_count_it(api: httpx.AsyncClient, unpaid: UUID) -> None:
    text = (await api.get("/metrics")).text
    assert 'portal_dunning{state="grace"} 1' in text


async def test_more_suspensions_are_permitted_for_today_with_a_reason_that_is_kept(
    api: httpx.AsyncClient, operator: dict[str, str], pool: asyncpg.Pool, settings: Settings
) -> None:
    ours = msgspec.structs.replace(settings, automate_suspension="portal")
    await clock_jobs.register(pool, registry.registrations(ours))
    today = calendar_of(settings).day_of(datetime.now(UTC))
    for accounts in (45, 50):  # the last one counts
        body = {"accounts": accounts, "reason": "after the outage"}
        answer = await api.post(f"{ROOT}/permit", json=body, headers=operator)
        assert (answer.status_code, answer.json()["accounts"], answer.json()["day"]) == (200, accounts, str(today))
    assert await pool.fetchval("SELECT most FROM portal.suspension_permits WHERE day = $1", today) == 50
    assert await pool.fetchval("SELECT requested_at IS NOT NULL FROM portal.clock_jobs WHERE name = 'suspension'")
    found = await pool.fetch("SELECT target, user_id, detail FROM portal.audit WHERE action = 'suspension.permit'")
    assert [(each["target"], each["detail"]["most"], each["detail"]["reason"]) for each in found] == [
        (str(today), "45", "after the outage"),
        (str(today), "50", "after the outage"),
    ]
    assert all(each["user_id"] for each in found)


@pytest.mark.parametrize(
    "body",
    [
        {"accounts": 45},
        {"accounts": 45, "reason": ""},
        {"accounts": 0, "reason": "x"},
        {"accounts": 1_000_001, "reason": "x"},
        {"accounts": "all", "reason": "x"},
        {"reason": "x"},
    ],
)
async def test_a_permission_needs_a_number_and_a_reason(
    api: httpx.AsyncClient, operator: dict[str, str], pool: asyncpg.Pool, body: Any
) -> None:
    refused = await api.post(f"{ROOT}/permit", json=body, headers=operator)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert await pool.fetchval("SELECT count(*) FROM portal.suspension_permits") == 0


async def test_where_whmcs_suspends_nothing_is_permitted(
    api: httpx.AsyncClient, operator: dict[str, str], pool: asyncpg.Pool, settings: Settings
) -> None:
    await clock_jobs.register(pool, registry.registrations(settings))
    refused = await api.post(f"{ROOT}/permit", json={"accounts": 9, "reason": "x"}, headers=operator)
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_runnable")
    assert await pool.fetchval("SELECT count(*) FROM portal.suspension_permits") == 0


async def test_whoever_takes_up_the_run_finds_the_permission(
    api: httpx.AsyncClient, operator: dict[str, str], pool: asyncpg.Pool, settings: Settings
) -> None:
    """A run between the two would suspend nobody, and the permission would wait for a day that it is not for."""
    ours = msgspec.structs.replace(settings, automate_suspension="portal")
    await clock_jobs.register(pool, registry.registrations(ours))
    await pool.execute(
        "CREATE FUNCTION permitted_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NOT EXISTS (SELECT FROM portal.suspension_permits) THEN RAISE 'requested before it was permitted'; END IF; "
        "RETURN NEW; END $$; "
        "CREATE TRIGGER seen BEFORE UPDATE OF requested_at ON portal.clock_jobs "
        "FOR EACH ROW EXECUTE FUNCTION permitted_first()"
    )
    try:
        answer = await api.post(f"{ROOT}/permit", json={"accounts": 45, "reason": "checked"}, headers=operator)
        assert answer.status_code == 200, answer.text
    finally:
        await pool.execute("DROP TRIGGER seen ON portal.clock_jobs; DROP FUNCTION permitted_first()")
