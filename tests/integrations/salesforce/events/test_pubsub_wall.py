"""The event bus client against a real gRPC server that is large, refuses, or is no event bus at all."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from app.errors import PortalError, UpstreamBusy, UpstreamError, UpstreamUnavailable
from app.integrations.salesforce.events import pubsub
from app.integrations.salesforce.events.pubsub import PubSubClient
from app.integrations.salesforce.token import AccessToken
from eventbus import methods
from eventbus import pubsub_api_pb2 as pb
from tests.integrations.conftest import settings

TOPIC = "/data/X"
BIG = 95_000


class Tokens:
    """The client's source of tokens, on a port of its own, so that only the bus is under test."""

    async def token(self, *, refused: AccessToken | None = None) -> AccessToken:
        return AccessToken("00D!x", "https://127.0.0.1:9", "00D")

    def token_worked(self, token: AccessToken) -> None:
        return None


@contextlib.asynccontextmanager
async def served(**handlers: Any) -> AsyncIterator[PubSubClient]:
    """Run a server with gRPC's default policies, and yield a client of it."""
    server = grpc.aio.server()
    made = {
        name: (grpc.stream_stream_rpc_method_handler if name == "Subscribe" else grpc.unary_unary_rpc_method_handler)(
            each
        )
        for name, each in handlers.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(methods.SERVICE, made),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    given = settings(salesforce_pubsub=f"127.0.0.1:{port}", salesforce_pubsub_tls=False)
    client = await PubSubClient.open(given, Tokens())  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()
        await server.stop(None)


def response(start: int, count: int, size: int = 10) -> bytes:
    events = [
        pb.ConsumerEvent(
            event=pb.ProducerEvent(id=str(n), schema_id="none", payload=b"x" * size), replay_id=n.to_bytes(10, "big")
        )
        for n in range(start + 1, start + count + 1)
    ]
    latest = (start + count).to_bytes(10, "big")
    return pb.FetchResponse(events=events, latest_replay_id=latest, pending_num_requested=0).SerializeToString()


def bus_of(total: int, size: int, asked: list[int]) -> dict[str, Any]:
    """Return a bus that holds so many events of one size and delivers as many at a time as are requested."""

    async def subscribe(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        position = None
        async for raw in requests:
            request = pb.FetchRequest.FromString(raw)
            asked.append(request.num_requested)
            if position is None:
                position = int.from_bytes(request.replay_id, "big")
            count = min(request.num_requested, total - position)
            yield response(position, count, size)
            position += count

    async def schema(request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such schema")
        raise AssertionError

    return {"Subscribe": subscribe, "GetSchema": schema}


async def followed(client: PubSubClient, total: int) -> tuple[list[bytes], int]:
    """All positions up to the last, over as many streams as it takes; and how many that were."""
    seen: list[bytes] = []
    streams = 0
    async with asyncio.timeout(60):
        while len(seen) < total:
            streams += 1
            assert streams < 40
            with contextlib.suppress(UpstreamBusy):
                async for batch in client.subscribe(TOPIC, seen[-1] if seen else bytes(10)):
                    seen += [each.replay_id for each in batch.undecodable]
                    if len(seen) >= total:
                        break
    return seen, streams


async def test_a_hundred_large_events_come_in_one_answer() -> None:
    asked: list[int] = []
    async with served(**bus_of(100, BIG, asked)) as client:
        seen, streams = await followed(client, 100)
    assert (len(seen), streams, asked[0]) == (100, 1, 100)


async def test_an_answer_beyond_the_limit_is_asked_for_in_smaller_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    small = [("grpc.max_receive_message_length", 4 * BIG), *pubsub.OPTIONS[1:]]
    monkeypatch.setattr(pubsub, "OPTIONS", small)
    asked: list[int] = []
    async with served(**bus_of(60, BIG, asked)) as client:
        seen, _ = await followed(client, 60)
    assert seen == [n.to_bytes(10, "big") for n in range(1, 61)]
    assert asked[:6] == [100, 50, 25, 12, 6, 3]


async def test_the_credit_grows_back() -> None:
    asked: list[int] = []
    async with served(**bus_of(2_000, 1, asked)) as client:
        client._credit[TOPIC] = 1
        await followed(client, 2_000)
    assert asked[0] == 1
    assert asked[-1] == 100


def test_pings_are_as_rare_as_a_servers_default_policy_wants_them() -> None:
    """A default server allows one in 300 s while no data comes, and no more than two without any."""
    options = dict(pubsub.OPTIONS)
    assert options["grpc.keepalive_time_ms"] >= 300_000
    assert options["grpc.keepalive_permit_without_calls"] == 0
    assert "grpc.http2.max_pings_without_data" not in options
    assert options["grpc.max_receive_message_length"] >= 16 * 1024 * 1024


async def test_one_schema_that_is_refused_costs_its_own_events_alone() -> None:
    text = json.dumps({"type": "record", "name": "E", "fields": [{"name": "a", "type": "string"}]})

    async def subscribe(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        events = [
            pb.ConsumerEvent(event=pb.ProducerEvent(id=name, schema_id=name, payload=b"\x02x"), replay_id=bytes(10))
            for name in ("good", "refused", "good")
        ]
        yield pb.FetchResponse(events=events, latest_replay_id=bytes(10), pending_num_requested=90).SerializeToString()
        await asyncio.sleep(30)

    async def schema(request: bytes, context: Any) -> bytes:
        if pb.SchemaRequest.FromString(request).schema_id == "refused":
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not yours")
        return pb.SchemaInfo(schema_json=text).SerializeToString()

    async with served(Subscribe=subscribe, GetSchema=schema) as client:
        async with asyncio.timeout(20):
            batch = await anext(client.subscribe(TOPIC, None).__aiter__())
    assert [each.schema_id for each in batch.undecodable] == ["refused"]


async def test_a_schema_that_is_away_ends_the_stream_until_it_has_been_away_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handlers = bus_of(1, 1, [])

    async def schema(request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.INTERNAL, "out of order")
        raise AssertionError

    async with served(**{**handlers, "GetSchema": schema}) as client, asyncio.timeout(30):
        with pytest.raises(UpstreamUnavailable):
            await anext(client.subscribe(TOPIC, bytes(10)).__aiter__())
        monkeypatch.setattr(pubsub, "SCHEMA_PATIENCE_SECONDS", 0)
        batch = await anext(client.subscribe(TOPIC, bytes(10)).__aiter__())
        assert len(batch.undecodable) == 1


def aborting(code: grpc.StatusCode, details: str, trailers: tuple[tuple[str, Any], ...] = ()) -> Any:
    async def unary(request: bytes, context: Any) -> bytes:
        await context.abort(code, details, trailers)
        raise AssertionError

    async def stream(requests: Any, context: Any) -> AsyncIterator[bytes]:
        await context.abort(code, details, trailers)
        yield b""

    return {"Subscribe": stream, "GetTopic": unary, "GetSchema": unary}


def answering(content: bytes) -> Any:
    async def unary(request: bytes, context: Any) -> bytes:
        return content

    async def stream(requests: Any, context: Any) -> AsyncIterator[bytes]:
        yield content

    return {"Subscribe": stream, "GetTopic": unary, "GetSchema": unary}


RUDE: dict[str, Callable[[], Any]] = {
    "no-messages": lambda: answering(b"<html>Be right back</html>"),
    "bytes": lambda: answering(b"\xff" * 50),
    "nothing": lambda: answering(b""),
    "text-that-is-no-utf-8": lambda: answering(b"\x0a\x02\xff\xfe"),
    "a-schema-that-is-none": lambda: {**bus_of(2, 1, []), **{"GetSchema": answering(b"")["GetSchema"]}},
    "deep-schema": lambda: {
        **bus_of(2, 1, []),
        "GetSchema": answering(pb.SchemaInfo(schema_json="[" * 50_000).SerializeToString())["GetSchema"],
    },
    **{
        code.name: (lambda code=code: aborting(code, "no \N{REPLACEMENT CHARACTER}"))
        for code in grpc.StatusCode
        if code.value[0]
    },  # type: ignore[misc]
    "odd-trailers": lambda: aborting(
        grpc.StatusCode.INTERNAL, "no", (("error-code", "x" * 3000), ("rpc-id-bin", b"\x00\xff"))
    ),
    "no-such-method": lambda: {},
}


@pytest.mark.parametrize("rude", RUDE.values(), ids=RUDE.keys())
async def test_nothing_but_our_errors_leaves_the_bus(rude: Any) -> None:
    async with served(**rude()) as client, asyncio.timeout(60):
        await only_ours(client)


@pytest.mark.parametrize(
    "content", [b"", b"HTTP/1.1 200 OK\r\n\r\n<html>", b"\x00" * 100], ids=["nothing", "http1", "nul"]
)
async def test_a_server_that_speaks_another_protocol_is_unavailable(content: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = await PubSubClient.open(
        settings(salesforce_pubsub=f"127.0.0.1:{port}", salesforce_pubsub_tls=False),
        Tokens(),  # type: ignore[arg-type]
    )
    async with asyncio.timeout(60):
        await only_ours(client)
    await client.close()
    server.close()


async def test_a_token_that_cannot_be_sent_is_one_of_our_errors_too() -> None:
    async with served(**bus_of(1, 1, [])) as client, asyncio.timeout(30):
        client._salesforce = SimpleNamespace(  # type: ignore[assignment]
            token=lambda refused=None: _ready(AccessToken("a\nb", "\x00", "ü")), token_worked=lambda token: None
        )
        await only_ours(client)


async def _ready(value: Any) -> Any:
    return value


async def only_ours(client: PubSubClient) -> None:
    """Both public calls end, and with nothing but our errors."""

    async def follow() -> None:
        async for batch in client.subscribe(TOPIC, bytes(10)):
            assert batch.received_at <= datetime.now(UTC)
            return

    for work in (follow(), client.may_subscribe(TOPIC)):
        try:
            await work
        except PortalError as error:
            if not isinstance(error, UpstreamError):
                raise
