"""A Salesforce stand-in on real loopback sockets, in the test's own event loop: http, https, gRPC plain and TLS."""

import asyncio
import contextlib
import ipaddress
import ssl
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.applications import Starlette
from starlette.routing import Mount

from eventbus import methods
from eventbus import pubsub_api_pb2 as pb
from sandbox.salesforce import connected_app, control, rest, seed
from sandbox.salesforce.ids import make_id
from sandbox.salesforce.org import INTEGRATION_USER, ORG_ID, Org
from sandbox.salesforce.pubsub import PubSub
from sandbox.salesforce.pubsub_stream import Pace
from sandbox.salesforce.sessions import open_session

PRICEBOOK_ID = seed.PORTAL_PRICEBOOK_ID


@dataclass(frozen=True)
class Somebody:
    """A sample person."""

    number: int
    first_name: str = "Hanako"
    last_name: str = "Sato"
    phone: str = "03-1234-5678"
    address1: str = "1-2-3 Shibuya"
    city: str = "Shibuya-ku"
    state: str = "Tokyo"
    postcode: str = "150-0002"
    country: str = "JP"

    @property
    def customer_number(self) -> str:
        return f"C-{self.number:06d}"

    @property
    def email(self) -> str:
        return f"person{self.number}@example.com"

    @property
    def has_whmcs(self) -> bool:
        return self.number % 3 != 0


@dataclass(frozen=True)
class Goods:
    """A sample product."""

    sku: str
    name: str
    price: int
    whmcs_pid: str
    category: str = "Internet"
    item_class: str = "Service"
    billing_cycle: str = "Monthly"
    fields: dict[str, Any] = field(default_factory=dict)


PEOPLE = [Somebody(number) for number in range(1, 13)]
PRODUCTS = [
    Goods("INTERNET-SILVER-HOME-1G", "Internet Silver", 4_800, "181", fields={"Internet_Plan_Tier__c": "Silver"}),
    Goods("INTERNET-GOLD-HOME-1G", "Internet Gold", 5_600, "182", fields={"Internet_Plan_Tier__c": "Gold"}),
    Goods("INTERNET-INSTALL-SINGLE", "Installation", 22_800, "242", item_class="Installation", billing_cycle="Onetime"),
]


@dataclass
class Scripted:
    """A fault that the next call of an operation meets."""

    operation: str
    kind: str
    seconds: float = 0.0
    status: int = 503


class World:
    """Just enough of a world for one upstream; it is its own calls log, fault book and clock."""

    def __init__(self) -> None:
        self.salesforce = Org()
        seed.seed(self.salesforce, PEOPLE, PRODUCTS)
        self.operations: list[str] = []
        self.scripted: list[Scripted] = []
        self.calls = self.faults = self.clock = self

    def record(self, upstream: str, operation: str, *, user_agent: str = "", detail: str = "") -> None:
        self.operations.append(operation)

    def take(self, upstream: str, operation: str) -> list[Scripted]:
        hit = [fault for fault in self.scripted if fault.operation == operation]
        self.scripted = [fault for fault in self.scripted if fault not in hit]
        return hit

    def now(self) -> datetime:
        return datetime.now(UTC)


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
    streams: list[Any] = field(default_factory=list)

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
    """A running stand-in with twelve customers; everything it started is stopped."""
    world = World()
    key_file = directory / "salesforce.pem"
    connected_app.give_key(world.salesforce, key_file)
    ca_file, cert_file, cert_key = certificate(directory)
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
        uvicorn.Server(uvicorn.Config(app, ssl_certfile=cert_file, ssl_keyfile=cert_key, **quiet)),
    ]
    bus = grpc.aio.server()
    PubSub(world, pace or Pace(keepalive_seconds=0.5)).add_to(bus)
    credentials = grpc.ssl_server_credentials([(cert_key.read_bytes(), cert_file.read_bytes())])
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
            ca_file=ca_file,
            key_file=key_file,
        )
    finally:
        await bus.stop(0)
        for server in servers:
            server.should_exit = server.force_exit = True
        await asyncio.gather(*running)


def certificate(directory: Path) -> tuple[Path, Path, Path]:
    """A certificate for loopback: the authority's file, the server's, and the server's key."""
    now = datetime.now(UTC)
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]

    def signed(subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    plain = serialization.NoEncryption()
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    files = {
        "ca.pem": signed(authority, authority_key, ca=True),
        "server.pem": signed(subject, server_key, ca=False),
        "server-key.pem": server_key.private_bytes(encoding, form, plain),
    }
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory / "ca.pem", directory / "server.pem", directory / "server-key.pem"


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
