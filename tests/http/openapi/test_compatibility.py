"""Released contracts still hold, or a version leads back to them, and the check finds each kind of break."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import pytest

from app.cli.document import openapi_document
from app.http.openapi.document import operations
from app.http.versions.contract import Contract
from app.readmodels.invoices import InvoiceStatus
from tests.http.openapi.compatibility import breaking
from tests.http.versions import invented

RELEASED = Path(__file__).parents[3] / "docs" / "released"
Change = Callable[[dict[str, Any]], object]


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi_document())
    return found


def schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def operation(document: dict[str, Any], path: str, method: str) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path][method]
    return found


def unserved(old: dict[str, Any], new: dict[str, Any], day: str, contract: Contract) -> list[str]:
    """List the differences that break a client of a contract released on a day, and that no version leads back over.

    A state that was released between two versions belongs to the one before it; one before all versions has ended."""
    known = [each for each in contract.versions if each.name <= day]
    if not known:
        return []
    ids = {f"{method.upper()} {path}": operation["operationId"] for path, method, operation in operations(old)}
    found = breaking(old, new)
    return [each for each in found if ids.get(each.partition(": ")[0]) not in known[-1].adapters]


STATUSES = [each for each in get_args(InvoiceStatus) if each != "paid"]


def body(document: dict[str, Any], path: str) -> dict[str, Any]:
    found: dict[str, Any] = operation(document, path, "post")["requestBody"]["content"]
    return found


@pytest.mark.parametrize("released", sorted(RELEASED.glob("*.json")), ids=lambda path: path.stem)
def test_the_contract_of_a_released_version_holds(released: Path) -> None:
    assert unserved(json.loads(released.read_text()), document(), released.stem, Contract()) == []


def test_every_registered_version_has_its_released_contract() -> None:
    assert {each.name for each in Contract().versions} <= {path.stem for path in RELEASED.glob("*.json")}


def test_a_break_needs_a_version_that_leads_back_over_it() -> None:
    old = document()
    new = deepcopy(old)
    schema(new, "ProfileAnswer")["properties"].pop("phone")
    schema(new, "AddressAnswer")["properties"].pop("address1", None)
    expected = "GET /api/account/profile: phone is gone"
    assert expected in unserved(old, new, "2026-11-30", Contract())
    assert expected not in unserved(old, new, invented.FORMER, invented.contract())
    assert expected in unserved(old, new, invented.NEWEST, invented.contract())
    assert expected in unserved(old, new, "2027-07-15", invented.contract()), "a release of the newest version"
    assert unserved(old, new, "2026-01-01", invented.contract()) == [], "a version that is gone"
    new["paths"].pop("/api/orders")
    assert "POST /api/orders: removed" in unserved(old, new, invented.FORMER, invented.contract())


BREAKS: dict[str, Change] = {
    "POST /api/orders: removed": lambda new: new["paths"]["/api/orders"].pop("post"),
    "GET /api/orders: renamed from listOrders to orders": lambda new: operation(new, "/api/orders", "get").update(
        operationId="orders"
    ),
    "GET /api/public/services: needs a session now": lambda new: operation(new, "/api/public/services", "get").pop(
        "security"
    ),
    "POST /api/orders: promo_code is not taken any more": lambda new: schema(new, "Basket")["properties"].pop(
        "promo_code"
    ),
    "POST /api/orders: address_confirmed is required now": lambda new: schema(new, "Basket")["required"].append(
        "address_confirmed"
    ),
    "POST /api/orders: items[].sku has a narrower maxLength": lambda new: schema(new, "BasketItem")["properties"][
        "sku"
    ].update(maxLength=10),
    "POST /api/cases: priority does not take high any more": lambda new: schema(new, "OpenCase")["properties"][
        "priority"
    ].update(enum=["low", "medium"]),
    "POST /api/orders: address does not take null any more": lambda new: schema(new, "Basket")["properties"].update(
        address={"$ref": "#/components/schemas/OrderAddress"}
    ),
    "GET /api/invoices: the query parameter sort is not taken any more": lambda new: operation(
        new, "/api/invoices", "get"
    ).update(
        parameters=[each for each in operation(new, "/api/invoices", "get")["parameters"] if each.get("name") != "sort"]
    ),
    "GET /api/invoices: the query parameter status is required now": lambda new: next(
        each for each in operation(new, "/api/invoices", "get")["parameters"] if each.get("name") == "status"
    ).update(required=True),
    "POST /api/orders: cannot be called with cookie any more": lambda new: operation(new, "/api/orders", "post").update(
        security=[{"bearer": []}]
    ),
    "POST /api/orders: cannot be called with bearer any more": lambda new: operation(new, "/api/orders", "post").update(
        security=[{"bearer": ["orders:write"]}, {"cookie": []}]
    ),
    "the credentials bearer are sent in another way, or not at all": lambda new: new["components"]["securitySchemes"][
        "bearer"
    ].update(scheme="basic"),
    "POST /api/orders: does not take application/json any more": lambda new: body(new, "/api/orders").update(
        {"text/json": body(new, "/api/orders").pop("application/json")}
    ),
    "POST /api/orders: items[].sku has another pattern": lambda new: schema(new, "BasketItem")["properties"][
        "sku"
    ].update(pattern="^SIM-"),
    "POST /api/orders: note is required now": lambda new: schema(new, "Basket").update(
        properties={**schema(new, "Basket")["properties"], "note": {"type": "string"}},
        required=[*schema(new, "Basket")["required"], "note"],
    ),
    "GET /api/invoices: status does not take paid any more": lambda new: next(
        each for each in operation(new, "/api/invoices", "get")["parameters"] if each.get("name") == "status"
    ).update(schema={"oneOf": [{"type": "null"}, {"type": "string", "enum": STATUSES}]}),
    "GET /api/account/profile: does not answer application/json any more": lambda new: operation(
        new, "/api/account/profile", "get"
    )["responses"]["200"].update(content={"text/plain": {"schema": {}}}),
    "GET /api/account/profile: phone is gone": lambda new: schema(new, "ProfileAnswer")["properties"].pop("phone"),
    "GET /api/account/profile: phone may be left out now": lambda new: schema(new, "ProfileAnswer")["required"].remove(
        "phone"
    ),
    "GET /api/account/profile: phone may be null now": lambda new: schema(new, "ProfileAnswer")["properties"].update(
        phone={"oneOf": [{"type": "string"}, {"type": "null"}]}
    ),
    "POST /api/orders: does not answer 201 any more": lambda new: operation(new, "/api/orders", "post")[
        "responses"
    ].pop("201"),
    "POST /api/orders: the header Consistency-Token of 201 is gone": lambda new: operation(new, "/api/orders", "post")[
        "responses"
    ]["201"]["headers"].pop("Consistency-Token"),
}


@pytest.mark.parametrize("expected", BREAKS)
def test_each_kind_of_break_is_found(expected: str) -> None:
    old = document()
    new = deepcopy(old)
    BREAKS[expected](new)
    assert expected in breaking(old, new)


def test_additions_break_nothing() -> None:
    old = document()
    new = deepcopy(old)
    new["paths"]["/api/new"] = {"get": operation(new, "/api/orders", "get")}
    schema(new, "Basket")["properties"]["note"] = {"type": "string"}
    schema(new, "ProfileAnswer")["properties"]["language"] = {"type": "string"}
    schema(new, "BasketItem")["properties"]["sku"]["maxLength"] = 400
    operation(new, "/api/invoices", "get")["parameters"].append({"in": "query", "name": "year", "schema": {}})
    assert breaking(old, new) == []
