"""The control surface of WHM: its accounts, and what its token may do."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.ports import World
from sandbox.whm.state import Account

Handler = Callable[[World, Request], Awaitable[Any]]


def routes(world: World) -> list[Route]:
    """Return the routes, to be mounted under /whm."""

    def route(path: str, method: str, handle: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            return JSONResponse(await handle(world, request))

        return Route(path, endpoint, methods=[method])

    return [
        route("/accounts", "GET", _accounts),
        route("/accounts/{user}", "PATCH", _change),
        route("/accounts/{user}", "DELETE", _delete),
        route("/denied", "PUT", _denied),
        route("/server", "PATCH", _server),
    ]


def _shown(account: Account) -> dict[str, Any]:
    row = asdict(account) | {"suspended": account.suspended}
    row["databases"] = {name: sorted(users) for name, users in account.databases.items()}
    row |= {kind: sorted(row[kind]) for kind in ("database_users", "mailboxes")}
    return {key: value for key, value in row.items() if key != "password"}


async def _accounts(world: World, request: Request) -> Any:
    rows = [_shown(account) for account in reversed(list(world.whm.accounts.values()))]
    for name, value in request.query_params.items():
        rows = [row for row in rows if str(row.get(name)) == value]
    return {"total": len(rows), "records": rows}


def _named(world: World, request: Request) -> Account:
    account = world.whm.accounts.get(request.path_params["user"])
    if account is None:
        raise HTTPException(404, "There is no such account.")
    return account


async def _change(world: World, request: Request) -> Any:
    """Change an account as somebody else on the server does: `suspendreason` suspends it (`locked`: only root may lift
    that; empty resumes it), `plan`, `domain`, `owner`, `quota_mb`, `disk_used_mb`."""
    account, body = _named(world, request), await request.json()
    if "suspendreason" in body:
        account.suspendreason = str(body["suspendreason"])
        account.suspendtime = int(world.clock.now().timestamp()) if account.suspendreason else None
        account.locked = bool(account.suspendreason) and bool(body.get("locked"))
    for name in ("plan", "domain", "owner"):
        setattr(account, name, str(body.get(name, getattr(account, name))))
    for name in ("quota_mb", "disk_used_mb"):
        if name in body:
            setattr(account, name, int(body[name]))
    world.whm.changed()
    return _shown(account)


async def _delete(world: World, request: Request) -> Any:
    """Remove an account as somebody else on the server does."""
    account = _named(world, request)
    del world.whm.accounts[account.user]
    world.whm.changed()
    return _shown(account)


async def _server(world: World, request: Request) -> Any:
    """Set what the server lacks and allows: `missing`, `limits`, `unreachable`, `delay_seconds`, `lag_seconds`,
    `wordpress_set`, `wordpress_fails`, `pages`, `lenient`. What is not named stays."""
    body, whm = await request.json(), world.whm
    for name in ("missing", "unreachable"):
        if name in body:
            setattr(whm, name, {str(each) for each in body[name]})
    whm.limits = {str(name): int(most) for name, most in body.get("limits", whm.limits).items()}
    for name in ("delay_seconds", "lag_seconds"):
        setattr(whm, name, float(body.get(name, getattr(whm, name))))
    whm.pages, whm.lenient = bool(body.get("pages", whm.pages)), bool(body.get("lenient", whm.lenient))
    whm.wordpress_set = [str(each) for each in body.get("wordpress_set", whm.wordpress_set)]
    whm.wordpress_fails = str(body.get("wordpress_fails", whm.wordpress_fails))
    whm.changed()
    return {
        "missing": sorted(whm.missing),
        "limits": whm.limits,
        "unreachable": sorted(whm.unreachable),
        "delay_seconds": whm.delay_seconds,
        "lag_seconds": whm.lag_seconds,
        "wordpress_set": whm.wordpress_set,
        "wordpress_fails": whm.wordpress_fails,
        "pages": whm.pages,
        "lenient": whm.lenient,
    }


async def _denied(world: World, request: Request) -> Any:
    """`functions`: what the token may not call."""
    world.whm.denied = {str(each) for each in (await request.json()).get("functions", [])}
    world.whm.changed()
    return {"functions": sorted(world.whm.denied)}
