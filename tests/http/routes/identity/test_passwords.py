"""A forgotten password, a changed one: by mail, once, and every other session ends."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from app.commands import mail_outbox
from app.commands.identity import passwords
from app.settings import Settings
from tests.http.conftest import PASSWORD

NEW = "glass harbour violin 77"
HANA = "hana@example.jp"


@pytest.fixture
async def mailed(sandbox: Any, sandbox_settings: Settings, settings: Settings) -> Settings:
    """Settings whose mails end in the sandbox's postbox, emptied."""
    await sandbox.control.delete("/mail/")
    names = ("smtp_host", "smtp_port", "smtp_security")
    return msgspec.structs.replace(
        settings, auth_rate_per_minute=1000, **{name: getattr(sandbox_settings, name) for name in names}
    )


@pytest.fixture
async def api(serve: Any, mailed: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(mailed) as client:
        yield client


def bearer(session: dict[str, str]) -> dict[str, str]:
    return {"authorization": f"Bearer {session['token']}"}


async def forgot(api: httpx.AsyncClient, email: str) -> httpx.Response:
    return await api.post("/api/auth/password/forgot", json={"email": email}, headers={"x-request-id": "same"})


async def reset(api: httpx.AsyncClient, token: str, new_password: str = NEW) -> httpx.Response:
    return await api.post("/api/auth/password/reset", json={"token": token, "new_password": new_password})


async def mails(sandbox: Any, to: str = HANA) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (await sandbox.control.get("/mail/", params={"to": to})).json()["mails"]
    return found


async def mailed_token(sandbox: Any, pool: asyncpg.Pool, mailed: Settings) -> str:
    await mail_outbox.send_due(pool, mailed)
    found = re.search(r"token=([\w-]{43})\b", (await mails(sandbox))[0]["text"])
    assert found
    return found.group(1)


async def logs_in(api: httpx.AsyncClient, password: str) -> bool:
    response = await api.post("/api/auth/login", json={"email": HANA, "password": password})
    api.cookies.clear()
    return response.status_code == 200


async def test_the_answer_is_the_same_for_an_address_nobody_has(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    known, unknown = await forgot(api, HANA), await forgot(api, "nobody@example.jp")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (204, b"")
    assert dict(known.headers) == {**unknown.headers, "ratelimit": known.headers["ratelimit"]}
    assert await mail_outbox.send_due(pool, mailed) == 2
    assert [each["subject"] for each in await mails(sandbox)] == ["Reset your password"]
    assert await mails(sandbox, "nobody@example.jp") == []
    outcomes = await pool.fetch("SELECT recipient, outcome FROM portal.mails ORDER BY id")
    assert [tuple(row) for row in outcomes] == [(HANA, "sent"), ("nobody@example.jp", "nobody")]


async def test_a_mailed_link_sets_a_password_once_and_ends_every_session(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    await forgot(api, HANA)
    token = await mailed_token(sandbox, pool, mailed)
    assert token not in await pool.fetchval("SELECT string_agg(r::text, '') FROM portal.password_resets r")
    assert (await reset(api, token)).status_code == 204
    assert (await api.get("/api/auth/me", headers=bearer(session))).status_code == 401
    assert [await logs_in(api, PASSWORD), await logs_in(api, NEW)] == [False, True]
    again = await reset(api, token, "another long sentence 1")
    assert (again.status_code, again.json()["code"]) == (400, "reset_token_invalid")
    await mail_outbox.send_due(pool, mailed)
    assert (await mails(sandbox))[0]["subject"] == "Your password was changed"


async def test_a_weak_password_does_not_use_the_link_up(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    await forgot(api, HANA)
    token = await mailed_token(sandbox, pool, mailed)
    for weak in ("short", "password1234", "hanahanahana", "hana@example.jp"):
        response = await reset(api, token, weak)
        assert (response.status_code, response.json()["errors"][0]["code"]) == (400, "weak_password")
        assert response.json()["errors"][0]["field"] == "new_password"
    assert (await reset(api, token)).status_code == 204


async def test_a_link_is_good_for_a_while_only(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    await forgot(api, HANA)
    token = await mailed_token(sandbox, pool, mailed)
    await pool.execute("UPDATE portal.password_resets SET expires_at = now()")
    assert (await reset(api, token)).json()["code"] == "reset_token_invalid"
    assert (await reset(api, "made up")).json()["code"] == "reset_token_invalid"


async def test_using_one_link_ends_the_others(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    tokens = []
    for _ in range(2):
        await forgot(api, HANA)
        tokens.append(await mailed_token(sandbox, pool, mailed))
        await ago(pool, mail_outbox.REQUEST_PAUSE_SECONDS + 1)
    assert tokens[0] != tokens[1]
    assert (await reset(api, tokens[0])).status_code == 204
    assert (await reset(api, tokens[1])).json()["code"] == "reset_token_invalid"


async def ago(pool: asyncpg.Pool, seconds: float) -> None:
    """As if that much time had passed since everything that was mailed."""
    for table, column in (
        ("mails", "finished_at"),
        ("password_resets", "created_at"),
        ("password_resets", "expires_at"),
        ("sign_in_codes", "created_at"),
        ("sign_in_codes", "expires_at"),
    ):
        await pool.execute(f"UPDATE portal.{table} SET {column} = {column} - $1 * interval '1 second'", seconds)


@pytest.mark.parametrize("path", ["/api/auth/password/forgot", "/api/auth/login/code"])
async def test_a_mailbox_is_not_filled(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any, path: str
) -> None:
    await add_customer("hana")
    for _ in range(5):
        for email in (HANA, "Hana@Example.JP", "ｈａｎａ@example.jp"):
            await api.post(path, json={"email": email})
        await mail_outbox.send_due(pool, mailed)
    assert len(await mails(sandbox)) == 1
    assert await pool.fetchval("SELECT count(*) FROM portal.mails") == 5, "one waits at a time"


@pytest.mark.parametrize("minutes", [0, 1, 4, 6, 29, 31, 61])
async def test_strangers_who_ask_for_resets_never_silence_the_customers_own(
    api: httpx.AsyncClient,
    sandbox: Any,
    pool: asyncpg.Pool,
    mailed: Settings,
    add_customer: Any,
    minutes: int,
) -> None:
    await add_customer("hana")
    for _ in range(40):
        assert (await forgot(api, HANA)).status_code == 204
        await mail_outbox.send_due(pool, mailed)
    await ago(pool, minutes * 60)
    for _ in range(10):
        await forgot(api, HANA)
    await ago(pool, 1)
    assert (await forgot(api, HANA)).status_code == 204, "the customer's own"
    token = await mailed_token(sandbox, pool, mailed)  # of the latest mail in the mailbox
    assert (await reset(api, token)).status_code == 204
    latest = await pool.fetchval(
        "SELECT max(finished_at) > now() - interval '5 minutes' FROM portal.mails "
        "WHERE kind = 'password_reset' AND outcome = 'sent'"
    )
    assert latest, "mailed within the last five minutes"


async def test_a_mail_that_could_not_be_sent_does_not_silence_its_own_repetition(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    await forgot(api, HANA)
    await mail_outbox.send_due(pool, msgspec.structs.replace(mailed, smtp_port=9))
    assert await pool.fetchval("SELECT count(*) FROM portal.password_resets") == 1, "the token was made"
    await pool.execute("UPDATE portal.mails SET next_attempt_at = now()")
    assert (await reset(api, await mailed_token(sandbox, pool, mailed))).status_code == 204


async def test_after_a_reset_a_new_one_can_be_asked_for_at_once(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    for password in (NEW, "another long sentence 1"):
        await forgot(api, HANA)
        assert (await reset(api, await mailed_token(sandbox, pool, mailed), password)).status_code == 204


async def test_without_a_mail_server_nobody_can_reset_a_password(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    assert (await forgot(api, HANA)).status_code == 204
    await mail_outbox.send_due(pool, msgspec.structs.replace(mailed, smtp_host=""))
    assert await mails(sandbox) == []
    row = await pool.fetchrow("SELECT kind, recipient, finished_at, error FROM portal.mails")
    assert (row["kind"], row["recipient"], row["finished_at"]) == ("password_reset", HANA, None)


async def test_a_reset_opens_a_lockout(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    for _ in range(6):
        await logs_in(api, "wrong wrong wrong")
    assert not await logs_in(api, PASSWORD)
    await forgot(api, HANA)
    await reset(api, await mailed_token(sandbox, pool, mailed))
    assert await logs_in(api, NEW)


async def test_a_mail_waits_while_the_server_is_away_and_is_given_up_when_it_refuses(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    await forgot(api, HANA)
    await mail_outbox.send_due(pool, msgspec.structs.replace(mailed, smtp_port=9))
    row = await pool.fetchrow("SELECT attempts, finished_at, next_attempt_at > now() AS later FROM portal.mails")
    assert (row["attempts"], row["finished_at"], row["later"]) == (1, None, True)
    await pool.execute("UPDATE portal.mails SET next_attempt_at = now()")
    await mail_outbox.send_due(pool, mailed)
    assert len(await mails(sandbox)) == 1
    await pool.execute(
        "UPDATE portal.mails SET finished_at = NULL, next_attempt_at = now(), attempts = $1",
        mail_outbox.MOST_ATTEMPTS - 1,
    )
    await sandbox.control.put("/mail/refusal", json={"answer": "451 try later"})
    await mail_outbox.send_due(pool, mailed)
    assert await pool.fetchval("SELECT outcome FROM portal.mails") == "given_up"


async def test_changing_the_password_ends_the_other_sessions(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    here, elsewhere = await log_in(api, "hana"), await log_in(api, "hana")
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert (await api.post("/api/auth/password/change", json=body, headers=bearer(here))).status_code == 204
    assert (await api.get("/api/auth/me", headers=bearer(here))).status_code == 200
    assert (await api.get("/api/auth/me", headers=bearer(elsewhere))).status_code == 401
    assert [await logs_in(api, PASSWORD), await logs_in(api, NEW)] == [False, True]


async def test_changing_the_password_needs_the_present_one(
    api: httpx.AsyncClient, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    statuses = []
    for _ in range(7):
        body = {"current_password": "wrong wrong wrong", "new_password": NEW}
        response = await api.post("/api/auth/password/change", json=body, headers=bearer(session))
        statuses.append((response.status_code, response.json()["code"]))
    assert statuses == [(403, "password_wrong")] * 5 + [(429, "too_many_attempts")] * 2


async def test_a_hash_of_older_parameters_is_replaced_at_login(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any
) -> None:
    from argon2 import PasswordHasher

    await add_customer("hana")
    old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    await pool.execute("UPDATE portal.users SET password_hash = $1", old)
    assert await logs_in(api, PASSWORD)
    stored = await pool.fetchval("SELECT password_hash FROM portal.users")
    assert stored != old
    assert await passwords.verdict(stored, PASSWORD) == "right"
    assert await logs_in(api, PASSWORD)


async def change(api: httpx.AsyncClient, session: dict[str, str], new: str) -> httpx.Response:
    body = {"current_password": PASSWORD, "new_password": new}
    return await api.post("/api/auth/password/change", json=body, headers=bearer(session))


async def test_of_many_changes_of_one_password_at_once_one_wins(
    api: httpx.AsyncClient, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    sessions = [await log_in(api, "hana") for _ in range(4)]
    wanted = [f"glass harbour violin {n}" for n in range(4)]
    answers = await asyncio.gather(*map(change, [api] * 4, sessions, wanted))
    statuses = [each.status_code for each in answers]
    assert statuses.count(204) == 1
    assert set(statuses) - {204} <= {401, 403, 409}
    codes = {each.json()["code"] for each in answers if each.status_code != 204}
    assert codes <= {"password_changed", "not_authenticated", "password_wrong"}
    works = [await logs_in(api, each) for each in wanted]
    assert works == [each == 204 for each in statuses]
    alive = [(await api.get("/api/auth/me", headers=bearer(each))).status_code for each in sessions]
    assert [each == 200 for each in alive] == works, "the winner's session goes on, the others ended"


async def test_a_change_that_was_proven_before_a_reset_does_not_undo_it(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    await forgot(api, HANA)
    token = await mailed_token(sandbox, pool, mailed)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM portal.users FOR UPDATE")
        resetting = asyncio.create_task(reset(api, token))
        await waiting(pool, 1)
        changing = asyncio.create_task(change(api, session, "stolen by somebody 99"))
        await waiting(pool, 2)
    assert (await resetting).status_code == 204
    late = await changing
    assert (late.status_code, late.json()["code"]) == (409, "password_changed")
    assert [await logs_in(api, "stolen by somebody 99"), await logs_in(api, NEW)] == [False, True]


async def test_a_login_with_the_old_password_does_not_outlive_its_change(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM portal.users FOR UPDATE")
        changing = asyncio.create_task(change(api, session, NEW))
        await waiting(pool, 1)
        late = asyncio.create_task(api.post("/api/auth/login", json={"email": HANA, "password": PASSWORD}))
        await waiting(pool, 2)
    assert (await changing).status_code == 204
    response = await late
    assert (response.status_code, response.json()["code"]) == (401, "invalid_credentials")
    assert await pool.fetchval("SELECT count(*) FROM portal.sessions WHERE revoked_at IS NULL") == 1


async def waiting(pool: asyncpg.Pool, many: int) -> None:
    """Until so many wait for a lock."""
    for _ in range(200):
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        if await pool.fetchval(query) >= many:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("typed", ["pa\u0302pier crâne 24 lanterne", "ｐâｐｉｅｒ crâne 24 lanterne"])
async def test_a_password_is_the_same_on_every_keyboard(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any, typed: str
) -> None:
    await add_customer("hana")
    usual = "pâpier crâne 24 lanterne"
    assert (await change(api, await log_in(api, "hana"), usual)).status_code == 204
    assert [await logs_in(api, usual), await logs_in(api, typed)] == [True, True]


async def test_a_hash_of_the_text_as_it_was_typed_is_replaced_at_login(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any
) -> None:
    await add_customer("hana")
    typed, usual = "pa\u0302pier cra\u0302ne 24", "pâpier crâne 24"
    await pool.execute("UPDATE portal.users SET password_hash = $1", passwords._HASHER.hash(typed))
    assert not await logs_in(api, usual), "nobody knows yet that it is the same"
    assert await logs_in(api, typed)
    assert [await logs_in(api, usual), await logs_in(api, typed)] == [True, True]


async def test_an_easy_password_is_refused_with_what_would_make_it_better(
    api: httpx.AsyncClient, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    problem = (await change(api, await log_in(api, "hana"), "passwordpasswordpassword")).json()
    assert problem["errors"][0]["pointer"] == "/new_password"
    feedback = problem["password_feedback"]
    assert set(feedback) == {"score", "least_score", "warning", "suggestions"}
    assert (feedback["score"], feedback["least_score"], feedback["warning"]["code"]) == (0, 3, "repetition")
    assert all(set(each) == {"code", "message"} for each in (feedback["warning"], *feedback["suggestions"]))
