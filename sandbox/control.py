"""The control surface: what staff, customers and the network do to the upstreams, over plain HTTP on loopback."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from sandbox.answers import ControlResponse
from sandbox.faults import requests, rudeness
from sandbox.faults.scripted import BadFault
from sandbox.freebit import control as freebit_control
from sandbox.postbox import Postbox
from sandbox.salesforce.control import control as salesforce_control
from sandbox.whm import control as whm_control
from sandbox.whmcs import daily_run
from sandbox.whmcs.control import control as whmcs_control
from sandbox.whmcs.hooks import Delivery
from sandbox.world import World

BOARD = Path(__file__).with_name("board.html")
Handler = Callable[[World, Request], Awaitable[Any]]


def app(world: World, delivery: Delivery, postbox: Postbox) -> Starlette:
    """Build the application with the routes of every upstream."""

    def route(path: str, method: str, handle: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            return ControlResponse(await handle(world, request))

        return Route(path, endpoint, methods=[method])

    routes: list[BaseRoute] = [
        Route("/", _board, methods=["GET"]),
        route("/health", "GET", _health),
        route("/reset", "POST", _reset),
        route("/clock", "GET", _clock),
        route("/clock", "PUT", _set_clock),
        route("/faults", "GET", _faults),
        route("/faults", "POST", _add_fault),
        route("/faults", "DELETE", _clear_faults),
        route("/rudeness", "GET", _rudeness),
        route("/rudeness", "POST", _set_rudeness),
        route("/rudeness", "DELETE", _clear_rudeness),
        route("/calls", "GET", _calls),
        route("/calls", "DELETE", _clear_calls),
        Mount("/salesforce", routes=salesforce_control.routes(world)),
        Mount("/whmcs", routes=whmcs_control.routes(world, delivery)),
        Mount("/freebit", routes=freebit_control.routes(world)),
        Mount("/mail", routes=postbox.routes()),
        Mount("/whm", routes=whm_control.routes(world)),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refusal, json.JSONDecodeError: _no_json})


async def _board(request: Request) -> Response:
    """Serve a page with buttons for what staff, billing and the network do."""
    return FileResponse(BOARD, media_type="text/html")


async def _health(world: World, request: Request) -> Any:
    return {"status": "ok", "now": world.clock.now().isoformat()}


async def _reset(world: World, request: Request) -> Any:
    world.reset()
    return {"reset": True}


async def _clock(world: World, request: Request) -> Any:
    return {"now": world.clock.now().isoformat(), "offset_seconds": world.clock.offset_seconds}


async def _set_clock(world: World, request: Request) -> Any:
    """Set the clock: `offset_seconds` from the machine's time, or `advance_seconds` from its present offset.

    With `with_clock` of WHMCS's automation, its daily run happens at every nine o'clock that passes.
    """
    body = await request.json()
    try:
        offset = float(body.get("offset_seconds", world.clock.offset_seconds)) + float(body.get("advance_seconds", 0))
    except (TypeError, ValueError) as error:
        raise HTTPException(422, "offset_seconds and advance_seconds are numbers of seconds.") from error
    ran = 0
    if world.whmcs.automation.with_clock and offset > world.clock.offset_seconds:
        ran = daily_run.run_until(world.whmcs, world.clock, offset)
    world.clock.offset_seconds = offset
    return {**await _clock(world, request), "daily_runs": ran}


async def _faults(world: World, request: Request) -> Any:
    return {"faults": world.faults.listed()}


async def _add_fault(world: World, request: Request) -> Any:
    try:
        world.faults.add(requests.parse(await request.json()))
    except BadFault as error:
        raise HTTPException(422, str(error)) from error
    return await _faults(world, request)


async def _clear_faults(world: World, request: Request) -> Any:
    world.faults.clear()
    return await _faults(world, request)


async def _rudeness(world: World, request: Request) -> Any:
    """Show the random faults that are set and what calls, webhooks, pages and events met. A rate of 0 means off."""
    shown = world.rudeness.shown() if world.rudeness else {"rate": 0.0}
    return shown | {"spoilt_events": list(world.faults.spoilt)}


async def _set_rudeness(world: World, request: Request) -> Any:
    """Switch random faults on: `rate`, `kinds`, `seed`, `upstreams`."""
    try:
        world.set_rudeness(rudeness.parse(await request.json()))
    except BadFault as error:
        raise HTTPException(422, str(error)) from error
    return await _rudeness(world, request)


async def _clear_rudeness(world: World, request: Request) -> Any:
    """Switch random faults off and return what they did."""
    shown = await _rudeness(world, request)
    world.set_rudeness(None)
    return shown


async def _calls(world: World, request: Request) -> Any:
    return world.calls.listed(request.query_params.get("upstream", ""), request.query_params.get("operation", ""))


async def _clear_calls(world: World, request: Request) -> Any:
    world.calls.clear()
    return world.calls.listed()


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _no_json(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "The body must be JSON."}, 400)
