"""Operators and dunning over HTTP: it is listed, paused with a reason, and every change leaves a trace."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from app.events import Change
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
