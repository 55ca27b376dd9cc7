"""The control surface of the card gateway: which charges it declines, and who can read its log."""

from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from sandbox.ports import World
from sandbox.whmcs.control.tables import Handler, body_of
from sandbox.whmcs.gateway import SENTENCES, TELLS, Decline

FIELDS = {"code", "client_id", "pay_method_id", "count", "tells", "text"}


async def declines(world: World, request: Request) -> Any:
    """List the scripted declines."""
    return [asdict(each) for each in world.whmcs.gateway.declines]


async def add_decline(world: World, request: Request) -> Any:
    """`code` (Stripe's, or any), of `client_id` or `pay_method_id` or of all, `count` times (until removed), told in
    the `answer`, in the `log` or as `nothing`; `text` is what the gateway writes."""
    body = await body_of(request)
    if unknown := sorted(set(body) - FIELDS):
        raise HTTPException(422, f"{', '.join(unknown)} is unknown; there are {', '.join(sorted(FIELDS))}.")
    if body.get("tells", "log") not in TELLS:
        raise HTTPException(422, f"tells is one of {', '.join(TELLS)}.")
    code = str(body.get("code", ""))
    if not code and not body.get("text"):
        raise HTTPException(422, f"code is missing, such as {', '.join(SENTENCES)}.")
    made = Decline(
        code,
        _number(body, "client_id", 0),
        _number(body, "pay_method_id", 0),
        _number(body, "count", -1),
        body.get("tells", "log"),
        str(body.get("text", "")),
    )
    world.whmcs.gateway.declines.append(made)
    world.whmcs.changed()
    return asdict(made)


async def clear_declines(world: World, request: Request) -> Any:
    """Remove the scripted declines."""
    world.whmcs.gateway.declines.clear()
    world.whmcs.changed()
    return {"declines": 0}


async def card_gateway(world: World, request: Request) -> Any:
    """`readable`: whether the custom action reads the log. `pending`: whether accepted charges are confirmed later."""
    body, gateway = await body_of(request), world.whmcs.gateway
    gateway.readable = bool(body.get("readable", gateway.readable))
    gateway.pending = bool(body.get("pending", gateway.pending))
    world.whmcs.changed()
    return {"readable": gateway.readable, "pending": gateway.pending}


async def log(world: World, request: Request) -> Any:
    """Return the gateway log, newest first."""
    return [asdict(each) for each in reversed(world.whmcs.gateway.log)]


def _number(body: dict[str, Any], name: str, otherwise: int) -> int:
    value = str(body.get(name, otherwise))
    if not value.lstrip("-").isdecimal():
        raise HTTPException(422, f"{name} is a whole number.")
    return int(value)


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("/declines", "GET", declines),
    ("/declines", "POST", add_decline),
    ("/declines", "DELETE", clear_declines),
    ("/card-gateway", "PUT", card_gateway),
    ("/gateway-log", "GET", log),
)
