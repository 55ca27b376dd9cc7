"""`portal services`, as an operator runs it."""

import json
from typing import Any
from uuid import uuid4

import asyncpg

from app.processes.worker import WorkerJobs
from app.resources import open_resources
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.commands.subscriptions.running_services import held, someone_with


async def test_a_service_is_shown_suspended_released_and_ended(
    portal: Any, sandbox: Any, sandbox_settings: Settings, pool: asyncpg.Pool
) -> None:
    async with open_resources(sandbox_settings) as resources:
        desk = Desk(resources, sandbox)
        _, service_id = await someone_with(desk, "hosting")
        assert "is Active." in portal("services", "show", service_id).stdout
        used = json.loads(portal("services", "usage", service_id).stdout)
        assert used["hosting"]["disk_limit_megabytes"]
        suspended = portal("services", "suspend", service_id, "--reason", "Payment overdue", "--json")
        assert json.loads(suspended.stdout)["status"] == "Suspended"
        assert "is Active." in portal("services", "unsuspend", service_id).stdout
        asked = portal("services", "terminate", service_id, "--reason", "abuse")
        assert asked.returncode != 0, "it asks first"
        ended = portal("services", "terminate", service_id, "--reason", "abuse", "--yes")
        assert "is Terminated." in ended.stdout, ended.stderr
        assert (await held(desk, "services", service_id))["status"] == "Terminated"
        await WorkerJobs(resources).sweep()
    unknown = portal("services", "show", "99999999")
    assert (unknown.returncode, "subscription_not_found" in unknown.stderr) == (1, True)
    assert portal("services", "reissue", service_id, "--eid", "12").returncode == 2
    assert await pool.fetchval("SELECT detail ->> 'operator' FROM portal.audit WHERE action = 'service.terminate'")


async def test_changes_of_plan_are_listed_and_tried_again(portal: Any, pool: asyncpg.Pool) -> None:
    assert "No change of plan" in portal("services", "plan-changes").stdout
    change_id = uuid4()
    await pool.execute(
        "INSERT INTO portal.plan_changes (change_id, account_id, subscription_id, whmcs_client_id, command_digest, "
        "category, sku, product_id, product_name, plan_code, state, error_code, error_message) VALUES ($1, $2, '55', "
        "'1001', '', 'hosting', 'HOSTING-PRO', '502', 'Hosting Pro', '', 'failed', 'upstream_rejected', 'No package.')",
        change_id,
        uuid4(),
    )
    listed = portal("services", "plan-changes").stdout
    assert "Hosting Pro" in listed
    assert "upstream_rejected: No package." in listed
    again = portal("services", "plan-changes", "--retry", str(change_id), "--json")
    assert json.loads(again.stdout)["plan_changes"][0]["state"] == "providing"


async def test_changes_planned_for_a_day_are_listed(portal: Any, pool: asyncpg.Pool) -> None:
    assert "No change of plan is scheduled." in portal("services", "scheduled-changes").stdout
    await pool.execute(
        "INSERT INTO portal.scheduled_changes (schedule_id, account_id, subscription_id, whmcs_client_id, "
        "command_digest, present_name, sku, product_name, direction, monthly, effective_date, due_at, "
        "next_attempt_at, version, state, ended_at, error_code, error_message) VALUES ($1, $1, '55', '1', '', "
        "'Hosting Pro', 'HOSTING-BASIC', 'Hosting Basic', 'downgrade', 800, '2026-01-01', now(), now(), 1, 'refused', "
        "now(), 'price_changed', 'Dearer.')",
        uuid4(),
    )
    listed = portal("services", "scheduled-changes").stdout
    assert "2026-01-01" in listed
    assert "price_changed: Dearer." in listed
    [found] = json.loads(portal("services", "scheduled-changes", "--json").stdout)["scheduled_changes"]
    assert (found["state"], found["product_name"]) == ("refused", "Hosting Basic")
