"""The control surface of WHMCS: what staff and customers do there, with its hooks or, by `"silent": true`, without."""

from dataclasses import asdict, fields
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.answers import ControlResponse
from sandbox.ports import World
from sandbox.whmcs import cron, daily_run
from sandbox.whmcs.actions.instruments import store_card
from sandbox.whmcs.billing import receive, totals
from sandbox.whmcs.control import payments, tables
from sandbox.whmcs.control.staff import refund
from sandbox.whmcs.control.tables import Handler, body_of, record_of, shown
from sandbox.whmcs.hooks import Delivery
from sandbox.whmcs.install import Dialect
from sandbox.whmcs.state import Item
from sandbox.whmcs.state_services import Addon


def routes(world: World, delivery: Delivery) -> list[Route]:
    """Return the routes, to be mounted under /whmcs."""

    def route(path: str, method: str, handle: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            return ControlResponse(await handle(world, request))

        return Route(path, endpoint, methods=[method])

    async def webhooks(_: World, request: Request) -> Any:
        spooled = [asdict(each) for each in world.whmcs.spool]
        return {"target": world.whmcs.webhook_url, "spooled": spooled, "sent": list(delivery.history)}

    async def target(_: World, request: Request) -> Any:
        url = (await request.json()).get("url") or ""
        if not isinstance(url, str) or not (url == "" or url.startswith(("http://", "https://"))):
            raise HTTPException(422, "url must be an http or https address.")
        world.whmcs.webhook_url = url
        world.whmcs.changed()
        delivery.wake()
        return {"url": url}

    return [
        route("/webhooks", "GET", webhooks),
        route("/webhook-target", "PUT", target),
        route("/cron", "POST", _cron),
        route("/daily-run", "POST", _daily_run),
        route("/automation", "PUT", _automation),
        route("/access", "PUT", _access),
        route("/dialect", "PUT", _dialect),
        route("/gateways", "PUT", _gateways),
        route("/tax", "PUT", _tax),
        route("/invoices/{id}/pay", "POST", _pay),
        route("/invoices/{id}/refund", "POST", _refund),
        route("/clients/{id}/pay-methods", "POST", _add_card),
        route("/clients/{id}/merge", "POST", _merge),
        route("/services/{id}/addons", "POST", _add_addon),
        route("/invoices/{id}/lines", "POST", _add_line),
        route("/return-origins", "PUT", _return_origins),
        *(route(*each) for each in payments.ROUTES),
        *(route(*each) for each in tables.ROUTES),
    ]


async def _cron(world: World, request: Request) -> Any:
    """Run the daily run: cancellations that are due, then invoices. `client_id` bills one client only."""
    body = await body_of(request)
    ended = cron.cancel(world.whmcs, world.clock)
    only = str(body.get("client_id") or 0)
    made = cron.generate(world.whmcs, world.clock, client_id=int(only) if only.isdecimal() else 0)
    world.whmcs.automation.count(world.clock, "CreateInvoices", "invoice.created", len(made))
    world.whmcs.automation.count(world.clock, "CancellationRequests", "cancellations", len(ended))
    daily_run.note_run(world.whmcs, world.clock)
    invoices = [{"id": str(invoice.id), "client_id": str(invoice.userid)} for invoice in made]
    return {"invoices": invoices, "cancelled": [str(service.id) for service in ended]}


async def _daily_run(world: World, request: Request) -> Any:
    """Run everything that the installation's automation settings switch on."""
    return daily_run.run(world.whmcs, world.clock)


async def _automation(world: World, request: Request) -> Any:
    """Change what WHMCS says of its automation.

    `configuration`: settings by name. `by_itself`: whether the daily run happens. `last_run`: the server's time of it.
    `planted`: anything in place of the statistics.
    """
    body, automation = await body_of(request), world.whmcs.automation
    if unknown := sorted(set(body.get("configuration", {})) - set(automation.configuration)):
        raise HTTPException(422, f"There is no setting {', '.join(unknown)}.")
    automation.configuration |= body.pop("configuration", {})
    if unknown := sorted(set(body) - {"by_itself", "last_run", "planted"}):
        raise HTTPException(422, f"{', '.join(unknown)} cannot be changed.")
    for name, value in body.items():
        setattr(automation, name, value)
    world.whmcs.changed()
    return asdict(automation)


async def _access(world: World, request: Request) -> Any:
    """`allowed_ips`, `denied_actions`, `api_access`: who may call the API."""
    access, body = world.whmcs.access, await request.json()
    access.allowed_ips = set(body.get("allowed_ips", access.allowed_ips))
    access.denied_actions = {str(each).lower() for each in body.get("denied_actions", access.denied_actions)}
    access.api_access = bool(body.get("api_access", access.api_access))
    world.whmcs.changed()
    return {"allowed_ips": sorted(access.allowed_ips), "denied_actions": sorted(access.denied_actions)}


async def _dialect(world: World, request: Request) -> Any:
    """Any field of `Dialect`; all others are as in the newest release again."""
    body, known = await body_of(request), {each.name for each in fields(Dialect)}
    if unknown := sorted(set(body) - known):
        raise HTTPException(422, f"{', '.join(unknown)} cannot be changed; these can: {', '.join(sorted(known))}.")
    world.whmcs.dialect = Dialect(**body)
    world.whmcs.changed()
    return asdict(world.whmcs.dialect)


async def _pay(world: World, request: Request) -> Any:
    """Book a payment as staff or the bank do; `amount` is the balance unless given."""
    body, invoice = await body_of(request), record_of(world.whmcs, "invoices", request)
    if invoice.status == "Cancelled":
        raise HTTPException(409, "The invoice is cancelled.")
    balance = totals(world.whmcs, invoice).balance
    try:
        amount = Decimal(str(body.get("amount", balance))).quantize(Decimal("0.01"))
    except InvalidOperation as error:
        raise HTTPException(422, "amount must be a decimal number.") from error
    gateway, transid = str(body.get("gateway", invoice.paymentmethod)), str(body.get("transid", f"pay_{invoice.id}"))
    with world.whmcs.hooks_off(bool(body.get("silent"))):
        receive(world.whmcs, world.clock, invoice, amount, gateway=gateway, transid=transid)
    return shown(world.whmcs, invoice)


async def _gateways(world: World, request: Request) -> Any:
    """Set the gateways, by module and name. No hook fires."""
    world.whmcs.gateways = {str(module): str(name) for module, name in (await body_of(request)).items()}
    world.whmcs.changed()
    return world.whmcs.gateways


async def _tax(world: World, request: Request) -> Any:
    """Set whether tax is on (`enabled`), and its `type`: Exclusive or Inclusive. No hook fires."""
    body, install = await body_of(request), world.whmcs
    kind = str(body.get("type", install.tax_type))
    if kind not in ("Exclusive", "Inclusive"):
        raise HTTPException(422, "type must be Exclusive or Inclusive.")
    install.tax_type, install.tax_enabled = kind, bool(body.get("enabled", install.tax_enabled))
    install.changed()
    return {"type": install.tax_type, "enabled": install.tax_enabled}


async def _refund(world: World, request: Request) -> Any:
    """Staff give back the first payment of a paid invoice; `amount` is all of it unless given."""
    body, invoice = await body_of(request), record_of(world.whmcs, "invoices", request)
    with world.whmcs.hooks_off(bool(body.get("silent"))):
        try:
            refund(world.whmcs, world.clock, invoice, body.get("amount"))
        except ValueError as error:
            raise HTTPException(409, str(error)) from error
    return shown(world.whmcs, invoice)


async def _add_card(world: World, request: Request) -> Any:
    """Add a card as in the client area. The reference calls the hook unreliable: `silent` leaves it out."""
    body, client = await body_of(request), record_of(world.whmcs, "clients", request)
    number, expiry = str(body.get("card_number", "4242424242424242")), str(body.get("expiry", "12/30"))
    method = store_card(world.whmcs, world.clock, client.id, number, expiry, silent=bool(body.get("silent")))
    return shown(world.whmcs, method)


async def _merge(world: World, request: Request) -> Any:
    """`{"into": ID}`: staff merge this client into another."""
    body, gone = await body_of(request), record_of(world.whmcs, "clients", request)
    into = world.whmcs.clients.get(int(str(body.get("into"))) if str(body.get("into")).isdecimal() else 0)
    if into is None or into is gone:
        raise HTTPException(422, "into must be another client.")
    with world.whmcs.hooks_off(bool(body.get("silent"))):
        world.whmcs.merge(gone, into)
        world.whmcs.fire(world.clock, "AfterClientMerge", "client", gone.id, into.id, merged_into=str(into.id))
    return shown(world.whmcs, into)


async def _add_line(world: World, request: Request) -> Any:
    """`type`, `relid`, `description`, `amount`, `taxed`: a line as WHMCS, its modules or staff write it."""
    body, invoice = await body_of(request), record_of(world.whmcs, "invoices", request)
    install, word = world.whmcs, str(body.get("type", ""))
    amount, relid = Decimal(str(body.get("amount", "500"))).quantize(Decimal("0.01")), int(str(body.get("relid", 0)))
    text, taxed = str(body.get("description", "By hand")), bool(body.get("taxed", True))
    invoice.items.append(Item(install.new_id("item"), text, amount, word, relid, taxed))
    with install.hooks_off(bool(body.get("silent"))):
        event = "AddInvoiceLateFee" if word == "LateFee" else "UpdateInvoiceTotal"
        install.fire(world.clock, event, "invoice", invoice.id, invoice.userid)
    return shown(install, invoice)


async def _return_origins(world: World, request: Request) -> Any:
    """`origins`: install the hook file that leads customers back to these; none removes it."""
    world.whmcs.return_origins = tuple(str(each) for each in (await body_of(request)).get("origins", []))
    world.whmcs.changed()
    return {"origins": list(world.whmcs.return_origins)}


async def _add_addon(world: World, request: Request) -> Any:
    """`name` and `recurring`: staff sell something with a service."""
    body, service = await body_of(request), record_of(world.whmcs, "services", request)
    install = world.whmcs
    price = Decimal(str(body.get("recurring", "500"))).quantize(Decimal("0.01"))
    made = Addon(
        id=install.new_id("addon"),
        userid=service.clientid,
        orderid=service.orderid,
        serviceid=service.id,
        name=str(body.get("name", "Extra")),
        recurring=price,
        billingcycle=service.billingcycle,
        regdate=world.clock.today().isoformat(),
        nextduedate=service.nextduedate,
    )
    install.addons[made.id] = made
    with install.hooks_off(bool(body.get("silent"))):
        install.fire(world.clock, "AddonAdd", "service", service.id, service.clientid)
    return shown(install, made)
