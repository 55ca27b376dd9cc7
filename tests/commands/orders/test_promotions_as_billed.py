"""What the check says of a promotion is what billing does: applied, dropped, or honestly left to it."""

from decimal import Decimal
from typing import Any

import pytest

from app.commands.execution.context import Actor
from app.commands.orders.check_order import check_order
from app.integrations.whmcs.client import NewServiceOrder, OrderLine

PRICE = Decimal("2500.00")


async def promise(desk: Any, actor: Actor, code: str) -> str:
    """What the check says: `refused`, `undecided`, or `applies`."""
    checked = (await check_order(desk.context, actor, await desk.basket("vpn", promo_code=code))).result
    if any(each.code == "promo_code_invalid" for each in checked.violations):
        return "refused"
    assert checked.promotion is not None
    return "undecided" if checked.promotion_undecided else "applies"


async def billed(desk: Any, actor: Actor, code: str, number: int) -> bool:
    """Order in WHMCS as fulfilment does, and return whether the code made a difference."""
    basket = await desk.basket("vpn")
    rows = await desk.pool.fetch(
        "SELECT whmcs_product_id, billing_cycle FROM read_model.catalog WHERE sku = ANY($1::text[])",
        [item.sku for item in basket.items],
    )
    order = NewServiceOrder(
        whmcs_client_id=actor.whmcs_client_id,
        salesforce_order_id=f"801PROMO{number:010d}",
        lines=[OrderLine(pid=row["whmcs_product_id"], billing_cycle=row["billing_cycle"], price=PRICE) for row in rows],
        payment_method="mailin",
        promo_code=code,
    )
    made = await desk.resources.whmcs.add_order(order)
    paid = []
    for service_id in made.service_ids:
        response = await desk.sandbox.control.get(f"/whmcs/services/{service_id}")
        paid.append(Decimal(response.json()["firstpaymentamount"]))
    await desk.resources.whmcs.cancel_order(made.order_id)
    return any(amount != PRICE for amount in paid)


async def plant(desk: Any, **fields: Any) -> str:
    response = await desk.sandbox.control.post("/whmcs/promotions", json=fields)
    response.raise_for_status()
    return str(response.json()["code"])


CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "applies"),
    ({"type": "Fixed Amount", "value": "500"}, "applies"),
    ({"type": "Price Override", "value": "100"}, "applies"),
    ({"type": "Free Setup", "value": "0"}, "undecided"),
    ({"appliesto": [401, 402, 403]}, "applies"),
    ({"appliesto": [501]}, "refused"),
    ({"cycles": "Monthly"}, "applies"),
    ({"cycles": "Annually"}, "refused"),
    ({"cycles": "One Time"}, "applies"),
    ({"requires": [411]}, "applies"),
    ({"requires": [181]}, "refused"),
    ({"requires": [181, 411]}, "undecided"),
    ({"requires": [181], "requiresexisting": True}, "refused"),
    ({"startdate": "2099-01-01"}, "refused"),
    ({"expirationdate": "2020-01-01"}, "refused"),
    ({"maxuses": 3, "uses": 3}, "refused"),
    ({"applyonce": True, "recurfor": 3, "recurring": True, "lifetimepromo": True}, "applies"),
    ({"onceperclient": True}, "applies"),
    ({"upgrades": True}, "undecided"),
]


async def test_a_promise_is_what_billing_does(desk: Any) -> None:
    hana = await desk.customer()
    for number, (fields, expected) in enumerate(CASES):
        code = await plant(desk, code=f"PLANTED{number}", **fields)
        said = await promise(desk, hana, code)
        assert said == expected, fields
        applied = await billed(desk, hana, code, number)
        assert said == "undecided" or applied is (said == "applies"), fields


@pytest.mark.parametrize(
    ("condition", "first", "then"),
    [
        ("newsignups", "applies", "refused"),
        ("existingclient", "refused", "applies"),
        ("onceperclient", "applies", "refused"),
    ],
)
async def test_a_condition_on_the_customer_follows_the_orders(desk: Any, condition: str, first: str, then: str) -> None:
    """A new client without any order, who then has an active one with the code."""
    hana = await desk.customer()
    await remove_history(desk, hana)
    code = await plant(desk, code="CONDITION", **{condition: True})
    assert await promise(desk, hana, code) == first
    assert await billed(desk, hana, code, 1) is (first == "applies")
    order_id = await desk.ordered("vpn", hana, **({"promo_code": code} if first == "applies" else {}))
    assert await desk.fulfil(order_id) == "done"
    assert await promise(desk, hana, code) == then
    assert await billed(desk, hana, code, 2) is (then == "applies")


async def test_a_code_in_an_open_order_is_taken(desk: Any) -> None:
    hana = await desk.customer()
    code = await plant(desk, code="ONCE", onceperclient=True)
    await desk.place(hana, await desk.basket("vpn", promo_code=code))
    assert await promise(desk, hana, code) == "refused"


async def remove_history(desk: Any, actor: Actor) -> None:
    """Cancel everything that the sandbox's customer ever ordered."""
    for name, owner in (("orders", "userid"), ("services", "clientid")):
        rows = (await desk.sandbox.control.get(f"/whmcs/{name}", params={owner: actor.whmcs_client_id})).json()
        for each in rows["records"]:
            body = {"status": "Cancelled", "silent": True}
            (await desk.sandbox.control.patch(f"/whmcs/{name}/{each['id']}", json=body)).raise_for_status()
    await desk.reread("client_services", actor.whmcs_client_id)
