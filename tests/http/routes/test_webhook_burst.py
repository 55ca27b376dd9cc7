"""A burst of webhooks against the real server: bounded by back-pressure, and nothing acknowledged is lost."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import msgspec
import psutil
import pytest

from app.cli.stack.embedded import free_port
from app.settings import Settings
from tests.http.routes.test_webhooks import signed

POSTS = 500
LARGE, SMALL = 250_000, 100
MOST_GROWTH_BYTES = 120_000_000
"""16 MB of bodies, and what server and runtime keep around them; unbounded, 500 large ones take about 340 MB."""


@pytest.fixture
def server(engines: tuple[str, str], pool: asyncpg.Pool, tmp_path: Path) -> Iterator[tuple[str, psutil.Process]]:
    """`portal api` as a process; its address and its process."""
    port = free_port()
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    environment = {
        **os.environ,
        **dict.fromkeys(required, "x" * 32),
        "DATABASE_URL": engines[0],
        "REDIS_URL": engines[1],
        "API_PORT": str(port),
        "LOG_LEVEL": "warning",
    }
    with (tmp_path / "api.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "app.cli", "api"], env=environment, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/api/health/ready").status_code == 200:
                    break
            assert process.poll() is None, (tmp_path / "api.log").read_text()
            assert time.monotonic() < deadline, "the API did not start"
            time.sleep(0.05)
        yield url, psutil.Process(process.pid)
        process.terminate()
        process.wait(10)


def body(number: int, padding: int) -> bytes:
    return msgspec.json.encode(
        {
            "event": "InvoicePaid",
            "object": "invoice",
            "id": str(number),
            "client_id": "1001",
            "occurred_at": "2026-11-20T00:00:00Z",
            "padding": "x" * padding,
        }
    )


def memory(process: psutil.Process) -> int:
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


@contextlib.asynccontextmanager
async def watched(process: psutil.Process) -> AsyncIterator[list[int]]:
    """Memory every few milliseconds, for as long as the block runs."""
    seen = [memory(process)]

    async def watch() -> None:
        while True:
            seen.append(memory(process))
            await asyncio.sleep(0.01)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()


async def post(client: httpx.AsyncClient, number: int, padding: int) -> int:
    """Send a webhook and return the status; 0 when the server hung up before the body was sent."""
    content = body(number, padding)
    try:
        headers = signed(content, webhook_id=f"msg_{number}")
        return (await client.post("/webhooks/whmcs", content=content, headers=headers)).status_code
    except httpx.TransportError:
        return 0


async def known(pool: asyncpg.Pool) -> set[str]:
    return {row["record_id"] for row in await pool.fetch("SELECT record_id FROM ingest.inbox")}


async def burst(url: str, process: psutil.Process, pool: asyncpg.Pool, padding: int) -> tuple[Counter[int], int]:
    """Post all at once, see that what was acknowledged is in the inbox, and come again with the rest until all is in.

    Returns the statuses of the first round, and by how many bytes the server grew.
    """
    limits = httpx.Limits(max_connections=POSTS, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
        assert await post(client, POSTS + 1, padding) == 202
        async with watched(process) as seen:
            statuses = await asyncio.gather(*(post(client, number, padding) for number in range(1, POSTS + 1)))
            acknowledged = {str(number) for number, status in enumerate(statuses, 1) if status == 202}
            assert acknowledged <= await known(pool)
        for number in range(1, POSTS + 1):
            while str(number) not in acknowledged and await post(client, number, padding) != 202:
                await asyncio.sleep(0.05)
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox") == POSTS + 1
    return Counter(statuses), max(seen) - seen[0]


async def test_a_burst_of_large_webhooks_is_bounded_by_back_pressure_and_not_by_memory(
    server: tuple[str, psutil.Process], pool: asyncpg.Pool
) -> None:
    statuses, grown_bytes = await burst(*server, pool, LARGE)
    assert set(statuses) <= {0, 202, 503}
    assert statuses[202] >= 50
    assert statuses[503] > 0
    assert grown_bytes < MOST_GROWTH_BYTES, f"{grown_bytes / 1e6:.0f} MB, {statuses}"


async def test_a_burst_of_ordinary_webhooks_is_taken_in_whole(
    server: tuple[str, psutil.Process], pool: asyncpg.Pool
) -> None:
    statuses, _ = await burst(*server, pool, SMALL)
    assert statuses == {202: POSTS}
