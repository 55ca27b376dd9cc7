"""The control surface of Freebit: its lines, the duration of its work, and the expiry of its keys."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.freebit.state import ACTIVATING, ACTIVE, Line
from sandbox.ports import World

FAR_SECONDS = 10 * 365 * 86_400.0
Handler = Callable[[World, Request], Awaitable[Any]]


def routes(world: World) -> list[Route]:
    """Return the routes, to be mounted under /freebit."""

    def route(path: str, method: str, handle: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            return JSONResponse(await handle(world, request))

        return Route(path, endpoint, methods=[method])

    return [
        route("/lines", "GET", _lines),
        route("/lines/{account}", "GET", _line),
        route("/lines/{account}", "PATCH", _change),
        route("/settings", "PUT", _settings),
        route("/keys", "DELETE", _expire_keys),
    ]


def _shown(world: World, line: Line) -> dict[str, Any]:
    now = world.clock.now().timestamp()
    return asdict(line) | {"state": line.state(now), "plan_code": line.plan(now)}


def _named(world: World, request: Request) -> Line:
    line = world.freebit.lines.get(request.path_params["account"])
    if line is None:
        raise HTTPException(404, "There is no such line.")
    return line


async def _lines(world: World, request: Request) -> Any:
    rows = [_shown(world, line) for line in reversed(list(world.freebit.lines.values()))]
    for name, value in request.query_params.items():
        rows = [row for row in rows if str(row.get(name)) == value]
    return {"total": len(rows), "records": rows}


async def _line(world: World, request: Request) -> Any:
    return _shown(world, _named(world, request))


async def _change(world: World, request: Request) -> Any:
    """Set a line's `state`: active completes its work now, activating keeps it from ever completing. Or `master`:
    whether it is a master account, which cannot be cancelled."""
    line, body = _named(world, request), await request.json()
    if "master" in body:
        line.master = bool(body["master"])
    state = body.get("state")
    if state not in (ACTIVE, ACTIVATING) and not (state is None and "master" in body):
        raise HTTPException(422, "state must be active or activating.")
    if state is not None:
        line.done_at = world.clock.now().timestamp() + (0.0 if state == ACTIVE else FAR_SECONDS)
    world.freebit.changed()
    return _shown(world, line)


async def _settings(world: World, request: Request) -> Any:
    """Set `delay_seconds` of asynchronous work, `cancel_seconds` of a line's end, and `key_seconds` of keys."""
    freebit, body = world.freebit, await request.json()
    try:
        freebit.delay_seconds = float(body.get("delay_seconds", freebit.delay_seconds))
        freebit.key_seconds = float(body.get("key_seconds", freebit.key_seconds))
        freebit.cancel_seconds = float(body.get("cancel_seconds", freebit.cancel_seconds))
    except (TypeError, ValueError) as error:
        raise HTTPException(422, "delay_seconds, cancel_seconds and key_seconds are numbers.") from error
    freebit.changed()
    names = ("delay_seconds", "cancel_seconds", "key_seconds")
    return {name: getattr(freebit, name) for name in names}


async def _expire_keys(world: World, request: Request) -> Any:
    ended, world.freebit.auth_keys = len(world.freebit.auth_keys), {}
    world.freebit.changed()
    return {"ended": ended}
