"""Event streams: the cost of thousands of idle ones in one process, and the time until an event reaches all of them."""

import asyncio
import resource
import time
from typing import Any
from uuid import UUID

import asyncpg

from app.cache.redis_breaker import GuardedRedis
from app.ingest.versions import publish
from app.readmodels.table import GLOBAL_ACCOUNT
from benchmarks.harness import read_data, setup
from benchmarks.harness.load import cpu_seconds
from benchmarks.harness.read_servers import servers
from benchmarks.harness.report import Result

STREAMS, QUICK_STREAMS = 5_000, 1_200
"""More than the server holds by default, for both."""
A_ACCOUNT = 5
OPENED_AT_ONCE = 50
KIB_BAR = 48.0
"""KiB of the API process for one idle stream."""
FAN_OUT_SECONDS = 120

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """Two rows: memory a stream, and time until the last stream has an event that is everybody's."""
    count = QUICK_STREAMS if quick else STREAMS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with servers(url) as started:
        async with setup.pool(url) as pool:
            await read_data.fill(pool, count // A_ACCOUNT, invoices=1)
            address = started.portal("streams", LOG_LEVEL="warning", EVENT_STREAMS=str(count))
            process, port = started.process(address), int(address.rsplit(":", 1)[1])
            before = _resident_kib(process)
            streams = await _open(port, count)
            await asyncio.sleep(1 if quick else 5)
            each_kib = (_resident_kib(process) - before) / count
            spent = [await _fan_out(pool, started.redis_url, process, streams) for _ in range(rounds)]
            for _, writer in streams:
                writer.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    seconds, cpu = sorted(spent)[len(spent) // 2]
    return [
        Result(
            name="streams, memory of an idle one",
            unit="KiB",
            ours=each_kib,
            bar=KIB_BAR,
            at_most=True,
            detail=f"{count:,} open in one process that took {before / 1024:.0f} MiB without any",
        ),
        Result(
            name="streams, fan-out to all",
            unit="ms",
            ours=seconds * 1000,
            detail=f"{count:,} streams, {cpu / count * 1e6:.0f} µs of the process's CPU for each",
        ),
    ]


async def _open(port: int, count: int) -> list[Stream]:
    gate = asyncio.Semaphore(OPENED_AT_ONCE)

    async def one(number: int) -> Stream:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            token = read_data.token_of(number % (count // A_ACCOUNT) + 1)
            writer.write(f"GET /api/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(head.decode())
            await reader.readuntil(b"retry: 2000\n")
            return reader, writer

    return await asyncio.gather(*(one(number) for number in range(count)))


async def _fan_out(pool: asyncpg.Pool, redis_url: str, process: Any, streams: list[Stream]) -> tuple[float, float]:
    """(seconds until the last stream has the event, seconds of CPU that the process spent on it)."""
    redis = GuardedRedis.open(redis_url)
    cpu, began = cpu_seconds(process), time.monotonic()
    await _change(pool, GLOBAL_ACCOUNT)
    await publish.publish(pool, redis)
    async with asyncio.timeout(FAN_OUT_SECONDS):
        await asyncio.gather(*(reader.readuntil(b"event: catalog.changed\ndata: {}\n\n") for reader, _ in streams))
    await redis.aclose()
    return time.monotonic() - began, cpu_seconds(process) - cpu


async def _change(pool: asyncpg.Pool, account: UUID) -> None:
    """As a commit of the catalog's projector leaves it."""
    async with pool.acquire() as connection, connection.transaction():
        version = await connection.fetchval(
            "INSERT INTO read_model.account_versions AS v (account_id, version) VALUES ($1, 1) "
            "ON CONFLICT (account_id) DO UPDATE SET version = v.version + 1 RETURNING version",
            account,
        )
        await connection.execute(
            "INSERT INTO ingest.notices (account_id, slice, item_id, version) VALUES ($1, 'catalog', '', $2)",
            account,
            version,
        )


def _resident_kib(process: Any) -> float:
    family = [process, *process.children(recursive=True)]
    return float(sum(each.memory_info().rss for each in family)) / 1024
