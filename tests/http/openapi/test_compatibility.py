"""The contract of the last released version still holds, and the check that says so finds each kind of break."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from app.cli.document import openapi_document
from tests.http.openapi.compatibility import breaking

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


@pytest.mark.parametrize("released", sorted(RELEASED.glob("*.json")), ids=lambda path: path.stem)
def test_the_contract_of_a_released_version_holds(released: Path) -> None:
    assert breaking(json.loads(released.read_text()), document()) == []


def test_there_is_a_released_version() -> None:
    assert list(RELEASED.glob("*.json"))


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
