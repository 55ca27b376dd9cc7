"""`python -m sandbox`: wire-level stand-ins for Salesforce, WHMCS, Freebit and WHM in one process."""

import argparse
import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio
from starlette.types import ASGIApp

from sandbox import control, state_file, tls
from sandbox.freebit import app as freebit
from sandbox.persistence import Durable, Snapshots
from sandbox.postbox import Postbox
from sandbox.salesforce.bus.pubsub import PubSub
from sandbox.salesforce.rest import http_app
from sandbox.serve import Server, stop_all
from sandbox.sockets import Ports
from sandbox.whm import app as whm
from sandbox.whmcs import app as whmcs
from sandbox.whmcs.hooks import Delivery
from sandbox.world import World

GRPC_OPTIONS = (("grpc.so_reuseport", 0),)


def main() -> None:
    """Parse the arguments and run until told to stop."""
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--state-file", type=Path, required=True, help="JSON file to write when everything listens")
    parser.add_argument("--dir", type=Path, required=True, help="directory for data, keys and ports")
    parser.add_argument("--webhook-url", default="", help="where WHMCS's hook file sends its webhooks")
    parser.add_argument("--seed-customers", type=int, default=300, help="how many sample customers there are")
    volatile = "keep nothing on disk: faster, and a restart begins at the seed (or set SANDBOX_VOLATILE=1)"
    parser.add_argument("--volatile", action="store_true", default=bool(os.getenv("SANDBOX_VOLATILE")), help=volatile)
    options = parser.parse_args()
    options.dir = options.dir.resolve()
    options.dir.mkdir(parents=True, exist_ok=True)
    options.state_file.unlink(missing_ok=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(options))


async def run(options: argparse.Namespace) -> None:
    """Start everything, write the state file and wait for SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    directory: Path = options.dir
    files, private_key, ports = (
        tls.certificates(directory),
        directory / "salesforce.pem",
        Ports(directory / "ports.json"),
    )
    world = World(options.seed_customers, private_key)
    snapshots = Snapshots(world, directory, volatile=options.volatile)
    snapshots.load()
    if options.webhook_url:
        world.whmcs.webhook_url = options.webhook_url
    delivery, postbox = Delivery(world), Postbox()
    world.whmcs.listeners.append(delivery.wake)
    servers = _servers(world, snapshots, delivery, postbox, files, ports)
    world.whmcs.system_url = f"https://localhost:{servers['whmcs'].port}"
    mail = ports.listening("smtp")
    async with _bus(world, files, ports) as bus, postbox.listening(mail), _running(list(servers.values())):
        ports.save()
        await snapshots.flush()
        numbers = {name: server.port for name, server in servers.items()} | bus | {"smtp": int(mail.getsockname()[1])}
        described = state_file.describe(world, numbers, ca_file=files.ca_file, private_key=private_key)
        state_file.write(options.state_file, described)
        # What the seed made lives as long as the process; the collector need not look at it again.
        gc.freeze()
        tasks = [asyncio.create_task(delivery.run()), asyncio.create_task(snapshots.run())]
        await _until(stop, tasks)
    await snapshots.flush()


def _servers(
    world: World, snapshots: Snapshots, delivery: Delivery, postbox: Postbox, files: tls.Certificates, ports: Ports
) -> dict[str, Server]:
    """Return every listener by its name; names that end in `_http` are without TLS."""
    apps: dict[str, ASGIApp] = {
        "salesforce": http_app.app(world),
        "whmcs": whmcs.app(world),
        "freebit": freebit.app(world),
        "whm": whm.app(world),
    }
    control_app = Durable(control.app(world, delivery, postbox), snapshots)
    servers = {"control": Server(control_app, ports.listening("control"))}
    for name, app in apps.items():
        safe = Durable(app, snapshots)
        servers[name] = Server(safe, ports.listening(name), files)
        servers[f"{name}_http"] = Server(safe, ports.listening(f"{name}_http"))
    return servers


@contextlib.asynccontextmanager
async def _running(servers: list[Server]) -> AsyncIterator[None]:
    for server in servers:
        await server.start()
    try:
        yield
    finally:
        await stop_all(servers)


@contextlib.asynccontextmanager
async def _bus(world: World, files: tls.Certificates, ports: Ports) -> AsyncIterator[dict[str, int]]:
    """Serve the Pub/Sub API with and without TLS, and yield its ports."""
    server = grpc.aio.server(options=GRPC_OPTIONS)
    PubSub(world).add_to(server)
    pair = (files.key_file.read_bytes(), files.certificate_file.read_bytes())
    numbers = {"pubsub": ports.number("pubsub"), "pubsub_plain": ports.number("pubsub_plain")}
    server.add_secure_port(f"127.0.0.1:{numbers['pubsub']}", grpc.ssl_server_credentials([pair]))
    server.add_insecure_port(f"127.0.0.1:{numbers['pubsub_plain']}")
    await server.start()
    try:
        yield numbers
    finally:
        await server.stop(0.2)


async def _until(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for the signal to stop. Raise the error of a background task that failed."""
    waiting = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (waiting, *tasks):
        task.cancel()
    for task in done:
        task.result()


if __name__ == "__main__":
    main()
