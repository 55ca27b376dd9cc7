"""Whatever hangs, every request is answered in its time; and goes on as before once nothing hangs any more."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from app.http.answering import command_response
from app.settings import Settings
from tests.fixtures.relay import Relay, relay
from tests.http.support_cases import CASE

DEADLINE_SECONDS = 2.0
SLACK_SECONDS = 3.0
"""This machine is busy."""
AWAY = "temporarily_unavailable"
READS = (
    "/api/auth/me",
    "/api/orders",
    "/api/invoices",
    "/api/account/summary",
    "/api/public/services",
    "/api/account/timeline",
)


@pytest.fixture
def quick(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings, read_deadline_seconds=DEADLINE_SECONDS, auth_rate_per_minute=1000, account_rate_per_minute=10_000
    )


@pytest.fixture
async def postgres(engines: tuple[str, str]) -> AsyncIterator[Relay]:
    async with relay(engines[0]) as found:
        yield found


async def timed(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> tuple[httpx.Response, float]:
    began = monotonic()
    response = await client.request(method, path, **more)
    return response, monotonic() - began


async def until_served(client: httpx.AsyncClient, path: str, headers: dict[str, str]) -> httpx.Response:
    async with asyncio.timeout(30):
        while AWAY in (response := await client.get(path, headers=headers)).text:
            await asyncio.sleep(0.1)
    return response


async def test_postgres_hangs_reads_answer_503_in_time_and_all_goes_on_afterwards(
    serve: Any, quick: Settings, postgres: Relay, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    async with serve(msgspec.structs.replace(quick, database_url=postgres.url)) as api:
        headers = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
        before = {path: (await api.get(path, headers=headers)).status_code for path in READS}
        postgres.hang()
        answers = await asyncio.gather(
            *(timed(api, "GET", path, headers=headers) for path in READS for _ in range(10)),
            *(timed(api, "GET", "/api/orders") for _ in range(5)),
        )
        for response, seconds in answers:
            assert seconds < DEADLINE_SECONDS + SLACK_SECONDS
            assert response.status_code == 401 or AWAY in response.text
            assert response.headers["content-type"] == "application/problem+json"
        assert sum(AWAY in response.text for response, _ in answers) >= 50
        posted, seconds = await timed(api, "POST", "/webhooks/whmcs", content=b"{}")
        assert (posted.status_code >= 400, seconds < 12) == (True, True)
        postgres.flow()
        for path, status in before.items():
            assert (await until_served(api, path, headers)).status_code == status


async def test_a_locked_inbox_leaves_plain_reads_alone(
    serve: Any, quick: Settings, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    async with serve(quick) as api:
        headers = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
        parked = "SELECT relkind = 'r' FROM pg_class WHERE oid = 'read_model.parked'::regclass"
        free = READS if await pool.fetchval(parked) else READS[:1]  # a view over the inbox waits with it
        before = {path: (await api.get(path, headers=headers)).status_code for path in free}
        assert 200 in before.values()
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE ingest.inbox, ingest.notices IN ACCESS EXCLUSIVE MODE")
            for path, status in before.items():
                response, seconds = await timed(api, "GET", path, headers=headers)
                assert (response.status_code, seconds < DEADLINE_SECONDS) == (status, True), path


async def test_a_locked_table_gives_503_in_time_on_the_fast_path_and_off_it(
    serve: Any, quick: Settings, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    async with serve(quick) as api:
        headers = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE portal.sessions IN ACCESS EXCLUSIVE MODE")
            for more in ({}, {"Prefer": "wait=0"}):
                response, seconds = await timed(api, "GET", "/api/orders", headers=headers | more)
                assert (response.status_code, response.json()["code"]) == (503, "temporarily_unavailable")
                assert response.headers["retry-after"]
                assert seconds < DEADLINE_SECONDS + SLACK_SECONDS
        assert AWAY not in (await until_served(api, "/api/orders", headers)).text


async def test_waiting_for_ones_own_write_ends_as_pending_when_the_inbox_hangs(
    serve: Any, quick: Settings, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    from app.http.answering.query_response import consistency_token

    account_id = await add_customer("hana")
    async with serve(quick) as api:
        headers = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
        plain = await api.get("/api/orders", headers=headers)
        waiting = {**headers, "Consistency-Token": consistency_token(quick, account_id, 1), "Prefer": "wait=0.5"}
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("LOCK TABLE ingest.inbox IN ACCESS EXCLUSIVE MODE")
            response, seconds = await timed(api, "GET", "/api/orders", headers=waiting)
        assert response.status_code == plain.status_code
        assert seconds < DEADLINE_SECONDS + SLACK_SECONDS
        if response.status_code == 200:
            assert response.headers["consistency"] == "pending"


async def test_a_command_past_its_deadline_is_not_cut_and_its_answer_is_kept(
    serve: Any,
    quick: Settings,
    pool: asyncpg.Pool,
    add_customer: Any,
    log_in: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Slow work stands for an upstream in the middle of a write; ledger, routes and engines are the real ones."""
    await add_customer("hana")
    may_end, ended = asyncio.Event(), asyncio.Event()
    really = command_response.audited
    runs: list[Any] = []

    async def slow(*arguments: Any) -> Any:
        runs.append(arguments)
        await may_end.wait()
        try:
            return await really(*arguments)
        finally:
            ended.set()

    async with serve(msgspec.structs.replace(quick, command_deadline_seconds=0.5)) as api:
        login = await api.post(
            "/api/auth/login", json={"email": "hana@example.jp", "password": "paper crane lantern 24"}
        )
        headers = {"authorization": f"Bearer {login.json()['token']}", "idempotency-key": "once"}
        monkeypatch.setattr(command_response, "audited", slow)
        body = CASE
        response, seconds = await timed(api, "POST", "/api/cases", headers=headers, json=body)
        assert (response.status_code, response.json()["code"]) == (503, "outcome_unknown")
        assert seconds < 0.5 + SLACK_SECONDS
        async with asyncio.timeout(20):  # on a busy machine, even the refusal may take longer than the deadline
            while (meanwhile := await api.post("/api/cases", headers=headers, json=body)).status_code == 503:
                assert meanwhile.json()["code"] == "outcome_unknown"
        assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "command_in_progress")
        assert len(runs) == 1, "a repetition ran it again"
        may_end.set()
        await asyncio.wait_for(ended.wait(), 20)
        async with asyncio.timeout(20):
            while await pool.fetchval("SELECT state FROM portal.commands") == "running":
                await asyncio.sleep(0.05)


async def test_a_crowd_on_a_hung_pool_is_bounded(postgres: Relay) -> None:
    from app import db

    pool = await db.open_pool(postgres.url, size=2)
    try:
        postgres.hang()
        tasks = [asyncio.create_task(pool.fetchval("SELECT 1", timeout=1)) for _ in range(db.MOST_WAITING + 50)]
        done, _ = await asyncio.wait(tasks, timeout=1)
        assert sum(isinstance(task.exception(), db.PoolExhausted) for task in done) >= 40
        answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
        assert all(isinstance(each, Exception) and db.is_outage(each) for each in answers)
        postgres.flow()
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await pool.fetchval("SELECT 1") == 1
                    break
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await asyncio.sleep(0.1)
    finally:
        pool.terminate()
