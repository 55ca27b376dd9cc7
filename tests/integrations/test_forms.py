"""Sent or not sent: the difference between repeating safely and ordering twice."""

import asyncio

import pytest
import pytest_asyncio

from app.errors import OutcomeUnknown, UpstreamBusy, UpstreamMalformed, UpstreamUnavailable
from app.integrations import forms
from app.integrations.forms import Forms
from tests.integrations.conftest import settings
from tests.integrations.scripted import Reply


@pytest_asyncio.fixture
async def poster():
    made = Forms("whm", settings(), concurrency=2)
    yield made
    await made.close()


def post(poster, url, *, write=False, seconds=2.0):
    return poster.post("op", url, {"a": "1"}, write=write, timeout_seconds=seconds)


async def test_a_closed_port_is_unavailable_even_for_a_write(poster, unused_tcp_port):
    with pytest.raises(UpstreamUnavailable):
        await post(poster, f"http://127.0.0.1:{unused_tcp_port}", write=True)


async def test_an_unknown_host_is_unavailable_even_for_a_write(poster):
    with pytest.raises(UpstreamUnavailable):
        await post(poster, "http://no-such-host.invalid", write=True)


@pytest.mark.parametrize(("write", "kind"), [(True, OutcomeUnknown), (False, UpstreamUnavailable)])
@pytest.mark.parametrize("reply", [Reply(drop=True), Reply(hang=5)], ids=["dropped", "silent"])
async def test_a_write_without_an_answer_has_an_unknown_outcome_a_read_is_unavailable(
    poster, upstream, reply, write, kind
):
    upstream.will(reply)
    with pytest.raises(kind):
        await post(poster, upstream.url, write=write, seconds=0.3)
    assert len(upstream.asked) == 1


async def test_an_endless_slow_answer_ends_at_the_deadline(poster):
    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x")
            await asyncio.sleep(0.05)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(OutcomeUnknown):
        async with asyncio.timeout(30):
            await post(poster, f"http://127.0.0.1:{port}", write=True, seconds=0.3)
    server.close()


async def test_an_answer_beyond_the_bound_is_not_taken_in(poster, upstream):
    upstream.will(Reply(b"x" * (forms.LARGEST_ANSWER_BYTES + 1)))
    with pytest.raises(UpstreamMalformed):
        await post(poster, upstream.url, seconds=10)


async def test_a_call_that_finds_no_free_slot_in_time_is_busy_and_was_never_sent(poster, upstream):
    upstream.will(Reply(hang=0.6))
    running = [asyncio.ensure_future(post(poster, upstream.url)) for _ in range(2)]
    await asyncio.sleep(0.1)
    with pytest.raises(UpstreamBusy):
        await post(poster, upstream.url, write=True, seconds=0.2)
    assert len(upstream.asked) == 2
    await asyncio.gather(*running)


async def test_connections_are_reused(poster, upstream):
    upstream.will(Reply("ok"))
    for _ in range(5):
        await post(poster, upstream.url)
    assert upstream.connections == 1


async def test_a_cookie_of_one_call_is_not_sent_with_the_next(poster, upstream):
    upstream.will(Reply("ok", headers={"Set-Cookie": "WHMCSsession=customer-one; Path=/"}))
    await post(poster, upstream.url)
    await post(poster, upstream.url)
    assert [asked.headers.get("cookie") for asked in upstream.asked] == [None, None]


async def test_a_redirect_is_not_followed(poster, upstream):
    upstream.will(Reply("", 302, {"Location": "/elsewhere"}))
    assert (await post(poster, upstream.url, write=True)).status == 302
    assert len(upstream.asked) == 1


async def test_an_unverified_certificate_is_unavailable(poster, salesforce):
    with pytest.raises(UpstreamUnavailable):
        await post(poster, salesforce.https, write=True)
