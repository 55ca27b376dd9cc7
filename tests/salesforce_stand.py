"""A Salesforce stand-in on real loopback sockets, in the test's own event loop: http, https, gRPC plain and TLS."""

import asyncio
import contextlib
import ssl
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from eventbus import methods
from eventbus import pubsub_api_pb2 as pb
from sandbox.calls import Calls
from sandbox.clock import Clock
from sandbox.faults import Fault, Faults
from sandbox.salesforce import connected_app, control, rest, seed
from sandbox.salesforce.ids import make_id
from sandbox.salesforce.org import INTEGRATION_USER, ORG_ID, Org
from sandbox.salesforce.pubsub import PubSub
from sandbox.salesforce.pubsub_stream import Pace
from sandbox.salesforce.sessions import open_session
from sandbox.seed.people import people
from sandbox.seed.products import products
from sandbox.tls import certificates

PRICEBOOK_ID = seed.PORTAL_PRICEBOOK_ID
DATA = "/services/data/v66.0"
PEOPLE = people(60)
PRODUCTS = products()


class World:
    """Just enough of a world for one upstream, with a small seed."""

    def __init__(self) -> None:
        self.salesforce = Org()
        seed.seed(self.salesforce, PEOPLE, PRODUCTS)
        self.clock, self.faults = Clock(), Faults()
        self.calls = Calls(self.clock)

    def script(self, operation: str, kind: str, **more: Any) -> None:
        """A fault for the next call of an operation."""
        self.faults.add(Fault("salesforce", operation, kind, **more))

    def operations(self) -> set[str]:
        """What the org was asked so far."""
        return {call["operation"] for call in self.calls.listed("salesforce")["calls"]}


@dataclass
class Stand:
    """Where the stand-in listens, and what a client needs to reach it."""

    world: World
    http: str
    https: str
    control: str
    plain: str
    tls: str
    ca_file: Path
    key_file: Path

    @property
    def org(self) -> Org:
        return self.world.salesforce

    def token(self) -> str:
        return open_session(self.org, INTEGRATION_USER, int(datetime.now(UTC).timestamp() * 1000))

    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("accesstoken", self.token()), ("instanceurl", self.https), ("tenantid", ORG_ID))

    def entry(self, sku: str) -> str:
        """The portal price book's entry of a product."""
        product = next(row for row in self.org.tables["Product2"].values() if row["StockKeepingUnit"] == sku)
        entries = self.org.find("PricebookEntry", "Product2Id", product["Id"])
        return next(str(row["Id"]) for row in entries if row["Pricebook2Id"] == PRICEBOOK_ID)


@contextlib.asynccontextmanager
async def stand(directory: Path, pace: Pace | None = None) -> AsyncIterator[Stand]:
    """A running stand-in with sixty customers; everything it started is stopped."""
    world = World()
    key_file = directory / "salesforce.pem"
    connected_app.give_key(world.salesforce, key_file)
    files = certificates(directory)
    app = Starlette(routes=[Mount("/salesforce", routes=control.routes(world)), Mount("/", rest.app(world))])
    quiet: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "log_level": "error",
        "lifespan": "off",
        "access_log": False,
    }
    servers = [
        uvicorn.Server(uvicorn.Config(app, **quiet)),
        uvicorn.Server(uvicorn.Config(app, ssl_certfile=files.certificate_file, ssl_keyfile=files.key_file, **quiet)),
    ]
    bus = grpc.aio.server()
    PubSub(world, pace or Pace(keepalive_seconds=0.5)).add_to(bus)
    credentials = grpc.ssl_server_credentials([(files.key_file.read_bytes(), files.certificate_file.read_bytes())])
    plain, tls = bus.add_insecure_port("127.0.0.1:0"), bus.add_secure_port("127.0.0.1:0", credentials)
    await bus.start()
    running = [asyncio.create_task(server._serve()) for server in servers]
    while not all(server.started for server in servers):
        await asyncio.sleep(0.01)
    ports = [server.servers[0].sockets[0].getsockname()[1] for server in servers]
    try:
        yield Stand(
            world,
            http=f"http://127.0.0.1:{ports[0]}",
            https=f"https://localhost:{ports[1]}",
            control=f"http://127.0.0.1:{ports[0]}/salesforce",
            plain=f"127.0.0.1:{plain}",
            tls=f"localhost:{tls}",
            ca_file=files.ca_file,
            key_file=key_file,
        )
    finally:
        await bus.stop(0)
        for server in servers:
            server.should_exit = server.force_exit = True
        await asyncio.gather(*running)


def trusting(stand: Stand) -> ssl.SSLContext:
    """A TLS context that trusts the stand-in's authority alone."""
    return ssl.create_default_context(cafile=str(stand.ca_file))


class Subscriber:
    """A raw Pub/Sub client: one stream, decoded with the schemas it fetches."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...]) -> None:
        self.channel = channel
        self.metadata = metadata
        self.asked: asyncio.Queue[pb.FetchRequest | None] = asyncio.Queue()
        method = methods.SUBSCRIBE
        multi = channel.stream_stream(method.path, method.serialize_request, method.parse_response)
        self.call = multi(self._requests(), metadata=metadata)

    async def _requests(self) -> AsyncIterator[pb.FetchRequest]:
        while (request := await self.asked.get()) is not None:
            yield request

    def ask(self, **fields: Any) -> "Subscriber":
        self.asked.put_nowait(pb.FetchRequest(**fields))
        return self

    async def next(self, seconds: float = 5.0) -> pb.FetchResponse:
        """The next response, keepalives included."""
        response = await asyncio.wait_for(self.call.read(), seconds)
        assert isinstance(response, pb.FetchResponse), "the stream ended"
        return response

    async def events(self, count: int, seconds: float = 5.0) -> list[pb.ConsumerEvent]:
        """The next `count` events, keepalives skipped."""
        found: list[pb.ConsumerEvent] = []
        while len(found) < count:
            found += (await self.next(seconds)).events
        return found

    async def settled(self) -> "Subscriber":
        """Itself after its first keepalive: from here on it hears everything."""
        while (await self.next()).events:
            continue
        return self

    async def failure(self, seconds: float = 5.0) -> tuple[grpc.StatusCode, dict[str, str]]:
        """How the stream ended: its status and trailers."""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(grpc.aio.AioRpcError):
                while await self.call.read() is not grpc.aio.EOF:
                    continue
            trailers = {str(key): str(value) for key, value in await self.call.trailing_metadata() or ()}
            return await self.call.code(), trailers

    async def close(self) -> None:
        self.asked.put_nowait(None)
        self.call.cancel()


async def schema_json(channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], schema_id: str) -> str:
    """A schema as GetSchema serves it."""
    method = methods.GET_SCHEMA
    ask = channel.unary_unary(method.path, method.serialize_request, method.parse_response)
    return str((await ask(pb.SchemaRequest(schema_id=schema_id), metadata=metadata)).schema_json)


def account_id(number: int) -> str:
    """The account of a sample person."""
    return make_id("001", number)


def new_key() -> str:
    """A fresh external key."""
    return str(uuid.uuid4())
