"""A change of PORTAL_SECRET that nobody notices: what was handed out and stored before it goes on working."""

import json
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest

from app.audit import Operator
from app.commands.execution import ledger
from app.commands.identity import encryption
from app.commands.identity import reseal as resealing
from app.errors import RuleViolated
from app.http.answering.query_response import consistency_token
from app.http.guards.authentication import csrf_token
from app.keyring import Keyring
from app.settings import Settings
from tests.http.conftest import PASSWORD
from tests.http.routes.identity.test_second_factor import HANA, bearer, code, enrol, login

OLD, NEW = "o" * 32, "n" * 32


@pytest.fixture
def before(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, portal_secret=OLD, auth_rate_per_minute=1000)


@pytest.fixture
def turning(before: Settings) -> Settings:
    return msgspec.structs.replace(before, portal_secret=NEW, portal_secret_previous=OLD)


@pytest.fixture
def after(before: Settings) -> Settings:
    return msgspec.structs.replace(before, portal_secret=NEW)


async def test_a_second_factor_of_before_is_asked_for_and_found(
    serve: Any, before: Settings, turning: Settings, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    async with serve(before) as api:
        secret, _ = await enrol(api, await log_in(api, "hana"))
    async with serve(turning) as api:
        assert (await login(api, code(secret))).status_code == 200


async def test_once_the_old_secret_is_gone_recovery_codes_still_let_in(
    serve: Any, before: Settings, after: Settings, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    async with serve(before) as api:
        secret, recovery = await enrol(api, await log_in(api, "hana"))
    async with serve(after) as api:
        refused = await login(api, code(secret))
        assert (refused.status_code, refused.json()["code"]) == (401, "mfa_code_invalid")
        assert (await login(api, recovery[0])).status_code == 200


async def test_a_browser_keeps_its_csrf_token(
    serve: Any, before: Settings, turning: Settings, after: Settings, add_customer: Any
) -> None:
    await add_customer("hana")
    async with serve(before) as api:
        session = (await api.post("/api/auth/login", json={"email": HANA, "password": PASSWORD})).json()
    cookie = {"cookie": f"portal_session={session['token']}"}
    headers = {**cookie, "x-csrf-token": session["csrf_token"]}
    body = {"password": PASSWORD}
    async with serve(after) as api:
        refused = await api.post("/api/auth/mfa/enrol", json=body, headers=headers)
        assert refused.json()["code"] == "csrf_token_invalid"
    async with serve(turning) as api:
        assert (await api.post("/api/auth/mfa/enrol", json=body, headers=headers)).status_code == 200
        for made_up in ("", "00", "zz", session["csrf_token"][:-2]):
            answer = await api.post("/api/auth/mfa/enrol", json=body, headers={**cookie, "x-csrf-token": made_up})
            assert answer.json()["code"] == "csrf_token_invalid"
        fresh = (await api.get("/api/auth/me", headers=bearer(session))).json()["csrf_token"]
    assert fresh == csrf_token(after, (await _session_id(session, after)))


async def _session_id(session: dict[str, Any], settings: Settings) -> object:
    connection = await asyncpg.connect(settings.database_url)
    try:
        return await connection.fetchval("SELECT id FROM portal.sessions WHERE revoked_at IS NULL")
    finally:
        await connection.close()


async def test_cursors_and_consistency_tokens_are_taken_until_the_old_secret_is_gone(
    serve: Any, before: Settings, turning: Settings, after: Settings, add_customer: Any, log_in: Any
) -> None:
    account_id = await add_customer("hana")
    token = consistency_token(before, account_id, 1)
    for settings, status in ((turning, "other"), (after, "refused")):
        async with serve(settings) as api:
            headers = {**bearer(await log_in(api, "hana")), "Consistency-Token": token, "Prefer": "wait=0"}
            answer: httpx.Response = await api.get("/api/orders", headers=headers)
            invalid = answer.status_code == 400 and answer.json()["errors"][0]["code"] == "token_invalid"
            assert invalid == (status == "refused"), answer.text


async def _begin(pool: asyncpg.Pool, keyring: Keyring, body: bytes = b"{}") -> Any:
    return await ledger.begin(pool, keyring=keyring, scope="a", key="k", name="try", account_id=None, body=body)


async def test_a_repeated_command_gets_the_answer_of_before(pool: asyncpg.Pool) -> None:
    await ledger.finish(pool, await _begin(pool, Keyring(OLD)), 201, b"{}", None)
    assert isinstance(await _begin(pool, Keyring(NEW, OLD)), ledger.Replay)
    for keyring, body in ((Keyring(NEW, OLD), b"other"), (Keyring(NEW), b"{}")):
        with pytest.raises(RuleViolated, match="idempotency_key_reused"):
            await _begin(pool, keyring, body)


async def test_a_command_that_failed_before_is_taken_up_under_the_secret_of_today(pool: asyncpg.Pool) -> None:
    await ledger.fail(pool, await _begin(pool, Keyring(OLD)))
    running = await _begin(pool, Keyring(NEW, OLD))
    assert isinstance(running, ledger.Running)
    await ledger.finish(pool, running, 200, b"{}", None)
    assert isinstance(await _begin(pool, Keyring(NEW)), ledger.Replay)


async def test_resealing_goes_through_every_page(
    turning: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 2)
    for _ in range(5):
        user_id = uuid4()
        await pool.execute(
            "INSERT INTO portal.users (id, email, password_hash) VALUES ($1, $2, 'x')", user_id, f"{user_id}@example.jp"
        )
        box = encryption.seal(Keyring(OLD), encryption.TOTP_SECRET, "PLAIN")
        await pool.execute("INSERT INTO portal.totp (user_id, secret) VALUES ($1, $2)", user_id, box)
    told, *_ = await resealing.reseal(pool, turning.keyring, Operator(name="op"))
    assert (told.resealed, told.current, told.unreadable) == (5, 0, 0)


async def test_resealing_leaves_nothing_under_the_old_secret(
    serve: Any, before: Settings, turning: Settings, after: Settings, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    for name in ("hana", "kenji"):
        await add_customer(name)
    async with serve(before) as api:
        secret, _ = await enrol(api, await log_in(api, "hana"))
    async with serve(turning) as api:
        await enrol(api, await log_in(api, "kenji"))
        first, *_ = await resealing.reseal(pool, turning.keyring, Operator(name="op"))
        again, *_ = await resealing.reseal(pool, turning.keyring, Operator(name="op"))
    assert (first.resealed, first.current, first.unreadable) == (1, 1, 0)
    assert (again.resealed, again.current, again.unreadable) == (0, 2, 0)
    entry = await pool.fetchrow("SELECT target, detail FROM portal.audit WHERE action = 'secret.reseal' ORDER BY id")
    assert entry["target"] == "portal.totp.secret"
    detail = entry["detail"] if isinstance(entry["detail"], dict) else json.loads(entry["detail"])
    assert detail["resealed"] == "1"
    async with serve(after) as api:
        assert (await login(api, code(secret))).status_code == 200
