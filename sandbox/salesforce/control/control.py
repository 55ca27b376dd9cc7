"""The control surface of the org: what staff do by hand, and what the event bus can do to a consumer."""

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from sandbox.salesforce.bus.cdc_faults import KINDS, Staff
from sandbox.salesforce.bus.platform_events import announce_eligibility
from sandbox.salesforce.control import setup
from sandbox.salesforce.control.staff import STAFF_ORIGIN, Handler, answering, staff_work
from sandbox.salesforce.org.ids import full_id
from sandbox.salesforce.org.org import STAFF_USER, Org
from sandbox.salesforce.ports import SalesforceWorld, now_ms
from sandbox.salesforce.rest.errors import SalesforceError, not_found
from sandbox.salesforce.rest.rows import shown
from sandbox.salesforce.schema.accounts import ELIGIBILITY_FIELDS
from sandbox.salesforce.schema.fields import SObject

VERSION = "66.0"
MOST_LISTED = 2_000


def routes(world: SalesforceWorld) -> list[Route]:
    """Return the routes, to be mounted under /salesforce."""

    def route(path: str, method: str, handle: Handler) -> Route:
        return answering(world, path, method, handle)

    return [
        *(route(*each) for each in setup.ROUTES),
        route("/cdc", "POST", _cdc),
        route("/orders/{id}/approve", "POST", _approve),
        route("/accounts/{id}/merge", "POST", _merge),
        route("/{object}", "POST", _create),
        route("/{object}", "GET", _list),
        route("/{object}/{id}", "GET", _get),
        route("/{object}/{id}", "PATCH", _update),
        route("/{object}/{id}", "DELETE", _delete),
        route("/{object}/{id}/raw", "PUT", _plant),
        route("/{object}/{id}/undelete", "POST", _undelete),
    ]


def _named(org: Org, word: str) -> SObject:
    """Return an object by its API name in any case, or by a plain plural (`orders`, `accounts`)."""
    known = {name.lower(): sobject for name, sobject in org.objects.items()}
    plural = {f"{name}s": sobject for name, sobject in known.items()} | {
        "opportunities": known["opportunity"],
        "products": known["product2"],
    }
    found = known.get(word.lower()) or plural.get(word.lower())
    if found is None:
        raise not_found()
    return found


def _target(world: SalesforceWorld, request: Request) -> tuple[SObject, str]:
    sobject = _named(world.salesforce, request.path_params["object"])
    record_id = full_id(request.path_params["id"])
    if record_id is None:
        raise not_found()
    return sobject, record_id


def _row(world: SalesforceWorld, sobject: SObject, record_id: str) -> dict[str, Any]:
    row = world.salesforce.get(sobject.name, record_id)
    if row is None:
        raise not_found()
    return shown(VERSION, sobject, row)


async def _approve(world: SalesforceWorld, request: Request) -> Any:
    record_id = full_id(request.path_params["id"]) or ""
    work = staff_work(world)
    work.update("Order", record_id, {"Status": "Approved"})
    work.commit()
    return _row(world, world.salesforce.objects["Order"], record_id)


async def _merge(world: SalesforceWorld, request: Request) -> Any:
    """`{"into": ID}`: staff merge this account into another; `"tell_children": true` also announces what moves."""
    body, loser_id = await request.json(), full_id(request.path_params["id"]) or ""
    master_id, work = full_id(str(body.get("into"))) or "", staff_work(world)
    work.merge("Account", master_id, loser_id, tell_children=bool(body.get("tell_children")))
    work.commit()
    return _row(world, world.salesforce.objects["Account"], master_id)


async def _create(world: SalesforceWorld, request: Request) -> Any:
    sobject, work = _named(world.salesforce, request.path_params["object"]), staff_work(world)
    try:
        record_id = work.create(sobject.name, await request.json())
    except SalesforceError:
        work.rollback()
        raise
    work.commit()
    return _row(world, sobject, record_id)


async def _update(world: SalesforceWorld, request: Request) -> Any:
    """Change a record as staff do. A changed eligibility is also announced, as the org's flow does."""
    (sobject, record_id), work = _target(world, request), staff_work(world)
    before = work.must(sobject.name, record_id)
    try:
        work.update(sobject.name, record_id, await request.json())
    except SalesforceError:
        work.rollback()
        raise
    work.commit()
    after = work.must(sobject.name, record_id)
    if sobject.name == "Account" and any(before.get(name) != after.get(name) for name in ELIGIBILITY_FIELDS):
        announce_eligibility(world.salesforce, after, now_ms=work.now_ms, user_id=STAFF_USER)
    return _row(world, sobject, record_id)


async def _plant(world: SalesforceWorld, request: Request) -> Any:
    """Write texts past every check: NUL as `\\u0000`, a lone surrogate, more than fits. The change event carries
    them."""
    (sobject, record_id), work = _target(world, request), staff_work(world)
    work.plant(sobject.name, record_id, await request.json())
    work.commit()
    return _row(world, sobject, record_id)


async def _delete(world: SalesforceWorld, request: Request) -> Any:
    (sobject, record_id), work = _target(world, request), staff_work(world)
    work.delete(sobject.name, record_id)
    work.commit()
    return {"id": record_id, "deleted": True}


async def _undelete(world: SalesforceWorld, request: Request) -> Any:
    (sobject, record_id), work = _target(world, request), staff_work(world)
    work.undelete(sobject.name, record_id)
    work.commit()
    return _row(world, sobject, record_id)


async def _list(world: SalesforceWorld, request: Request) -> Any:
    """Rows that are not deleted, newest first; query parameters filter by equality of shown values."""
    sobject = _named(world.salesforce, request.path_params["object"])
    table = world.salesforce.tables[sobject.name].values()
    rows = [shown(VERSION, sobject, row) for row in reversed(table) if not row["IsDeleted"]]
    for name, value in request.query_params.items():
        rows = [row for row in rows if str(row.get(name)) == value]
    return {"total": len(rows), "records": rows[:MOST_LISTED]}


async def _get(world: SalesforceWorld, request: Request) -> Any:
    return _row(world, *_target(world, request))


async def _cdc(world: SalesforceWorld, request: Request) -> Any:
    body = await request.json()
    kind = KINDS.get(str(body.get("kind")))
    if kind is None:
        raise SalesforceError("INVALID_INPUT", f"kind must be one of {', '.join(KINDS)}")
    return kind(world.salesforce, Staff(now_ms(world), STAFF_ORIGIN, STAFF_USER), body) | {"kind": body["kind"]}
