"""The control surface of WHMCS's tables: listing, reading, making, changing and deleting records by hand."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from sandbox.ports import World
from sandbox.whmcs import memberships
from sandbox.whmcs.actions.call import money
from sandbox.whmcs.actions.clients import password_hash
from sandbox.whmcs.billing import totals
from sandbox.whmcs.control import planting
from sandbox.whmcs.control.staff import change
from sandbox.whmcs.install import Install
from sandbox.whmcs.state import Client, Invoice

Handler = Callable[[World, Request], Awaitable[Any]]
SECRET = frozenset({"password_hash"})
MOST_LISTED = 2_000


async def _create(world: World, request: Request) -> Any:
    """Create a user, product, service, promotion or invoice by hand; see `planting`."""
    body, name = await body_of(request), _plain(request.path_params["object"])
    if name not in planting.ONE:
        raise HTTPException(404, f"These can be made here: {', '.join(planting.ONE)}.")
    with world.whmcs.hooks_off(bool(body.pop("silent", False))), sentences():
        made = planting.ONE[name](world.whmcs, world.clock, body)
    world.whmcs.changed()
    return shown(world.whmcs, made)


async def _many_cancel_requests(world: World, request: Request) -> Any:
    """Create `count` requests to cancel. No hook fires."""
    body = await body_of(request)
    with sentences():
        made = planting.cancel_requests(world.whmcs, world.clock, body)
    return {"made": len(made), "first": str(made[0].id), "last": str(made[-1].id)}


async def _change_user(world: World, request: Request) -> Any:
    """Change a login: its address, names, `password`, and `clients`, those it may log in for without owning them."""
    body, user = await body_of(request), record_of(world.whmcs, "users", request)
    password, clients = body.pop("password", None), body.pop("clients", None)
    with sentences():
        change(world.whmcs, world.clock, "users", user, body)
    if password is not None:
        user.password_hash = password_hash(str(password))
    if clients is not None:
        world.whmcs.memberships[user.id] = {int(each) for each in clients}
    return shown(world.whmcs, user)


async def _list(world: World, request: Request) -> Any:
    """Newest first; query parameters filter by equality of shown values."""
    rows = [shown(world.whmcs, each) for each in reversed(list(_table(world.whmcs, request).values()))]
    for name, value in request.query_params.items():
        rows = [row for row in rows if str(row.get(name)) == value]
    return {"total": len(rows), "records": rows[:MOST_LISTED]}


async def _get(world: World, request: Request) -> Any:
    return shown(world.whmcs, record_of(world.whmcs, request.path_params["object"], request))


async def _change(world: World, request: Request) -> Any:
    """Change plain fields, as staff do."""
    body, name = await body_of(request), _plain(request.path_params["object"])
    record = record_of(world.whmcs, name, request)
    silent = bool(body.pop("silent", False))
    with world.whmcs.hooks_off(silent), sentences():
        change(world.whmcs, world.clock, name, record, body)
    return shown(world.whmcs, record)


async def _delete(world: World, request: Request) -> Any:
    """Delete a record. No hook fires. With a client goes everything that belongs to it."""
    record = record_of(world.whmcs, request.path_params["object"], request)
    key = request.path_params["id"]
    del _table(world.whmcs, request)[int(key)]
    if isinstance(record, Client):
        world.whmcs.forget(record)
        memberships.leave(world.whmcs, record)
    world.whmcs.changed()
    return {"id": key, "deleted": True}


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Turn what a table refuses into the answer to a request."""
    try:
        yield
    except (ValueError, ArithmeticError) as error:
        raise HTTPException(422, str(error) or "A value does not fit.") from error


async def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request, empty for none."""
    body = await request.json() if await request.body() else {}
    if not isinstance(body, dict):
        raise HTTPException(422, "The body must be a JSON object.")
    return body


def _plain(word: str) -> str:
    """`pay-methods`, `pay_methods` and `pay_method` are one table."""
    name = word.lower().replace("-", "_")
    return name if name.endswith("s") else name + "s"


def _table(install: Install, request: Request) -> dict[int, Any]:
    return _tables(install, _plain(request.path_params["object"]))


def _tables(install: Install, name: str) -> dict[int, Any]:
    names = ("clients", "users", "products", "services", "invoices", "transactions", "pay_methods", "orders")
    if name not in (*names, "promotions", "addons", "cancel_requests", "credits", "upgrades"):
        raise HTTPException(404, f"There is no table {name}; there are {', '.join(names)}.")
    found: dict[int, Any] = getattr(install, name)
    return found


def record_of(install: Install, word: str, request: Request) -> Any:
    """Return the record that a request names."""
    text = request.path_params["id"]
    found = _tables(install, _plain(word)).get(int(text) if text.isdecimal() else 0)
    if found is None:
        raise HTTPException(404, f"There is no {word} {text}.")
    return found


def shown(install: Install, record: Any) -> dict[str, Any]:
    """Return a record as JSON: ids as text, money as decimal strings, an invoice with its totals, no secrets."""
    row = {key: value for key, value in asdict(record).items() if key not in SECRET}
    if isinstance(record, Invoice):
        row |= asdict(totals(install, record))
    key = "pid" if "pid" in row and "clientid" not in row else "id"
    plain: dict[str, Any] = _plainly(row)
    return plain | {"id": str(row[key])}


def _plainly(value: Any) -> Any:
    if isinstance(value, Decimal):
        return money(value)
    if isinstance(value, Mapping):
        return {str(key): _plainly(each) for key, each in value.items()}
    return [_plainly(each) for each in value] if isinstance(value, list) else value


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("/cancel-requests", "POST", _many_cancel_requests),
    ("/users/{id}", "PATCH", _change_user),
    ("/{object}", "POST", _create),
    ("/{object}", "GET", _list),
    ("/{object}/{id}", "GET", _get),
    ("/{object}/{id}", "PATCH", _change),
    ("/{object}/{id}", "DELETE", _delete),
)
