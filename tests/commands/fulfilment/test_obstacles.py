"""An order that nobody knows how to fulfil stops before anybody is asked for anything."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from app.commands.fulfilment import overview
from app.commands.fulfilment.obstacles import obstacle
from app.integrations.salesforce.activation import FulfilmentLine, LiveOrder
from tests.commands.orders.test_rules import MNP

WRITES = {"AddOrder", "AcceptOrder", "mvno/esim/addAcnt", "master/addAcnt", "createacct"}


async def asked(desk: Any) -> set[str]:
    """Return the operations that the upstreams of the order were asked for."""
    found: set[str] = set()
    for upstream in ("whmcs", "freebit", "whm"):
        found |= {each["operation"].rstrip("/") for each in await desk.sandbox.calls(upstream)}
    return found & WRITES


async def lines_at_freebit(desk: Any) -> int:
    return len((await desk.sandbox.control.get("/freebit/lines")).json()["records"])


async def plan_of(desk: Any, order_id: str) -> dict[str, Any]:
    """Return the order's service line, with its product."""
    [item] = await desk.resources.salesforce.query(
        f"SELECT Id, Product2Id FROM OrderItem WHERE OrderId = '{order_id}' AND Product2.Item_Class__c = 'Service'"
    )
    return dict(item)


@pytest.mark.parametrize("word", ["Voice", " ", None, "Ｖｏｉｃｅ Only", "DataOnly2"])
async def test_a_plan_type_that_nobody_knows_makes_no_line(desk: Any, word: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.place(actor, await desk.basket("sim"))
    product_id = (await plan_of(desk, order_id))["Product2Id"]
    await desk.resources.salesforce.update("Product2", product_id, {"SIM_Plan_Type__c": word})
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "failed"
    story = (await overview.one(desk.pool, order_id)).fulfilment
    assert story.error_code == "SIM_PLAN_TYPE_UNKNOWN"
    assert "SIM_Plan_Type__c" in (story.error_message or "")
    assert await asked(desk) == set()
    [order] = [each for each in await desk.salesforce_orders(actor) if each["Id"] == order_id]
    assert order["Activation_Error_Code__c"] == "SIM_PLAN_TYPE_UNKNOWN"


@pytest.mark.parametrize("word", ["Other", None, "Corporate", "男性"])
async def test_a_gender_that_nobody_knows_is_not_a_company(desk: Any, word: Any) -> None:
    actor = await desk.customer()
    transfer = {**MNP, "expires_on": "2099-01-01"}
    configuration = {"sim_type": "esim", "eid": "8" * 32, "mnp": transfer}
    order_id = await desk.place(actor, await desk.basket("sim", configuration=configuration))
    await desk.resources.salesforce.update("Order", order_id, {"Porting_Gender__c": word})
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "failed"
    assert (await overview.one(desk.pool, order_id)).fulfilment.error_code == "PORTING_GENDER_UNKNOWN"
    assert await asked(desk) == set()


async def test_a_card_is_not_taken_for_granted(desk: Any) -> None:
    order_id = await desk.place(await desk.customer(), await desk.basket("sim"))
    await desk.resources.salesforce.update("Order", order_id, {"SIM_Type__c": None})
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "failed"
    assert (await overview.one(desk.pool, order_id)).fulfilment.error_code == "SIM_TYPE_UNKNOWN"
    assert await asked(desk) == set()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Quantity": 1.5}, "QUANTITY_NOT_WHOLE"),
        ({"Quantity": 0.5}, "QUANTITY_NOT_WHOLE"),
        ({"Quantity": 0}, "QUANTITY_NOT_WHOLE"),
        ({"Quantity": -1}, "QUANTITY_NOT_WHOLE"),
    ],
)
async def test_what_is_no_whole_piece_is_not_billed(desk: Any, fields: dict[str, Any], code: str) -> None:
    order_id = await desk.place(await desk.customer(), await desk.basket("vpn"))
    item_id = (await plan_of(desk, order_id))["Id"]
    await desk.resources.salesforce.update("OrderItem", item_id, fields)
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "failed"
    assert (await overview.one(desk.pool, order_id)).fulfilment.error_code == code
    assert await asked(desk) == set()


@pytest.mark.parametrize(
    "fields",
    [
        {"Product2Categories1__c": None},
        {"Product2Categories1__c": "Web hosting"},
        {"Item_Class__c": "Plan"},
        {"Billing_Cycle__c": None},
        {"Billing_Cycle__c": "Fortnightly"},
    ],
)
async def test_a_product_that_is_nothing_known_is_not_activated_without_provision(
    desk: Any, fields: dict[str, Any]
) -> None:
    order_id = await desk.place(await desk.customer(), await desk.basket("hosting"))
    product_id = (await plan_of(desk, order_id))["Product2Id"]
    await desk.resources.salesforce.update("Product2", product_id, fields)
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "failed"
    story = (await overview.one(desk.pool, order_id)).fulfilment
    assert story.error_code == "PRODUCT_UNCLEAR"
    assert next(iter(fields)) in (story.error_message or "")
    assert await asked(desk) == set()


async def test_what_becomes_unclear_on_the_way_stops_before_freebit(desk: Any) -> None:
    before = await lines_at_freebit(desk)
    order_id = await desk.ordered("sim", await desk.customer())
    await desk.sandbox.fault("freebit", "down", operation="*", count=50)
    assert await desk.fulfil(order_id) in ("paused", "running")
    await desk.sandbox.clear_faults()
    product_id = (await plan_of(desk, order_id))["Product2Id"]
    await desk.resources.salesforce.update("Product2", product_id, {"SIM_Plan_Type__c": "Voice"})
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "failed"
    assert (await overview.one(desk.pool, order_id)).fulfilment.error_code == "SIM_PLAN_TYPE_UNKNOWN"
    assert await lines_at_freebit(desk) == before


LINE = FulfilmentLine(
    item_id="802A",
    sku="VPN",
    name="VPN",
    category="VPN",
    item_class="Service",
    billing_cycle="Monthly",
    whmcs_product_id="401",
    whmcs_product_name="VPN",
    sim_plan_type="",
    sim_plan_code="",
    provision_template="",
    quantity=1,
    unit_price=Decimal(2500),
)


def order(*lines: FulfilmentLine) -> LiveOrder:
    return LiveOrder(
        order_id="801A",
        account_id="001A",
        status="Approved",
        activation_status=None,
        error_code=None,
        sim_type=None,
        eid="",
        voice_mail=False,
        call_waiting=False,
        domain="",
        promo_code="",
        instant=False,
        porting=None,
        lines=lines,
    )


def test_an_item_without_a_price_costs_not_nothing() -> None:
    assert obstacle(order(LINE)) is None
    found = obstacle(order(LINE, structs.replace(LINE, unit_price=None)))
    assert found is not None
    assert found.code == "PRICE_MISSING"


@pytest.mark.parametrize(
    "stated",
    [{"unit_price": Decimal(-500)}, {"billed_price": "-0.01"}, {"billed_price": 5.0, "billed_setup_fee": -3.0}],
)
def test_nobody_is_paid_for_a_service_by_a_price_below_zero(stated: dict[str, Any]) -> None:
    found = obstacle(order(LINE, structs.replace(LINE, **stated)))
    assert found is not None
    assert found.code == "PRICE_MISSING"
    assert "below zero" in found.message
    given_away = structs.replace(LINE, unit_price=Decimal(0), billed_price=0.0, billed_setup_fee="0")
    assert obstacle(order(given_away)) is None


@pytest.mark.parametrize(
    ("name", "word"), [("category", " vpn "), ("item_class", "SERVICE"), ("billing_cycle", "ONETIME")]
)
def test_words_may_be_typed_differently(name: str, word: str) -> None:
    assert obstacle(order(structs.replace(LINE, **{name: word}))) is None
