"""The control surface: seed, faults, calls, and what staff do, on a port of its own."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from sandbox import faults as script
from sandbox.salesforce import control as salesforce
from sandbox.whmcs import control as whmcs
from sandbox.whmcs.control import shown
from sandbox.world import World


def app(world: World) -> Starlette:
    """The routes of design and demo."""

    def changed() -> None:
        world.calls.writes += 1

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def reset(request: Request) -> Response:
        world.reset()
        changed()
        return JSONResponse({"status": "reset"})

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            world.faults.clear()
        elif request.method == "POST":
            try:
                world.faults.add(script.parse(await request.json()))
            except script.BadFault as error:
                return JSONResponse({"error": str(error)}, 422)
        return JSONResponse({"faults": world.faults.listed()})

    async def calls(request: Request) -> Response:
        if request.method == "DELETE":
            world.calls.clear()
        asked = request.query_params
        return JSONResponse(world.calls.listed(asked.get("upstream", ""), asked.get("operation", "")))

    async def lines(request: Request) -> Response:
        return JSONResponse({"items": [_plain(line) for line in world.freebit.lines.values()]})

    async def accounts(request: Request) -> Response:
        return JSONResponse({"items": [_plain(account) for account in world.whm.accounts.values()]})

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            changed()
        await inner(scope, receive, send)

    inner = Starlette(
        routes=[
            Route("/health", health),
            Route("/reset", reset, methods=["POST"]),
            Route("/faults", faults, methods=["GET", "POST", "DELETE"]),
            Route("/calls", calls, methods=["GET", "DELETE"]),
            Mount("/salesforce", routes=salesforce.routes(world)),
            Mount("/whmcs", routes=whmcs.routes(world)),
            Route("/freebit/lines", lines),
            Route("/whm/accounts", accounts),
        ]
    )
    return Starlette(routes=[Mount("/", app=watched)])


def _plain(record: Any) -> dict[str, Any]:
    return shown(record)
