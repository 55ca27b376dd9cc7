"""The recorded answers of a version, and what a later answer may not lack: a field, or its type."""

import json
from pathlib import Path
from typing import Any

import httpx

from app.cli.document import unconfigured
from app.http.policies.policy import CUSTOMER
from app.http.policies.table import DeclaredRoute, routes_of
from app.http.versions.endings import operation_of
from tests.http.fast.test_path import OWN

ANSWERS = Path(__file__).parents[3] / "docs" / "released" / "answers"
LIVE = {
    "streamEvents",
    "getExport",
    "downloadExport",
    "getAttachment",
    "getCase",
    "listCases",
    "getCommand",
    "listSubscriptionPlans",
}
"""Reads of customers that need more than the read models, or are no JSON."""


def reads() -> list[DeclaredRoute]:
    """List the reads of customers and of everybody under /api/, that the read models alone answer."""
    return [
        route
        for route in routes_of(unconfigured())
        if route.method == "GET" and route.path.startswith("/api/")
        if route.policy.roles is None or route.policy.roles >= CUSTOMER
        if operation_of(route.handler) not in LIVE and "/health/" not in route.path
    ]


async def answers(api: httpx.AsyncClient, own: dict[str, str], version: str, **more: str) -> dict[str, Any]:
    """Ask for everything: what a customer sees, and each problem in the place of it."""
    headers = own | {"Portal-Version": version} | more
    found = {}
    for route in reads():
        path = route.path.format(**OWN)
        found[operation_of(route.handler)] = told(path, await api.get(path, headers=headers))
    for name, path, given in (
        ("unknown address", "/api/nowhere", headers),
        ("no session", "/api/account/profile", {"Portal-Version": version} | more),
        ("unknown parameter", "/api/invoices?nothing=1", headers),
        ("no such invoice", "/api/invoices/0", headers),
    ):
        found[name] = told(path, await api.get(path, headers=given))
    return found


def told(path: str, response: httpx.Response) -> dict[str, Any]:
    """Keep of an answer what clients rely on."""
    kind = response.headers["content-type"]
    return {"path": path, "status": response.status_code, "content_type": kind, "body": response.json()}


def recorded(version: str) -> dict[str, Any]:
    """Read the recorded answers of a version."""
    found: dict[str, Any] = json.loads((ANSWERS / f"{version}.json").read_text())
    return found


def lost(was: Any, now: Any, at: str) -> list[str]:
    """List what an answer lacks of a recorded one. Null may become anything, and nothing may become null."""
    if was is None:
        return []
    if kind(was) != kind(now):
        return [f"{at} was {kind(was)} and is {kind(now)}"]
    if isinstance(was, dict):
        gone = [f"{at}.{name} is gone" for name in was if name not in now]
        return gone + [each for name in was if name in now for each in lost(was[name], now[name], f"{at}.{name}")]
    if isinstance(was, list):
        if len(now) < len(was):
            return [f"{at} had {len(was)} items and has {len(now)}"]
        return [each for n, item in enumerate(was) for each in lost(item, now[n], f"{at}[{n}]")]
    return []


def kind(value: Any) -> str:
    """Name the JSON type of a value."""
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
