"""`POST /includes/api.php`: the gates in WHMCS's order, then the action. Business errors come under HTTP 200."""

import hmac
import json
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from sandbox.faults import gate
from sandbox.ports import World
from sandbox.whmcs import forms
from sandbox.whmcs.actions.call import Call
from sandbox.whmcs.actions.errors import Forbidden, Refused
from sandbox.whmcs.actions.params import Params
from sandbox.whmcs.actions.registry import ACTIONS
from sandbox.whmcs.control import moving

UPSTREAM = "whmcs"
EXTRA_PERMISSIONS = frozenset({"getstats", "getemails", "gethealthstatus"})
"""Actions of the role that this stand-in has no function for."""

CUSTOM_ACTION = "portalgatewaylog"
"""Exists only where its file is installed and the role permits it."""


async def endpoint(world: World, request: Request) -> Response:
    """One API call."""
    params = Params(forms.parse([*request.query_params.multi_items(), *await _pairs(request)]))
    word = params.text("action")
    operation = ACTIONS.get(word.lower(), (word or "none", None))[0]
    address = request.client.host if request.client else ""

    async def work() -> Response:
        moving.meet(world, operation, params)
        return answered(world, params, address)

    return await gate.answer(world, request, UPSTREAM, operation, work)


async def _pairs(request: Request) -> list[tuple[str, str]]:
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form() as form:
            return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    body = (await request.body()).decode("utf-8", "replace")
    return parse_qsl(body, keep_blank_values=True, max_num_fields=None)


def answered(world: World, params: Params, address: str) -> Response:
    """Gates, action, envelope."""
    status, body = 200, {}
    try:
        body = {"result": "success"} | _run(world, params, address)
    except Forbidden as error:
        status, body = 403, {"result": "error", "message": str(error)}
    except Refused as error:
        body = {"result": "error", "message": str(error)}
    if params.text("responsetype") != "json":
        return Response(_xml(params.text("action"), body), status, media_type="application/xml")
    return Response(php_json(body), status, media_type="application/json")


def _run(world: World, params: Params, address: str) -> dict[str, Any]:
    access, word = world.whmcs.access, params.text("action").lower()
    key_given = params.text("accesskey")
    if address not in access.allowed_ips and not (key_given and _equal(key_given, access.access_key)):
        raise Forbidden(f"Invalid IP {address}")
    identifier = params.text("identifier") or params.text("username")
    secret = params.text("secret") or params.text("password")
    if not (_equal(identifier, access.identifier) and _equal(secret, access.secret)):
        raise Forbidden("Invalid or missing credentials")
    if not access.api_access:
        raise Forbidden("Access Denied")
    if word == CUSTOM_ACTION and not world.whmcs.gateway.readable:
        raise Forbidden(f'Invalid Permissions: API action "{word}" is not allowed')
    permitted = (word in ACTIONS or word in EXTRA_PERMISSIONS) and word not in access.denied_actions
    if not permitted:
        raise Forbidden(f'Invalid Permissions: API action "{word}" is not allowed')
    if word not in ACTIONS:
        raise Refused("API Function Not Found")
    return ACTIONS[word][1](Call(world.whmcs, params, world.clock, address))


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def php_json(body: Any) -> str:
    """JSON as PHP writes it: slashes and everything beyond ASCII escaped."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/")


def _xml(action: str, body: dict[str, Any]) -> str:
    inner = "".join(_element(name, value) for name, value in {"action": action, **body}.items())
    return f'<?xml version="1.0" encoding="utf-8"?>\n<whmcsapi version="8.13">\n{inner}</whmcsapi>'


def _element(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"<{name}>{''.join(_element(key, each) for key, each in value.items())}</{name}>\n"
    if isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    return f"<{name}>{escape('' if value is None else str(value))}</{name}>\n"
