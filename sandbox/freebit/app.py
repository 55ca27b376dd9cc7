"""Freebit's transport: a form with one field `json`, a trailing slash, the key inside the body, always HTTP 200."""

import json
import secrets
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox.faults import gate
from sandbox.freebit.checks import Refusal
from sandbox.freebit.operations import OPERATIONS, READS
from sandbox.freebit.state import Freebit
from sandbox.ports import World

UPSTREAM = "freebit"
AUTH = "authOem"


def app(world: World) -> Starlette:
    """Build the service. The same application serves http and https."""

    async def endpoint(request: Request) -> Response:
        name = request.path_params["path"].rstrip("/")
        body = await request.body()
        kind = request.headers.get("content-type", "")

        async def work() -> Response:
            if not request.url.path.endswith("/") or request.method != "POST":
                return HTMLResponse("<html><body><h1>404 Not Found</h1></body></html>", 404)
            return JSONResponse(_answer(world, name, kind, body), media_type="application/json;charset=UTF-8")

        return await gate.answer(world, request, UPSTREAM, name, work)

    return Starlette(routes=[Route("/emptool/api/{path:path}", endpoint, methods=["GET", "POST", "PUT"])])


def _answer(world: World, name: str, kind: str, body: bytes) -> dict[str, Any]:
    freebit = world.freebit
    try:
        payload = _run(world, name, _document(kind, body))
        code, status = 100, {"message": "OK", "statusCode": "200"}
    except Refusal as error:
        payload, code = {}, int(error.result_code)
        status = {"message": str(error), "statusCode": error.status_code}
    freebit.answers += 1
    # Sheets say number, clients see strings: every second answer is one of them.
    return {"resultCode": code if freebit.answers % 2 else str(code), "status": status, **payload}


def _document(kind: str, body: bytes) -> dict[str, Any]:
    if not kind.startswith("application/x-www-form-urlencoded"):
        raise Refusal("400", "290", "the request must be a URL-encoded form")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    try:
        document = json.loads(fields["json"][-1])
    except (KeyError, json.JSONDecodeError) as error:
        raise Refusal("400", "291", "the form must have a field json") from error
    if not isinstance(document, dict):
        raise Refusal("400", "291", "json must hold an object")
    return document


def _run(world: World, name: str, document: dict[str, Any]) -> dict[str, Any]:
    freebit, now = world.freebit, world.clock.now().timestamp()
    if name == AUTH:
        return _log_in(freebit, document, now)
    if freebit.auth_keys.get(str(document.get("authKey")), 0.0) <= now:
        raise Refusal("401", "401", "authKey is invalid or has expired")
    operation = OPERATIONS.get(name)
    if operation is None:
        raise Refusal("400", "299", f"unknown operation {name}")
    payload = operation(freebit, world.clock, document)
    if name not in READS:
        freebit.changed()
    return payload


def _log_in(freebit: Freebit, document: dict[str, Any], now: float) -> dict[str, Any]:
    given = (str(document.get("oemId")), str(document.get("oemKey")))
    if given != (freebit.oem_id, freebit.oem_key):
        raise Refusal("401", "401", "oemId or oemKey is wrong")
    freebit.auth_keys = {key: until for key, until in freebit.auth_keys.items() if until > now}
    key = secrets.token_hex(16)
    freebit.auth_keys[key] = now + freebit.key_seconds
    freebit.changed()
    return {"authKey": key}
