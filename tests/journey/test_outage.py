"""With every upstream down: queries answer, commands say so, nothing is half done."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from app.cli.demo.journey import READS
from app.cli.demo.visitor import Visitor
from app.queries import shapes
from tests.journey.conftest import Running

SHAPES: dict[str, Any] = {
    "/api/public/services": shapes.Categories,
    "/api/public/services/sim": shapes.CategoryAnswer,
    "/api/public/services/sim/SIM-DATA-5GB": shapes.ProductAnswer,
    "/api/account/services": shapes.Categories,
    "/api/account/services/internet": shapes.AccountCategoryAnswer,
    "/api/account/eligibility": shapes.EligibilityAnswer,
    "/api/account/profile": shapes.ProfileAnswer,
    "/api/account/address": shapes.AddressAnswer,
    "/api/orders": shapes.Orders,
    "/api/invoices": shapes.Invoices,
    "/api/subscriptions": shapes.Subscriptions,
    "/api/payment-methods": shapes.PaymentMethods,
    "/api/payment-gateways": shapes.PaymentGateways,
}
UPSTREAMS = ("salesforce", "whmcs", "freebit", "whm")


@pytest.fixture
async def customer(running: Running) -> AsyncIterator[Visitor]:
    """A sample customer with a card, logged in; the upstreams work again afterwards."""
    visitor = Visitor(running.state)
    person = next(each for each in running.state["customers"] if each["portal"] and each["has_payment_method"])
    credentials = {"email": person["email"], "password": person["password"]}
    session = await visitor.post("/api/auth/login", credentials)
    visitor.api.headers["Authorization"] = f"Bearer {session['token']}"
    await visitor.visible("/api/health/services/cache", lambda answer: answer["inbox"]["waiting"] == 0)
    yield visitor
    await visitor.control.delete("/faults")
    await visitor.close()


async def take_down(visitor: Visitor) -> None:
    for upstream in UPSTREAMS:
        (await visitor.control.post("/faults", json={"upstream": upstream, "kind": "down"})).raise_for_status()


def basket() -> dict[str, Any]:
    eid = f"{uuid4().int % 10**32:032}"
    items = [{"sku": "SIM-DATA-5GB"}, {"sku": "SIM-ACTIVATION-FEE"}]
    return {"items": items, "configuration": {"sim_type": "esim", "eid": eid}}


async def orders_upstream(visitor: Visitor) -> int:
    return int((await visitor.control.get("/salesforce/orders")).json()["total"])


async def test_every_query_answers_with_every_upstream_down(customer: Visitor) -> None:
    before = {path: await customer.get(path) for path in READS}
    await take_down(customer)
    for path in READS:
        answer = await customer.get(path)
        assert answer.get("items") == before[path].get("items"), path
        assert answer["as_of"]


async def test_every_query_answers_in_the_shape_that_the_api_describes(customer: Visitor) -> None:
    for path, shape in SHAPES.items():
        msgspec.convert(await customer.get(path), shape)


async def test_a_command_answers_with_a_clear_problem_and_the_same_request_succeeds_later(customer: Visitor) -> None:
    order, key, before = basket(), str(uuid4()), await orders_upstream(customer)
    await take_down(customer)
    refused = await customer.api.post("/api/orders", json=order, headers={"Idempotency-Key": key})
    assert_unavailable(refused)
    link = await customer.api.post("/api/payment-methods/link")
    assert_unavailable(link)
    assert link.json()["code"] == "billing_unavailable"
    assert await orders_upstream(customer) == before
    await customer.control.delete("/faults")
    placed = await customer.post("/api/orders", order, expect=201, key=key)
    again = await customer.api.post("/api/orders", json=order, headers={"Idempotency-Key": key})
    assert again.json()["order_id"] == placed["order_id"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await orders_upstream(customer) == before + 1


def assert_unavailable(response: httpx.Response) -> None:
    assert response.status_code == 503, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert int(response.headers["Retry-After"]) == problem["retry_after"] > 0
    assert problem["code"] in ("upstream_unavailable", "upstream_busy", "billing_unavailable")
    assert "Traceback" not in response.text
