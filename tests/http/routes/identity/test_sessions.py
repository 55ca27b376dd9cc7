"""Sessions of a user: the list, ending one, ending all, at once and in every process."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from app.settings import Settings


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {session['token']}"}


async def me(api: httpx.AsyncClient, session: dict[str, Any]) -> int:
    return (await api.get("/api/auth/me", headers=bearer(session))).status_code


async def listed(api: httpx.AsyncClient, session: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/api/auth/sessions", headers=bearer(session))).json()["items"]
    return found


async def test_a_user_sees_their_own_sessions_only(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> None:
    await add_customer("hana")
    await add_customer("kenji")
    first, second, other = await log_in(api, "hana"), await log_in(api, "hana"), await log_in(api, "kenji")
    found = await listed(api, second)
    assert len(found) == 2
    assert [each["current"] for each in found] == [True, False]
    assert {each["address"] for each in found} == {"203.0.113.7"}
    assert not any(first["token"] in str(each) or "token" in each for each in found)
    assert len(await listed(api, other)) == 1


async def test_the_session_says_how_long_it_lasts(
    api: httpx.AsyncClient, settings: Settings, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(api, "hana")

    async def ends() -> tuple[datetime, datetime]:
        found = (await api.get("/api/auth/me", headers=bearer(session))).json()
        return datetime.fromisoformat(found["expires_at"]), datetime.fromisoformat(found["idle_expires_at"])

    at, idle_at = await ends()
    assert at == datetime.fromisoformat(session["expires_at"])
    idle = timedelta(seconds=settings.session_idle_seconds)
    last_seen_at = await pool.fetchval("SELECT last_seen_at FROM portal.sessions")
    assert idle_at == last_seen_at + idle
    await pool.execute("UPDATE portal.sessions SET last_seen_at = now() - interval '20 minutes'")
    _, prolonged = await ends()
    assert datetime.now(UTC) + idle - timedelta(minutes=2) < prolonged <= datetime.now(UTC) + idle
    await pool.execute("UPDATE portal.sessions SET expires_at = now() + interval '1 minute'")
    at, idle_at = await ends()
    assert idle_at == at


async def test_ending_one_ends_it_at_once_in_every_process(
    api: httpx.AsyncClient, serve: Any, settings: Settings, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    here, elsewhere = await log_in(api, "hana"), await log_in(api, "hana")
    target = next(each for each in await listed(api, here) if not each["current"])
    async with serve(settings) as another_process:
        assert await me(another_process, elsewhere) == 200
        ended = await api.delete(f"/api/auth/sessions/{target['session_id']}", headers=bearer(here))
        assert ended.status_code == 204
        assert await me(another_process, elsewhere) == 401
        assert await me(another_process, here) == 200
    again = await api.delete(f"/api/auth/sessions/{target['session_id']}", headers=bearer(here))
    assert again.status_code == 404


async def test_nobody_ends_somebody_elses(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> None:
    await add_customer("hana")
    await add_customer("kenji")
    hana, kenji = await log_in(api, "hana"), await log_in(api, "kenji")
    target = (await listed(api, kenji))[0]["session_id"]
    for wrong in (target, uuid4()):
        response = await api.delete(f"/api/auth/sessions/{wrong}", headers={**bearer(hana), "x-request-id": "same"})
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert await me(api, kenji) == 200


async def test_ending_all_ends_this_one_too(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> None:
    await add_customer("hana")
    sessions = [await log_in(api, "hana") for _ in range(3)]
    assert (await api.delete("/api/auth/sessions", headers=bearer(sessions[0]))).status_code == 204
    assert [await me(api, each) for each in sessions] == [401] * 3
