"""`portal fulfilments`, as an operator runs it."""

import json
from typing import Any
from uuid import uuid4

import asyncpg


async def test_the_queue_is_listed_shown_and_retried(portal: Any, pool: asyncpg.Pool) -> None:
    assert "Nothing is waiting" in portal("fulfilments").stdout
    await pool.execute(
        "INSERT INTO portal.fulfilments (order_id, account_id, state, step, error_code, error_message) "
        "VALUES ('8015h0000000001AAA', $1, 'paused', 'check_payment', 'PAYMENT_METHOD_MISSING', 'No card.')",
        uuid4(),
    )
    await pool.execute(
        "INSERT INTO portal.fulfilment_steps (order_id, step, attempt, outcome, detail) "
        "VALUES ('8015h0000000001AAA', 'check_payment', 1, 'pause', $1)",
        {"code": "PAYMENT_METHOD_MISSING"},
    )
    listed = portal("fulfilments")
    assert "8015h0000000001AAA" in listed.stdout
    assert "PAYMENT_METHOD_MISSING: No card." in listed.stdout
    shown = portal("fulfilments", "show", "8015h0000000001AAA")
    assert "pause" in shown.stdout
    retried = portal("fulfilments", "retry", "8015h0000000001AAA", "--json")
    assert json.loads(retried.stdout)["fulfilment"]["state"] == "running"
    unknown = portal("fulfilments", "show", "801")
    assert (unknown.returncode, "approved in Salesforce" in unknown.stderr) == (1, True)
    assert await pool.fetchval("SELECT detail ->> 'operator' FROM portal.audit WHERE action = 'fulfilment.retry'")


async def test_an_active_order_is_listed_while_something_is_not_set_up(portal: Any, pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO portal.fulfilments (order_id, account_id, state, step) VALUES ('801B', $1, 'done', 'complete')",
        uuid4(),
    )
    await pool.execute(
        "INSERT INTO portal.provision_steps (order_id, position, step, state, error_code, error_message) VALUES "
        "('801B', 1, 'create_database', 'done', NULL, NULL), "
        "('801B', 2, 'setup_ssl', 'failed', 'CERTIFICATE_NOT_ISSUED', 'No.')"
    )
    listed = portal("fulfilments", "list")
    assert "setup_ssl failed" in " ".join(listed.stdout.split())
    assert "CERTIFICATE_NOT_ISSUED" in listed.stdout
    shown = portal("fulfilments", "show", "801B")
    assert "after activation" in shown.stdout
    assert "CERTIFICATE_NOT_ISSUED: No." in " ".join(shown.stdout.split())
    retried = json.loads(portal("fulfilments", "retry", "801B", "--json").stdout)
    assert retried["fulfilment"]["provision_state"] == "running"
    assert [each["state"] for each in retried["provision"]] == ["done", "running"]
    await pool.execute("UPDATE portal.provision_steps SET state = 'paused' WHERE position = 2")
    skipped = json.loads(portal("fulfilments", "skip", "801B", "--reason", "The domain is parked.", "--json").stdout)
    assert [each["state"] for each in skipped["provision"]] == ["done", "skipped"]
    assert "Nothing is waiting" in portal("fulfilments").stdout
    detail = await pool.fetchval("SELECT detail FROM portal.audit WHERE action = 'fulfilment.skip'")
    assert (detail["steps"], detail["reason"]) == ("setup_ssl", "The domain is parked.")
