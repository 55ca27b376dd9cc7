"""The control surface of payments: declines of the card gateway, its log, pending payments, groups of clients."""

from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from sandbox.ports import World
from sandbox.whmcs.billing import receive, totals
from sandbox.whmcs.control.tables import Handler, body_of, record_of, shown
from sandbox.whmcs.gateway import SENTENCES, TELLS, Decline
from sandbox.whmcs.state import ClientGroup

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


async def confirm(world: World, request: Request) -> Any:
    """Confirm (`accepted`: true) or refuse the payment of a `Payment Pending` invoice, as the bank does."""
    body, invoice = await body_of(request), record_of(world.whmcs, "invoices", request)
    if invoice.status != "Payment Pending":
        raise HTTPException(409, "The invoice is not Payment Pending.")
    install, balance = world.whmcs, totals(world.whmcs, invoice).balance
    with install.hooks_off(bool(body.get("silent"))):
        if body.get("accepted", True):
            receive(install, world.clock, invoice, balance, gateway=invoice.paymentmethod, transid=f"bank_{invoice.id}")
        else:
            invoice.status, invoice.updated_at = "Unpaid", str(world.clock.local())
            install.fire(world.clock, "InvoiceUnpaid", "invoice", invoice.id, invoice.userid)
    return shown(install, invoice)


async def client_group(world: World, request: Request) -> Any:
    """Create a group of clients: `groupname`, `susptermexempt`, `separateinvoices`. Clients name it by `groupid`."""
    body, install = await body_of(request), world.whmcs
    number = install.new_id("client_group")
    made = ClientGroup(
        number,
        str(body.get("groupname", f"Group {number}")),
        bool(body.get("susptermexempt")),
        bool(body.get("separateinvoices")),
    )
    install.client_groups[number] = made
    install.changed()
    return shown(install, made)


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
    ("/invoices/{id}/confirm", "POST", confirm),
    ("/client-groups", "POST", client_group),
)
