"""Metrics as Prometheus scrapes them."""

from uuid import uuid4

import asyncpg
import httpx


async def test_metrics_show_this_process_and_the_lag_of_the_portal(api: httpx.AsyncClient) -> None:
    text = (await api.get("/metrics")).text
    assert "portal_measures_up 1.0" in text
    assert 'portal_inbox_open{lane="fetch"} 0.0' in text
    assert "portal_http_requests_total" in text
    assert 'portal_plan_changes{state="failed"} 0' in text
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


async def test_metrics_show_activation_times_and_reasons_of_pauses(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    for number, seconds in enumerate((2, 4, 6)):
        await pool.execute(
            "INSERT INTO portal.fulfilments (order_id, account_id, state, step, started_at, finished_at) "
            "VALUES ($1, $2, 'done', 'complete', now() - $3 * interval '1 second', now())",
            f"order {number}",
            uuid4(),
            seconds,
        )
    for attempt in (1, 2):
        await pool.execute(
            "INSERT INTO portal.fulfilment_steps (order_id, step, attempt, outcome, detail) "
            "VALUES ('order 0', 'check_payment', $1, 'pause', $2)",
            attempt,
            {"code": "PAYMENT_METHOD_MISSING"},
        )
    text = (await api.get("/metrics")).text
    assert 'portal_activation_seconds{quantile="0.5"} 4.000' in text
    assert "portal_activation_seconds_count 3" in text
    assert 'portal_fulfilment_pauses{error="PAYMENT_METHOD_MISSING"} 1' in text


async def test_metrics_show_unfinished_provisioning_steps(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO portal.fulfilments (order_id, account_id, state, step) VALUES ('801B', $1, 'done', 'complete')",
        uuid4(),
    )
    await pool.execute(
        "INSERT INTO portal.provision_steps (order_id, position, step, state, error_code) VALUES "
        "('801B', 1, 'create_database', 'done', NULL), ('801B', 2, 'setup_ssl', 'failed', 'CERTIFICATE_NOT_ISSUED')"
    )
    text = (await api.get("/metrics")).text
    assert 'portal_provision_steps{step="setup_ssl",state="failed",error="CERTIFICATE_NOT_ISSUED"} 1' in text
    assert "create_database" not in text
