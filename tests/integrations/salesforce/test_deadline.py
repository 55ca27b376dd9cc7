"""A call to Salesforce ends in time however the answer comes, and so does the thread that makes it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from app.errors import OutcomeUnknown, UpstreamError, UpstreamMalformed, UpstreamUnavailable
from app.integrations.salesforce import session
from app.integrations.salesforce.client import Part
from tests.integrations.salesforce.rude import RECORD_ID, Asked, RudeOrg, encoded, rude_org

SECONDS = 1.5
PATIENCE_SECONDS = 20
"""Generous: without a deadline these answers last for a hundred seconds and more."""

Speak = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@pytest_asyncio.fixture
async def org(salesforce: Any, tmp_path: Any) -> AsyncIterator[RudeOrg]:
    async with rude_org(salesforce, tmp_path, salesforce_timeout_seconds=SECONDS) as running:
        yield running


async def dripping_body(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n")
    await drip(writer, b" " * 200)


async def dripping_head(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await drip(writer, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 200)


async def dripping_chunks(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(200):
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await asyncio.sleep(0.5)


async def silence(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(100)


async def drip(writer: asyncio.StreamWriter, content: bytes) -> None:
    for start in range(0, len(content), 1):
        writer.write(content[start : start + 1])
        await writer.drain()
        await asyncio.sleep(0.5)


SLOW = {"body": dripping_body, "head": dripping_head, "chunks": dripping_chunks, "silence": silence}


async def ended(org: RudeOrg, work: Callable[[], Awaitable[Any]]) -> UpstreamError:
    started = time.monotonic()
    with pytest.raises(UpstreamError) as raised:
        await work()
    assert time.monotonic() - started < PATIENCE_SECONDS
    return raised.value


@pytest.mark.parametrize("speak", SLOW.values(), ids=SLOW.keys())
async def test_a_read_ends_in_time_and_its_thread_with_it(org: RudeOrg, speak: Speak) -> None:
    org.speak = speak
    errors = await asyncio.gather(*(ended(org, lambda: org.client.query("SELECT Id FROM Order")) for _ in range(4)))
    assert {type(error) for error in errors} <= {UpstreamUnavailable, UpstreamMalformed} | set(
        UpstreamUnavailable.__subclasses__()
    )
    org.answers(encoded)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while org.client._transport._slots._value < 2:
            await asyncio.sleep(0.05)
    assert await org.client.count("Order") == 1


@pytest.mark.parametrize("speak", SLOW.values(), ids=SLOW.keys())
async def test_a_write_ends_in_time_and_its_outcome_is_unknown(org: RudeOrg, speak: Speak) -> None:
    org.speak = speak
    for work in (
        lambda: org.client.update("Order", RECORD_ID, {}),
        lambda: org.client.composite([Part("POST", "/sobjects/Order", "order", {})]),
    ):
        assert type(await ended(org, work)) is OutcomeUnknown
        assert org.client._transport._slots._value == 2


@pytest.mark.parametrize("speak", SLOW.values(), ids=SLOW.keys())
async def test_a_token_ends_in_time_too_and_nothing_was_sent(org: RudeOrg, speak: Speak) -> None:
    org.tokens = speak
    error = await ended(org, lambda: org.client.update("Order", RECORD_ID, {}))
    assert isinstance(error, UpstreamUnavailable)
    assert org.calls == []


async def test_a_server_that_never_shakes_hands_costs_no_more_than_the_call_may_take(
    salesforce: Any, tmp_path: Any
) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(100)

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    async with rude_org(salesforce, tmp_path, salesforce_timeout_seconds=SECONDS) as org:
        instance, org.url = org.url, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert instance != org.url
        error = await ended(org, lambda: org.client.update("Order", RECORD_ID, {}))
        assert isinstance(error, UpstreamUnavailable | OutcomeUnknown)
    server.close()


async def test_an_answer_without_end_is_given_up(org: RudeOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LARGEST_ANSWER_BYTES", 1_000_000)

    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.transport.is_closing():
            await asyncio.sleep(0)
            writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            await writer.drain()

    org.speak = endless
    assert isinstance(await ended(org, lambda: org.client.count("Order")), UpstreamMalformed | UpstreamUnavailable)
    assert isinstance(await ended(org, lambda: org.client.create("Order", {})), OutcomeUnknown)


async def test_a_connection_that_served_a_slow_call_serves_the_next_one_with_all_its_time(org: RudeOrg) -> None:
    """The time that was left of one call must not become the time-out of the next on the same connection."""
    from app.integrations.salesforce.deadline import left_seconds, within

    with within(0.2):
        assert (left_seconds() or 1) <= 0.2
    assert left_seconds() is None
    with within(-1), pytest.raises(TimeoutError):
        left_seconds()
