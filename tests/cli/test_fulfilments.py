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
