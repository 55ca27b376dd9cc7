"""Operators see attempts to charge invoices, and settle those in doubt; metrics and the doctor count them."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from app.cli.doctor import captures as doctor
from app.http.monitoring.capture_metrics import capture_metrics
from app.settings import Settings
from tests.http.routes.admin.test_projections import operator

__all__ = ["operator"]

_ATTEMPT = """
INSERT INTO portal.capture_attempts (invoice_id, account_id, command_key, initiator, amount, currency, sent_at)
VALUES ($1, $2, 'k', 'customer', 1100, 'JPY', now() - $3 * interval '1 second') RETURNING attempt_id
"""


async def attempt(pool: asyncpg.Pool, invoice_id: str, age_seconds: int) -> int:
    found: int = await pool.fetchval(_ATTEMPT, invoice_id, uuid4(), age_seconds)
    return found


async def test_attempts_are_listed_by_invoice_account_and_doubt(
    api: httpx.AsyncClient, pool: asyncpg.Pool, operator: dict[str, str]
) -> None:
    first, second = await attempt(pool, "1", 3_600), await attempt(pool, "2", 10)
    await pool.execute(
        "UPDATE portal.capture_attempts SET outcome = 'charged', ended_at = now() WHERE attempt_id = $1", first
    )

    async def listed(**params: Any) -> list[int]:
        found = await api.get("/api/admin/captures", headers=operator, params=params)
        return [each["attempt_id"] for each in found.json()["items"]]

    account_id = str(await pool.fetchval("SELECT account_id FROM portal.capture_attempts WHERE attempt_id = $1", first))
    assert await listed() == [second, first]
    assert await listed(invoice_id="1") == await listed(account_id=account_id) == [first]
    assert await listed(in_doubt="true") == [second]
    assert await listed(limit=1) == [second]


async def test_what_cannot_be_decided_is_refused_before_anything_is_asked(
    api: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    stated = {"outcome": "charged", "evidence": "seen at the gateway"}
    retried = {"invoice_id": "77", "reason": "asked", "key": "call of today"}
    for path, body, status, code in (
        ("/api/admin/captures/9/look", None, 404, "capture_not_found"),
        ("/api/admin/captures/9/state", stated, 404, "capture_not_found"),
        ("/api/admin/captures/9/state", {**stated, "outcome": "refunded"}, 400, "invalid_request"),
        ("/api/admin/captures/retry", retried, 404, "invoice_not_found"),
        ("/api/admin/captures/retry", {**retried, "key": "short"}, 400, "invalid_request"),
        ("/api/admin/captures/retry", {**retried, "reason": ""}, 400, "invalid_request"),
    ):
        refused = await api.post(path, headers=operator, json=body)
        assert (refused.status_code, refused.json()["code"]) == (status, code), path


async def test_a_charge_in_doubt_is_counted_once_nothing_can_come_of_it(pool: asyncpg.Pool, settings: Settings) -> None:
    await attempt(pool, "1", 10)
    assert b"portal_captures_in_doubt 0\n" in await capture_metrics(pool)
    assert (await doctor.in_doubt(settings)).status == "ok"
    await attempt(pool, "2", 7_200)
    text = await capture_metrics(pool)
    assert b"portal_captures_in_doubt 1\n" in text
    assert b"portal_captures_in_doubt_oldest_seconds 72" in text
    found = await doctor.in_doubt(settings)
    assert (found.status, "1 charges have no known outcome, the oldest for 2.0 h" in found.detail) == ("failed", True)
    assert "portal captures list --in-doubt" in found.advice
