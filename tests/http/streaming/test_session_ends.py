"""Event streams end with their session, at once and in whichever process they are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from redis.asyncio import Redis

from app.http.streaming import session_ends
from app.ingest.versions import publish
from app.settings import Settings
from tests.http.conftest import PASSWORD
from tests.http.routes.test_events import Reader, invoice, on_socket, stream
from tests.projections.conftest import feed

__all__ = ["feed"]

SOON_SECONDS = 4
"""Far below what a stream waits between two looks without a cause."""


@pytest.fixture
async def processes(
    settings: Settings, pool: asyncpg.Pool, redis: Redis
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two API processes of one portal."""
    generous = msgspec.structs.replace(settings, auth_rate_per_minute=1000)
    async with on_socket(generous) as (_, one), on_socket(generous) as (_, other):
        yield one, other


def bearer(session: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['token']}"}


class Follower:
    """Follows one stream to its end, in the background."""

    def __init__(self, reader: Reader) -> None:
        self.lines: list[str] = []
        self.task = asyncio.create_task(self._follow(reader))

    async def _follow(self, reader: Reader) -> None:
        async for line in reader._lines:
            self.lines.append(line)

    async def ended(self) -> None:
        """Wait until it has, without another event."""
        async with asyncio.timeout(SOON_SECONDS):
            await self.task
        assert not [line for line in self.lines if line.startswith("event")]

    async def goes_on(self, seconds: float = 0.5) -> None:
        """See that it has not ended after a while."""
        assert (await asyncio.wait([self.task], timeout=seconds))[0] == set()


@asynccontextmanager
async def followed(client: httpx.AsyncClient, session: dict[str, str]) -> AsyncIterator[Follower]:
    """Open a stream of a session that has been checked once."""
    async with stream(client, session["token"]) as reader:
        follower = Follower(reader)
        await follower.goes_on(0.2)
        yield follower
        follower.task.cancel()


async def log_out(api: httpx.AsyncClient, session: dict[str, str], pool: asyncpg.Pool) -> Any:
    return await api.post("/api/auth/logout", headers=bearer(session))


async def log_out_everywhere(api: httpx.AsyncClient, session: dict[str, str], pool: asyncpg.Pool) -> Any:
    return await api.delete("/api/auth/sessions", headers=bearer(session))


async def revoke(api: httpx.AsyncClient, session: dict[str, str], pool: asyncpg.Pool) -> Any:
    items = (await api.get("/api/auth/sessions", headers=bearer(session))).json()["items"]
    own = next(each["session_id"] for each in items if each["current"])
    return await api.delete(f"/api/auth/sessions/{own}", headers=bearer(session))


async def by_hand(api: httpx.AsyncClient, session: dict[str, str], pool: asyncpg.Pool) -> Any:
    await pool.execute("UPDATE portal.sessions SET revoked_at = now()")


async def cut_short(api: httpx.AsyncClient, session: dict[str, str], pool: asyncpg.Pool) -> Any:
    await pool.execute("UPDATE portal.sessions SET expires_at = now() - interval '1 second'")


async def delete(api: httpx.AsyncClient, session: dict[str, str], pool: asyncpg.Pool) -> Any:
    await pool.execute("DELETE FROM portal.sessions")


@pytest.mark.parametrize("way", [log_out, log_out_everywhere, revoke, by_hand, cut_short, delete])
async def test_a_stream_ends_at_once_in_every_process(
    processes: Any, pool: asyncpg.Pool, add_customer: Any, log_in: Any, way: Any
) -> None:
    await add_customer("hana")
    session = await log_in(processes[0], "hana")
    async with AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(followed(each, session)) for each in processes for _ in "ab"]
        await way(processes[0], session, pool)
        for reader in readers:
            await reader.ended()


async def test_a_change_of_the_password_ends_the_streams_of_other_sessions_alone(
    processes: Any, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    await add_customer("ken")
    own, other, ken = [await log_in(processes[0], name) for name in ("hana", "hana", "ken")]
    async with (
        followed(processes[1], own) as kept,
        followed(processes[1], other) as lost,
        followed(processes[0], ken) as strangers,
    ):
        body = {"current_password": PASSWORD, "new_password": "glass harbour violin 77"}
        done = await processes[0].post("/api/auth/password/change", json=body, headers=bearer(own))
        assert done.status_code == 204
        await lost.ended()
        await kept.goes_on()
        await strangers.goes_on()


@pytest.mark.parametrize(
    "running_out", ["expires_at = now() + interval '1 second'", "last_seen_at = now() - interval '1799 seconds'"]
)
async def test_a_stream_ends_when_its_session_runs_out(
    processes: Any, pool: asyncpg.Pool, add_customer: Any, log_in: Any, running_out: str
) -> None:
    await add_customer("hana")
    session = await log_in(processes[0], "hana")
    async with followed(processes[0], session) as reader:
        await pool.execute(f"UPDATE portal.sessions SET {running_out}")
        await reader.ended()


async def test_a_session_that_is_used_meanwhile_does_not_run_out(
    processes: Any, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(processes[0], "hana")
    async with followed(processes[0], session) as reader:
        await pool.execute("UPDATE portal.sessions SET last_seen_at = now() - interval '1799 seconds'")
        await asyncio.sleep(0.2)
        await pool.execute("UPDATE portal.sessions SET last_seen_at = now()")
        await reader.goes_on(2)


async def test_a_change_after_the_end_is_not_sent(
    processes: Any, pool: asyncpg.Pool, redis: Redis, add_customer: Any, log_in: Any, feed: Any
) -> None:
    await add_customer("hana")
    session = await log_in(processes[0], "hana")
    async with followed(processes[1], session) as reader:
        await log_out(processes[0], session, pool)
        await feed([invoice(7)])
        await publish.publish(pool, redis)
        await reader.ended()


async def test_a_process_that_was_deaf_looks_at_every_stream(
    processes: Any, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    session = await log_in(processes[0], "hana")
    async with followed(processes[1], session) as reader:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")  # nobody is told
            await connection.execute("UPDATE portal.sessions SET revoked_at = now()")
        await reader.goes_on()
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portal-watch'"
        )
        await reader.ended()


async def test_while_the_session_cannot_be_checked_a_stream_stays_open_and_sends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away() -> float | None:
        raise asyncpg.CannotConnectNowError("starting up")

    watched = session_ends.WatchedSession(away, asyncio.Event())
    assert await watched.is_live() is None
    monkeypatch.setattr(session_ends, "UNKNOWN_SECONDS", 0.0)
    watched.recheck()
    assert await watched.is_live() is False
