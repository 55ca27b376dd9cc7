"""The modules that may open a connection: the read side and the HTTP room know no client library, not even a standard
one. Import contracts of whole packages cannot say this, because `urllib.parse` and `http.HTTPStatus` are harmless."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "app"
ROOMS = ("http", "cache", "queries", "projections", "readmodels", "commands", "ingest", "personal_data")
CLIENTS = (
    *("httpx", "requests", "urllib3", "aiohttp", "httpcore", "websockets", "h2", "pycurl", "grpc", "simple_salesforce"),
    *("urllib.request", "http.client", "xmlrpc", "ftplib", "smtplib", "aiosmtplib", "telnetlib", "socket"),
    *("ssl", "asyncssh", "paramiko", "subprocess", "app.http_client"),
)
CONNECTING = {"open_connection", "open_unix_connection", "create_connection", "create_unix_connection", "sock_connect"}
ALLOWED = {
    ("cache/redis_pipeline.py", "ssl"),  # the hot path's own connection to Redis
    ("cache/redis_pipeline.py", "create_connection"),
    ("cache/redis_pipeline.py", "create_unix_connection"),
    ("ingest/inbox/feed_state.py", "socket"),  # the host's name, to tell who leads
}


def used(source: str) -> Iterator[str]:
    """Yield the client libraries that a module imports anywhere, and the calls by which it connects."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in CONNECTING:
                yield node.func.attr
            dynamic = node.func.attr == "import_module" and node.args and isinstance(node.args[0], ast.Constant)
            names = [str(node.args[0].value)] if dynamic else []  # type: ignore[attr-defined]
        yield from {client for client in CLIENTS for name in names if f"{name}.".startswith(f"{client}.")}


def found() -> set[tuple[str, str]]:
    paths = [path for room in ROOMS for path in (APP / room).rglob("*.py")]
    return {(str(path.relative_to(APP)), client) for path in paths for client in used(path.read_text())}


def test_one_module_names_the_library_that_speaks_http() -> None:
    named = {str(path.relative_to(APP)) for path in APP.rglob("*.py") if "httpx" in set(used(path.read_text()))}
    assert named == {"http_client.py"}


def test_only_integrations_know_a_client_library() -> None:
    assert found() == ALLOWED


@pytest.mark.parametrize(
    ("source", "client"),
    [
        ("import httpx", "httpx"),
        ("from app import http_client", "app.http_client"),
        ("def late():\n    import urllib.request", "urllib.request"),
        ("from urllib import request", "urllib.request"),
        ("from http import client", "http.client"),
        ("from http.client import HTTPConnection", "http.client"),
        ("import socket as s", "socket"),
        ("import importlib\nimportlib.import_module('requests.adapters')", "requests"),
        ("import asyncio\nasync def f(): await asyncio.open_connection('a', 1)", "open_connection"),
    ],
)
def test_a_planted_import_is_found(source: str, client: str) -> None:
    assert client in set(used(source))


@pytest.mark.parametrize("source", ["from urllib.parse import quote", "from http import HTTPStatus"])
def test_what_opens_nothing_is_harmless(source: str) -> None:
    assert not set(used(source))
