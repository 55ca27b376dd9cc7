"""includes/api.php: one endpoint, forms in, business errors under HTTP 200, refusals of the caller under 403."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox import gate
from sandbox.whmcs import clients, invoices, orders, system
from sandbox.whmcs.errors import ApiError
from sandbox.whmcs.forms import parse

Action = Callable[[Any, dict[str, Any]], dict[str, Any]]
ACTIONS: dict[str, Action] = {**clients.ACTIONS, **invoices.ACTIONS, **orders.ACTIONS, **system.ACTIONS}


async def endpoint(world: Any, request: Request) -> Response:
    """One action."""
    params = parse(parse_qsl((await request.body()).decode(), keep_blank_values=True))
    name = str(params.get("action", ""))

    async def work() -> Response:
        return _act(world, name, params)

    return await gate.answer(world, "whmcs", request, name or "none", work)


def _act(world: Any, name: str, params: dict[str, Any]) -> Response:
    given = (params.get("identifier") or params.get("username"), params.get("secret") or params.get("password"))
    if given != (world.whmcs.identifier, world.whmcs.secret):
        return _refused("Invalid or missing credentials")
    action = ACTIONS.get(name.lower())
    if action is None:
        return _refused(f'Invalid Permissions: API action "{name.lower()}" is not allowed')
    try:
        return JSONResponse({"result": "success", **action(world, params)})
    except ApiError as error:
        return JSONResponse({"result": "error", "message": str(error)})


def _refused(message: str) -> Response:
    return JSONResponse({"result": "error", "message": message}, 403)
