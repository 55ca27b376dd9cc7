"""The thin Redis connection: answers in order, one write a turn, and an outage costs nobody anything but a miss."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.cache import redis_pipeline as copies_module
from app.cache.redis_pipeline import RedisPipeline


async def works(copies: RedisPipeline, wanted: bool = True) -> None:
    async with asyncio.timeout(30):
        while copies.works is not wanted:
            await asyncio.sleep(0.01)


@pytest.fixture
async def copies(engines: tuple[str, str], redis: Redis) -> AsyncIterator[RedisPipeline]:
    found = RedisPipeline(engines[1])
    found.open()
    await works(found)
    yield found
    await found.close()


async def test_everybody_gets_their_own_answer(copies: RedisPipeline) -> None:
    copies.send(b"SET", b"present", b"\r\nodd\0bytes" * 1_000)
    asked = [copies.call(b"INCR", b"n") for _ in range(50)] + [copies.call(b"GET", b"absent"), copies.call(b"NONSENSE")]
    found = await asyncio.gather(*asked, copies.call(b"GET", b"present"))
    assert found == [*range(1, 51), None, None, b"\r\nodd\0bytes" * 1_000]


async def test_one_turn_of_the_loop_is_one_write(copies: RedisPipeline) -> None:
    writes: list[bytes] = []
    transport = copies._transport
    assert transport is not None

    class Counting:
        def write(self, data: bytes) -> None:
            writes.append(data)
            transport.write(data)

        def __getattr__(self, name: str) -> object:
            return getattr(transport, name)

    copies._transport = Counting()  # type: ignore[assignment]
    await asyncio.gather(*(copies.call(b"PING") for _ in range(30)))
    copies._transport = transport
    assert len(writes) == 1


async def test_a_broken_connection_fails_its_waiters_and_not_the_next_caller(
    copies: RedisPipeline, redis: Redis
) -> None:
    waiting = asyncio.create_task(copies.call(b"BLPOP", b"never", b"0"))
    await asyncio.sleep(0.02)
    await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]
    assert await asyncio.wait_for(waiting, 2) is None
    assert await copies.call(b"PING") is None
    await works(copies)
    assert await copies.call(b"PING") == b"PONG"


async def test_a_server_that_does_not_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hello_and_then_silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"SELECT\r\n$1\r\n0\r\n")
        writer.write(b"+OK\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hello_and_then_silence, "127.0.0.1", 0)
    copies = RedisPipeline(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    copies.open()
    await works(copies)
    async with asyncio.timeout(30):  # it would never end if nobody lost patience
        assert await asyncio.gather(copies.call(b"GET", b"a"), copies.call(b"GET", b"b")) == [None, None]
    await copies.close()
    server.close()


async def test_without_a_server_nobody_waits() -> None:
    copies = RedisPipeline("redis://127.0.0.1:9/0")
    copies.open()
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(copies.call(b"GET", b"a"), 0.1) is None
    copies.send(b"SET", b"a", b"b")
    await copies.close()


async def test_more_than_may_wait_is_refused(copies: RedisPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies_module, "MOST_WAITING", 3)
    found = await asyncio.gather(*(copies.call(b"PING") for _ in range(5)))
    assert found == [b"PONG"] * 3 + [None] * 2
