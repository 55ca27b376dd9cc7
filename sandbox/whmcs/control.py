"""What staff, customers and the daily cron do in WHMCS; with `"silent": true` no hook tells of it."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.whmcs.client_area import add_method
from sandbox.whmcs.errors import ApiError
from sandbox.whmcs.hooks import fire
from sandbox.whmcs.invoices import bill, pay

TABLES = {
    "clients": ("client", "clients"),
    "invoices": ("invoice", "invoices"),
    "services": ("service", "services"),
    "orders": ("order", "orders"),
    "pay-methods": ("pay_method", "pay_methods"),
}
EVENTS = {"client": "ClientEdit", "invoice": "UpdateInvoiceTotal", "service": "ServiceEdit", "order": "PendingOrder"}

Handler = Callable[[Any, Request, dict[str, Any]], Awaitable[Any]]


def routes(world: Any) -> list[Route]:
    """The routes, to be mounted under /whmcs."""

    def route(path: str, method: str, handle: Handler) -> Route:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            try:
                body = await request.json() if raw else {}
                return JSONResponse(await handle(world, request, body))
            except KeyError as missing:
                return JSONResponse({"error": f"there is no {missing}"}, 404)
            except ApiError as error:
                return JSONResponse({"error": str(error)}, 409)

        return Route(path, endpoint, methods=[method])

    return [
        route("/cron", "POST", _cron),
        route("/webhook-target", "PUT", _target),
        route("/invoices/{id:int}/pay", "POST", _pay),
        route("/clients/{id:int}/pay-methods", "POST", _add_method),
        route("/{object}", "GET", _list),
        route("/{object}/{id:int}", "GET", _get),
        route("/{object}/{id:int}", "PATCH", _change),
        route("/{object}/{id:int}", "DELETE", _delete),
    ]


def _table(world: Any, request: Request) -> tuple[str, dict[int, Any]]:
    word = request.path_params["object"]
    kind, name = TABLES.get(word) or TABLES[f"{word}s"]
    return kind, getattr(world.whmcs, name)


def shown(record: Any) -> dict[str, Any]:
    """A record as JSON, totals of invoices included."""
    values = {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(record).items()}
    for name in ("subtotal", "tax", "total", "balance"):
        if hasattr(record, name):
            values[name] = str(getattr(record, name))
    values.pop("password", None)
    return _plain(values)  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


async def _cron(world: Any, request: Request, body: dict[str, Any]) -> Any:
    made = bill(world, int(body["client_id"]) if body.get("client_id") else None)
    return {"invoices": [{"id": str(invoice.id), "client_id": str(invoice.client_id)} for invoice in made]}


async def _target(world: Any, request: Request, body: dict[str, Any]) -> Any:
    world.webhook_target = body["url"]
    world.hooks_waiting.set()
    return {"url": world.webhook_target}


async def _pay(world: Any, request: Request, body: dict[str, Any]) -> Any:
    invoice = world.whmcs.invoices[request.path_params["id"]]
    amount = Decimal(str(body["amount"])) if body.get("amount") else None
    pay(world, invoice, amount, silent=bool(body.get("silent")))
    return shown(invoice)


async def _add_method(world: Any, request: Request, body: dict[str, Any]) -> Any:
    client = world.whmcs.clients[request.path_params["id"]]
    number, expiry = body.get("card_number", "4242424242424242"), body.get("expiry", "12/30")
    return shown(add_method(world, client.id, number, expiry, silent=bool(body.get("silent"))))


async def _list(world: Any, request: Request, body: dict[str, Any]) -> Any:
    _, table = _table(world, request)
    owner = request.query_params.get("client_id")
    rows = [row for row in table.values() if not owner or str(getattr(row, "client_id", row.id)) == owner]
    return {"items": [shown(row) for row in rows]}


async def _get(world: Any, request: Request, body: dict[str, Any]) -> Any:
    return shown(_table(world, request)[1][request.path_params["id"]])


async def _change(world: Any, request: Request, body: dict[str, Any]) -> Any:
    kind, table = _table(world, request)
    record, silent = table[request.path_params["id"]], bool(body.pop("silent", False))
    for name, value in body.items():
        if kind == "client" and name in record.fields:
            record.fields[name] = str(value)
        elif hasattr(record, name):
            setattr(record, name, Decimal(str(value)) if isinstance(getattr(record, name), Decimal) else value)
        else:
            raise KeyError(name)
    if not silent:
        fire(world, EVENTS.get(kind, "ClientEdit"), kind, record.id, getattr(record, "client_id", record.id))
    return shown(record)


async def _delete(world: Any, request: Request, body: dict[str, Any]) -> Any:
    """Deleting announces nothing, as in WHMCS."""
    return shown(_table(world, request)[1].pop(request.path_params["id"]))
