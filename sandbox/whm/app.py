"""WHM API 1 over HTTP: always status 200 once the token is right; the older shape without `api.version=1`."""

import hmac
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.faults import gate
from sandbox.ports import World
from sandbox.whm import uapi
from sandbox.whm.functions import FUNCTIONS, Failed, Outcome

UPSTREAM = "whm"


def app(world: World) -> Starlette:
    """Build the service. The same application serves http and https."""

    async def endpoint(request: Request) -> Response:
        name = request.path_params["function"]
        body = (await request.body()).decode("utf-8", "replace")
        params = dict([*request.query_params.multi_items(), *parse_qsl(body, keep_blank_values=True)])

        async def work() -> Response:
            if not _admitted(world, request):
                return _denied()
            return JSONResponse(_answer(world, name, params))

        # The log and the faults name what is done in an account, not the one function through which everything is.
        operation = uapi.operation_of(params) if name == uapi.FUNCTION else name
        return await gate.answer(world, request, UPSTREAM, operation, work)

    return Starlette(routes=[Route("/json-api/{function}", endpoint, methods=["GET", "POST"])])


def _admitted(world: World, request: Request) -> bool:
    expected = f"whm {world.whm.user}:{world.whm.token}"
    return hmac.compare_digest(request.headers.get("authorization", "").encode(), expected.encode())


def _denied() -> Response:
    """Failures before the function runs come as 403, in a shape of their own."""
    data = {"reason": "Access denied", "result": "0"}
    body = {"cpanelresult": {"apiversion": "2", "error": "Access denied", "data": data, "type": "text"}}
    return JSONResponse(body, 403)


def _answer(world: World, name: str, params: dict[str, str]) -> dict[str, Any]:
    try:
        if name not in FUNCTIONS:
            raise Failed("Function not found")
        if name in world.whm.denied:
            raise Failed(f"Permission denied: {name}")
        result, outcome = 1, FUNCTIONS[name](world.whm, world.clock, params)
    except Failed as error:
        result, outcome = 0, Outcome(reason=str(error))
    if params.get("api.version") != "1":
        return _older(result, outcome)
    metadata: dict[str, Any] = {"command": name, "result": result, "reason": outcome.reason, "version": 1}
    if outcome.raw:
        metadata["output"] = {"raw": outcome.raw}
    return {"metadata": metadata} | ({} if outcome.data is None else {"data": outcome.data})


def _older(result: int, outcome: Outcome) -> dict[str, Any]:
    """Return the answer in the shape of API 0."""
    row = {"status": result, "statusmsg": outcome.reason, "rawout": outcome.raw, "options": outcome.data}
    return {"result": [row]}
