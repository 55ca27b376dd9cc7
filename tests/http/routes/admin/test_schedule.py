"""Operators see the jobs that run by the clock, and have one run; and so do metrics."""

from typing import Any

import asyncpg
import httpx
import pytest

from app.audit import Operator
from app.processes.clock import registry
from app.schedule import clock_jobs, money_stop
from app.settings import Settings
from tests.http.routes.admin.test_projections import operator

__all__ = ["operator"]


@pytest.fixture
async def registered(pool: asyncpg.Pool, settings: Settings) -> None:
    await clock_jobs.register(pool, registry.registrations(settings))


async def test_the_schedule_is_shown(
    api: httpx.AsyncClient, pool: asyncpg.Pool, operator: dict[str, str], registered: None
) -> None:
    await pool.execute("UPDATE portal.clock_jobs SET next_run_at = now() - interval '1 hour' WHERE name = 'mail'")
    await money_stop.stop(pool, Operator(name="aya"), "double charges")
    found = (await api.get("/api/admin/schedule", headers=operator)).json()
    jobs = {each["name"]: each for each in found["jobs"]}
    assert (jobs["mail"]["state"], jobs["clean"]["state"], jobs["captures"]["owner"]) == ("overdue", "waiting", "whmcs")
    assert jobs["mail"]["concern"].startswith("mail is overdue by 3,6")
    assert found["stop"]["reason"] == "double charges"


async def test_a_run_is_requested_once_and_audited(
    api: httpx.AsyncClient, pool: asyncpg.Pool, operator: dict[str, str], registered: None
) -> None:
    for _ in range(2):
        assert (await api.post("/api/admin/schedule/clean/run", headers=operator)).json()["name"] == "clean"
    assert await clock_jobs.due(pool, ["clean", "reconcile"]) == ["clean"]
    for name, status, code in (
        ("nothing", 404, "no_job"),
        ("captures", 409, "job_not_runnable"),
        ("sweep", 409, "job_not_runnable"),
        ("whmcs-daily-run", 409, "job_not_runnable"),
    ):
        refused = await api.post(f"/api/admin/schedule/{name}/run", headers=operator)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert (await api.get("/api/admin/schedule/clean/runs", headers=operator)).json() == {"items": []}
    assert (await api.get("/api/admin/schedule/nothing/runs", headers=operator)).json()["code"] == "no_job"
    assert await pool.fetchval("SELECT count(*) FROM portal.audit WHERE action = 'schedule.run'") == 2


async def metrics(api: httpx.AsyncClient) -> dict[str, float]:
    text = (await api.get("/metrics")).text
    samples = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("portal_")]
    return {name: float(value) for name, value in samples}


async def test_metrics_say_what_is_late(
    api: httpx.AsyncClient, pool: asyncpg.Pool, registered: None, settings: Settings
) -> None:
    before: Any = await metrics(api)
    assert before['portal_job_overdue_seconds{job="clean"}'] == 0
    assert before['portal_job_last_success_seconds{job="clean"}'] == float("inf")
    assert before["portal_whmcs_daily_run_age_seconds"] == float("inf")
    assert before["portal_money_jobs_stopped"] == 0
    await pool.execute(
        "UPDATE portal.clock_jobs SET next_run_at = now() - interval '1 hour', failures = 4, last_seconds = 1.5, "
        "last_done_at = now() - interval '1 day'"
    )
    await pool.execute(
        "INSERT INTO portal.billing_tasks VALUES ('captures', 'portal', now(), 'on', NULL, now()), "
        "('suspension', 'portal', now(), 'off', NULL, now()), ('reminders', 'whmcs', now(), 'on', NULL, now())"
    )
    await money_stop.stop(pool, Operator(name="aya"), "x")
    after: Any = await metrics(api)
    assert 3600 <= after['portal_job_overdue_seconds{job="clean"}'] < 3700
    assert 86_400 <= after['portal_job_last_success_seconds{job="clean"}'] < 86_500
    assert 86_400 <= after["portal_whmcs_daily_run_age_seconds"] < 86_500
    assert (after['portal_job_failures{job="mail"}'], after['portal_job_last_run_seconds{job="mail"}']) == (4, 1.5)
    assert after["portal_money_jobs_stopped"] == 1
    assert [after[f'portal_billing_task_conflict{{task="{task}"}}'] for task in ("captures", "reminders")] == [1, 0]
    assert after['portal_billing_task_conflict{task="suspension"}'] == 0
