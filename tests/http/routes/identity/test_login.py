"""Logging in: the same answer and the same work for every wrong guess, and not many guesses."""

import asyncio
from typing import Any

import asyncpg
import httpx
import msgspec

from app.settings import Settings

PASSWORD = "paper crane lantern 24"
WRONG = "wrong wrong wrong"


async def attempt(api: httpx.AsyncClient, email: str, password: str = WRONG) -> httpx.Response:
    return await api.post(
        "/api/auth/login", json={"email": email, "password": password}, headers={"x-request-id": "same"}
    )


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(
    api: httpx.AsyncClient, add_customer: Any
) -> None:
    await add_customer("hana")
    wrong, unknown = await attempt(api, "hana@example.jp"), await attempt(api, "nobody@example.jp")
    assert wrong.status_code == 401
    assert wrong.json()["code"] == "invalid_credentials"
    assert wrong.content == unknown.content
    assert "set-cookie" not in wrong.headers


async def test_the_address_is_taken_in_any_case(api: httpx.AsyncClient, add_customer: Any) -> None:
    await add_customer("hana")
    assert (await attempt(api, " HANA@Example.jp ", PASSWORD)).status_code == 200


async def test_login_answers_who_and_until_when_and_not_the_hash(api: httpx.AsyncClient, add_customer: Any) -> None:
    await add_customer("hana")
    body = (await attempt(api, "hana@example.jp", PASSWORD)).json()
    assert sorted(body) == ["csrf_token", "expires_at", "token", "user"]
    assert sorted(body["user"]) == ["email", "first_name", "last_name", "role", "user_id"]
    assert len(body["token"]) >= 43


async def test_after_five_failures_even_the_right_password_waits(api: httpx.AsyncClient, add_customer: Any) -> None:
    await add_customer("hana")
    await add_customer("kenji")
    for _ in range(5):
        assert (await attempt(api, "hana@example.jp")).status_code == 401
    blocked = await attempt(api, "hana@example.jp", PASSWORD)
    assert (blocked.status_code, blocked.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(blocked.headers["retry-after"]) <= 900
    assert (await attempt(api, "kenji@example.jp", PASSWORD)).status_code == 200


async def test_guesses_at_the_same_time_do_not_slip_through(api: httpx.AsyncClient, add_customer: Any) -> None:
    await add_customer("hana")
    answers = await asyncio.gather(*(attempt(api, "hana@example.jp") for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


async def test_a_success_forgets_earlier_failures(api: httpx.AsyncClient, add_customer: Any) -> None:
    await add_customer("hana")
    for _ in range(2):
        for _ in range(4):
            assert (await attempt(api, "hana@example.jp")).status_code == 401
        assert (await attempt(api, "hana@example.jp", PASSWORD)).status_code == 200


async def test_every_attempt_is_audited_without_its_password(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any
) -> None:
    account_id = await add_customer("hana")
    await attempt(api, "hana@example.jp")
    await attempt(api, "hana@example.jp", PASSWORD)
    rows = await pool.fetch(
        "SELECT action, outcome, account_id, request_id, address, a::text AS whole FROM portal.audit a ORDER BY id"
    )
    assert [(row["action"], row["outcome"]) for row in rows] == [("log_in", "invalid_credentials"), ("log_in", "ok")]
    assert rows[1]["account_id"] == account_id
    assert {row["request_id"] for row in rows} == {"same"}
    assert {row["address"] for row in rows} == {"203.0.113.7"}
    assert not any("wrong wrong" in row["whole"] or "crane" in row["whole"] for row in rows)


async def test_login_works_while_redis_is_away(serve: Any, settings: Settings, add_customer: Any) -> None:
    await add_customer("hana")
    async with serve(msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:9/0")) as api:
        assert (await attempt(api, "hana@example.jp", PASSWORD)).status_code == 200
