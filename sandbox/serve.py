"""Listeners: every upstream over http and https, the event bus over gRPC with and without TLS, all in one loop.

Ports are free ones, remembered in the sandbox's folder, so that a restarted sandbox is found where it was.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvicorn

from sandbox import control
from sandbox.freebit import api as freebit
from sandbox.salesforce import rest
from sandbox.salesforce.pubsub import PubSub
from sandbox.tls import Certificates
from sandbox.whm import api as whm
from sandbox.whmcs import client_area as whmcs
from sandbox.world import World

NAMES = ("salesforce", "whmcs", "freebit", "whm")


class Quiet(uvicorn.Server):
    """A server among several in one loop: the process handles the signals."""

    def install_signal_handlers(self) -> None:
        """Nothing."""

    def capture_signals(self) -> Any:
        """Nothing."""
        return contextlib.nullcontext()


class Ports:
    """Ports by name, the same at every start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}

    def listen(self, name: str) -> socket.socket:
        """A bound socket for this listener."""
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", self._ports.get(name, 0)))
        self.remember(name, bound.getsockname()[1])
        return bound

    def remember(self, name: str, port: int) -> None:
        """Keep a port for the next start."""
        self._ports[name] = port
        self._path.write_text(json.dumps(self._ports))

    def get(self, name: str) -> int:
        """The port of a listener, 0 when it never listened."""
        return self._ports.get(name, 0)


async def start(world: World, ports: Ports, files: Certificates) -> list[asyncio.Task[Any]]:
    """Start every listener; returns the tasks that keep them."""
    apps: Mapping[str, Any] = {
        "salesforce": rest.app(world),
        "whmcs": whmcs.app(world),
        "freebit": freebit.app(world),
        "whm": whm.app(world),
    }
    servers = [_server(control.app(world), None)]
    sockets = [ports.listen("control")]
    for name, app in apps.items():
        servers += [_server(app, None), _server(app, files)]
        sockets += [ports.listen(f"{name}-http"), ports.listen(f"{name}-https")]
    tasks = [asyncio.create_task(server.serve(sockets=[bound])) for server, bound in zip(servers, sockets, strict=True)]
    while not all(server.started for server in servers):
        await asyncio.sleep(0.01)
    await _start_grpc(world, ports, files)
    return tasks


def _server(app: Any, files: Certificates | None) -> Quiet:
    tls = {"ssl_certfile": str(files.certificate_file), "ssl_keyfile": str(files.key_file)} if files else {}
    return Quiet(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", timeout_keep_alive=30, **tls))


async def _start_grpc(world: World, ports: Ports, files: Certificates) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    PubSub(world).add_to(server)
    pair = (files.key_file.read_bytes(), files.certificate_file.read_bytes())
    plain = server.add_insecure_port(f"127.0.0.1:{ports.get('pubsub-plain')}")
    tls = server.add_secure_port(f"127.0.0.1:{ports.get('pubsub-tls')}", grpc.ssl_server_credentials([pair]))
    ports.remember("pubsub-plain", plain)
    ports.remember("pubsub-tls", tls)
    await server.start()
    world.keep = server
