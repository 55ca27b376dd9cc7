"""The second factor: set up in two steps, asked for at login, taken once, and needed by staff."""

import asyncio
import time
from base64 import b32decode
from datetime import UTC, datetime
from http.cookies import SimpleCookie
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pyotp
import pytest

from app.cache.lease import LEASE_SECONDS
from app.commands.identity.sessions import session_store
from app.errors import NotAuthenticated
from app.settings import Settings
from tests.http.conftest import PASSWORD

HANA = "hana@example.jp"


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {session['token']}"}


def code(secret: str, steps: int = 0) -> str:
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * steps)


async def login(api: httpx.AsyncClient, code: str = "", email: str = HANA) -> httpx.Response:
    response = await api.post("/api/auth/login", json={"email": email, "password": PASSWORD, "code": code})
    api.cookies.clear()
    return response


async def enrol(api: httpx.AsyncClient, session: dict[str, Any]) -> tuple[str, list[str]]:
    """Secret and recovery codes; the session gets its new token. The code of the step before is used, so that the
    present one is still good."""
    offered = await api.post("/api/auth/mfa/enrol", json={"password": PASSWORD}, headers=bearer(session))
    assert offered.status_code == 200, offered.text
    secret = offered.json()["secret"]
    assert offered.json()["otpauth_uri"].startswith("otpauth://totp/")
    done = await api.post("/api/auth/mfa/confirm", json={"code": code(secret, -1)}, headers=bearer(session))
    assert done.status_code == 200, done.text
    api.cookies.clear()
    session.update(done.json())
    return secret, done.json()["recovery_codes"]


async def test_once_confirmed_the_password_is_not_enough(
    api: httpx.AsyncClient, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    secret, _ = await enrol(api, session)
    without = await login(api)
    assert (without.status_code, without.json()["code"]) == (401, "mfa_required")
    wrong = await login(api, "000000" if code(secret) != "000000" else "111111")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "mfa_code_invalid")
    right = await login(api, code(secret))
    assert right.status_code == 200
    me = (await api.get("/api/auth/me", headers=bearer(right.json()))).json()
    assert (me["second_factor_on"], me["second_factor_proven"]) == (True, True)


async def test_an_unconfirmed_secret_locks_nobody_out(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    await api.post("/api/auth/mfa/enrol", json={"password": PASSWORD}, headers=bearer(session))
    assert (await login(api)).status_code == 200


async def test_a_code_is_taken_once(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> None:
    await add_customer("hana")
    secret, _ = await enrol(api, await log_in(api, "hana"))
    used = code(secret)
    assert (await login(api, used)).status_code == 200
    assert (await login(api, used)).json()["code"] == "mfa_code_invalid"
    assert (await login(api, code(secret, -1))).json()["code"] == "mfa_code_invalid"


async def test_a_recovery_code_works_once_and_only_its_hash_is_stored(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    secret, codes = await enrol(api, await log_in(api, "hana"))
    assert len(set(codes)) == 10
    assert all(len(b32decode(each.replace("-", ""))) * 8 >= 112 for each in codes), "nobody guesses what was hashed"
    assert (await login(api, codes[3].lower())).status_code == 200
    assert (await login(api, codes[3])).json()["code"] == "mfa_code_invalid"
    stored = await pool.fetchval(
        "SELECT string_agg(c::text, '') || (SELECT string_agg(t::text, '') FROM portal.totp t) "
        "FROM portal.recovery_codes c"
    )
    assert not any(each.replace("-", "") in stored for each in codes)
    assert secret not in stored
    assert secret.encode().hex() not in stored


async def test_setting_up_needs_the_password_and_ends_other_sessions(
    api: httpx.AsyncClient, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    here, elsewhere = await log_in(api, "hana"), await log_in(api, "hana")
    refused = await api.post("/api/auth/mfa/enrol", json={"password": "wrong wrong"}, headers=bearer(here))
    assert (refused.status_code, refused.json()["code"]) == (403, "password_wrong")
    await enrol(api, here)
    assert (await api.get("/api/auth/me", headers=bearer(here))).json()["second_factor_proven"]
    assert (await api.get("/api/auth/me", headers=bearer(elsewhere))).status_code == 401
    again = await api.post("/api/auth/mfa/enrol", json={"password": PASSWORD}, headers=bearer(here))
    assert (again.status_code, again.json()["code"]) == (409, "mfa_already_on")


async def test_turning_it_off_needs_both_factors(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    secret, codes = await enrol(api, session)

    async def off(password: str, code: str) -> httpx.Response:
        body = {"password": password, "code": code}
        return await api.post("/api/auth/mfa/disable", json=body, headers=bearer(session))

    assert (await off("wrong wrong", code(secret))).json()["code"] == "password_wrong"
    assert (await off(PASSWORD, "nonsense")).json()["code"] == "mfa_code_invalid"
    assert (await off(PASSWORD, codes[0])).status_code == 200
    api.cookies.clear()
    assert (await login(api)).status_code == 200


@pytest.fixture
async def with_bills(pool: asyncpg.Pool, add_customer: Any) -> None:
    """Hana, whose invoices are known: she has none."""
    account_id = await add_customer("hana")
    await pool.execute("INSERT INTO read_model.freshness VALUES ($1, 'client_invoices', now())", account_id)


async def of_session(api: httpx.AsyncClient, session: dict[str, Any]) -> list[int]:
    """What the session is answered: by the routes, and by the fast path before them."""
    return [
        (await api.get(path, headers=bearer(session))).status_code for path in ("/api/auth/me", "/api/invoices") * 2
    ]


async def times(api: httpx.AsyncClient, session: dict[str, Any]) -> tuple[str, str]:
    """When the only session began, and when it ends whatever happens."""
    (found,) = (await api.get("/api/auth/sessions", headers=bearer(session))).json()["items"]
    assert found["current"]
    return found["created_at"], found["expires_at"]


@pytest.mark.parametrize("step", ["confirm", "disable"])
async def test_the_session_goes_on_under_another_token_and_the_old_one_is_refused_in_every_process(
    api: httpx.AsyncClient, serve: Any, settings: Settings, with_bills: None, log_in: Any, step: str
) -> None:
    old = await log_in(api, "hana")
    offered = await api.post("/api/auth/mfa/enrol", json={"password": PASSWORD}, headers=bearer(old))
    body = {"code": code(offered.json()["secret"], -1)}
    if step == "disable":
        old = (await api.post("/api/auth/mfa/confirm", json=body, headers=bearer(old))).json()
        body = {"password": PASSWORD, "code": old["recovery_codes"][0]}
        api.cookies.clear()
    began = await times(api, old)
    async with serve(settings) as another_process:
        for process in (api, another_process):
            assert await of_session(process, old) == [200] * 4
        done = await api.post(f"/api/auth/mfa/{step}", json=body, headers=bearer(old))
        assert done.status_code == 200, done.text
        assert done.elapsed.total_seconds() >= LEASE_SECONDS, "not before a process that hears nothing would know"
        new = done.json()
        api.cookies.clear()
        for process in (another_process, api):
            assert await of_session(process, old) == [401] * 4
            assert await of_session(process, new) == [200] * 4
    assert new["token"] != old["token"]
    assert new["expires_at"] == old["expires_at"]
    assert await times(api, new) == began


@pytest.mark.parametrize("step", ["confirm", "disable"])
async def test_a_browser_gets_the_new_token_as_its_cookie_and_another_csrf_token(
    api: httpx.AsyncClient, add_customer: Any, log_in: Any, step: str
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    if step == "disable":
        _, codes = await enrol(api, session)
        body = {"password": PASSWORD, "code": codes[0]}
    else:
        offered = await api.post("/api/auth/mfa/enrol", json={"password": PASSWORD}, headers=bearer(session))
        body = {"code": code(offered.json()["secret"])}
    headers = {"cookie": f"portal_session={session['token']}", "x-csrf-token": session["csrf_token"]}
    done = await api.post(f"/api/auth/mfa/{step}", json=body, headers=headers)
    api.cookies.clear()
    assert done.status_code == 200, done.text
    cookie = SimpleCookie(done.headers["set-cookie"])["portal_session"]
    assert cookie.value == done.json()["token"] != session["token"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "lax"
    left = datetime.fromisoformat(session["expires_at"]) - datetime.now(UTC)
    assert abs(int(cookie["max-age"]) - left.total_seconds()) < 5
    by_cookie = {"cookie": f"portal_session={cookie.value}"}
    stale = await api.post("/api/auth/logout", headers={**by_cookie, "x-csrf-token": session["csrf_token"]})
    assert (stale.status_code, stale.json()["code"]) == (403, "csrf_token_invalid")
    left_behind = await api.post("/api/auth/logout", headers={**by_cookie, "x-csrf-token": done.json()["csrf_token"]})
    assert left_behind.status_code == 204


async def test_turning_it_off_leaves_other_sessions_as_they_are(
    api: httpx.AsyncClient, with_bills: None, log_in: Any
) -> None:
    here = await log_in(api, "hana")
    secret, codes = await enrol(api, here)
    elsewhere = (await login(api, code(secret))).json()
    off = await api.post("/api/auth/mfa/disable", json={"password": PASSWORD, "code": codes[0]}, headers=bearer(here))
    assert off.status_code == 200, off.text
    api.cookies.clear()
    assert await of_session(api, elsewhere) == [200] * 4


async def test_a_session_that_ended_meanwhile_is_not_renewed(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    await log_in(api, "hana")
    session_id = await pool.fetchval("SELECT id FROM portal.sessions")
    await session_store.renew(pool, session_id)
    with pytest.raises(NotAuthenticated):
        await session_store.renew(pool, session_id)
    assert await pool.fetchval("SELECT count(*) FROM portal.sessions WHERE revoked_at IS NULL") == 1


async def test_a_session_that_is_renewed_while_all_are_ended_ends_too(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")
    row = await pool.fetchrow("SELECT id, user_id FROM portal.sessions")
    async with pool.acquire() as connection, connection.transaction():
        await session_store.hold(connection, row["user_id"])
        await session_store.renew(connection, row["id"])
        ending = asyncio.create_task(api.delete("/api/auth/sessions", headers=bearer(session)))
        await asyncio.sleep(0.2)
        assert not ending.done()
    assert (await ending).status_code == 204
    assert await pool.fetchval("SELECT count(*) FROM portal.sessions WHERE revoked_at IS NULL") == 0


async def test_guesses_at_a_code_are_few_wherever_they_come_from(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    await enrol(api, await log_in(api, "hana"))
    codes = [(await login(api, f"nonsense {n}")).json()["code"] for n in range(7)]
    assert codes == ["mfa_code_invalid"] * 5 + ["too_many_attempts"] * 2


async def test_staff_get_nowhere_until_they_have_a_second_factor(
    api: httpx.AsyncClient, pool: asyncpg.Pool, password_hash: str
) -> None:
    await pool.execute(
        "INSERT INTO portal.users (id, email, password_hash, role) VALUES ($1, 'op@example.jp', $2, 'operator')",
        uuid4(),
        password_hash,
    )
    session = (await login(api, email="op@example.jp")).json()
    me = (await api.get("/api/auth/me", headers=bearer(session))).json()
    assert (me["user"]["role"], me["second_factor_on"]) == ("operator", False)
    refused = await api.get("/api/commands/x", headers=bearer(session))
    assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_required")
    _, codes = await enrol(api, session)
    assert (await api.get("/api/commands/x", headers=bearer(session))).status_code == 404
    off = await api.post(
        "/api/auth/mfa/disable", json={"password": PASSWORD, "code": codes[0]}, headers=bearer(session)
    )
    assert (off.status_code, off.json()["code"]) == (403, "mfa_needed_by_staff")
