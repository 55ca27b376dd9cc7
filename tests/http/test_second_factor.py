"""The second factor: set up in two steps, asked for at login, taken once, and needed by staff."""

import time
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pyotp

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
    """Secret and recovery codes. The code of the step before is used, so that the present one is still good."""
    offered = await api.post("/api/auth/mfa/enrol", json={"password": PASSWORD}, headers=bearer(session))
    assert offered.status_code == 200, offered.text
    secret = offered.json()["secret"]
    assert offered.json()["otpauth_uri"].startswith("otpauth://totp/")
    done = await api.post("/api/auth/mfa/confirm", json={"code": code(secret, -1)}, headers=bearer(session))
    assert done.status_code == 200, done.text
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
    assert (await off(PASSWORD, codes[0])).status_code == 204
    assert (await login(api)).status_code == 200


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
