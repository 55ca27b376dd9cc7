"""The audit log: every command and every login, done or refused, and nobody rewrites it."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.commands.registry import COMMANDS
from tests.http.conftest import PASSWORD

FREE = {
    *("check_order", "check_customer_number", "preview_plan_change", "read_usage", "refresh_account"),
    "withdraw_cancellation",
}
"""They change nothing."""


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {session['token']}"}


async def entries(pool: asyncpg.Pool) -> list[tuple[str, str]]:
    rows = await pool.fetch("SELECT action, outcome FROM portal.audit ORDER BY id")
    return [(row["action"], row["outcome"]) for row in rows]


async def test_who_what_when_from_where_and_with_which_outcome(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    account_id = await add_customer("hana")
    session = await log_in(api, "hana")
    body = {"current_password": "wrong wrong wrong", "new_password": "glass harbour violin 77"}
    headers = {**bearer(session), "x-request-id": "trace-1"}
    await api.post("/api/auth/password/change", json=body, headers=headers)
    await api.post("/api/auth/password/change", json={**body, "current_password": PASSWORD}, headers=headers)
    await api.delete(f"/api/auth/sessions/{uuid4()}", headers=headers)
    await api.post("/api/auth/logout", headers=headers)
    assert await entries(pool) == [
        ("log_in", "ok"),
        ("change_password", "password_wrong"),
        ("change_password", "ok"),
        ("revoke_session", "not_found"),
        ("log_out", "ok"),
    ]
    row = await pool.fetchrow("SELECT *, at > now() - interval '1 minute' AS lately FROM portal.audit WHERE id = 3")
    assert row["lately"]
    assert (row["account_id"], row["request_id"], row["address"]) == (account_id, "trace-1", "203.0.113.7")
    assert row["user_id"] == await pool.fetchval("SELECT id FROM portal.users")


async def test_what_a_caller_wrote_stands_there_as_one_short_line(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session, path = await log_in(api, "hana"), f"/api/admin/accounts/{uuid4()}/explain/invoices/"
    for written in ("y" * 12_000, "%1b%5b2J%0aoperator ok", "%e2%80%ae1", "1%09%092"):
        assert (await api.get(path + written, headers=bearer(session))).status_code == 403
    targets = [
        row["target"] for row in await pool.fetch("SELECT target FROM portal.audit WHERE action = 'staff_access'")
    ]
    assert len(targets) == 4
    assert all(len(each) <= 200 and each.isprintable() and each.startswith(f"GET {path}") for each in targets)


async def test_a_failure_upstream_is_audited_too(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    response = await api.post("/api/payment-methods/link", headers=bearer(session))
    assert response.status_code == 503
    assert (await entries(pool))[-1] == ("create_payment_methods_link", "upstream_unavailable")


async def test_guesses_that_were_not_even_tried_are_audited(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any
) -> None:
    await add_customer("hana")
    for _ in range(6):
        await api.post("/api/auth/login", json={"email": "hana@example.jp", "password": "wrong wrong wrong"})
    assert (await entries(pool))[-2:] == [("log_in", "invalid_credentials"), ("log_in", "too_many_attempts")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE portal.audit SET outcome = 'ok'",
        "UPDATE portal.audit SET outcome = 'ok', address = NULL",
        "UPDATE portal.audit SET address = '192.0.2.1'",
        "DELETE FROM portal.audit",
        "TRUNCATE portal.audit",
        "TRUNCATE portal.audit, portal.mails CASCADE",
        "SET portal.erasing = on; DELETE FROM portal.audit",
        "SET portal.erasing = on; TRUNCATE portal.audit",
    ],
)
async def test_nobody_rewrites_it(pool: asyncpg.Pool, statement: str) -> None:
    await pool.execute("INSERT INTO portal.audit (action, outcome) VALUES ('log_in', 'refused')")
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await pool.execute(statement)
    assert await entries(pool) == [("log_in", "refused")]


def test_every_command_that_changes_something_is_audited() -> None:
    assert {command.name for command in COMMANDS if not command.changes} == FREE
