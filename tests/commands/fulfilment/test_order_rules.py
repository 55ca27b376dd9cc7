"""A wrong basket is refused by the check and by the order; made by staff, it pauses before WHMCS is touched."""

from typing import Any

import msgspec
import pytest

from app.commands.fulfilment import overview
from app.commands.orders.basket import Basket
from app.commands.orders.check_order import check_order
from app.commands.orders.place_order import place_order
from app.errors import RuleViolated
from app.integrations.salesforce.orders import Porting
from tests.commands.conftest import EID
from tests.commands.fulfilment.test_steps import MNP
from tests.fixtures.staff_orders import staff_order

NET = ("INTERNET-SILVER-HOME-1G", "INTERNET-INSTALL-SINGLE")
SIM = ("SIM-DATA-5GB", "SIM-ACTIVATION-FEE")
ESIM, AS_ESIM = {"sim_type": "esim", "eid": EID}, {"sim_type": "eSIM", "eid": EID}
WRONG = [
    (("VPN-ACTIVATION-FEE",), {"vpn_region": "Moon"}, {}, ["plan_required", "vpn_region_required"]),
    (("VPN-ACTIVATION-FEE",), {"vpn_region": "Global"}, {}, ["plan_required"]),
    (("VPN-GLOBAL", "VPN-ACTIVATION-FEE"), {"vpn_region": "Moon"}, {}, ["vpn_region_required"]),
    (("VPN-GLOBAL", "VPN-ACTIVATION-FEE"), {"vpn_region": "UK-London"}, {}, ["vpn_region_required"]),
    (("VPN-GLOBAL", "VPN-ACTIVATION-FEE"), {}, {}, ["vpn_region_required"]),
    (("VPN-GLOBAL",), {"vpn_region": "Global"}, {}, ["vpn_activation_fee_required"]),
    (("VPN-GLOBAL", "VPN-UK-LONDON", "VPN-ACTIVATION-FEE"), {"vpn_region": "Global"}, {}, ["one_plan_only"]),
    (("VPN-GLOBAL", "VPN-GLOBAL", "VPN-ACTIVATION-FEE"), {"vpn_region": "Global"}, {}, ["sku_repeated"]),
    (("SIM-ADDON-VOICE-MAIL", "SIM-ACTIVATION-FEE"), ESIM, AS_ESIM, ["sim_plan_required"]),
    (("SIM-DATA-5GB",), ESIM, AS_ESIM, ["activation_fee_required"]),
    (("SIM-DATA-5GB", "SIM-DATA-10GB", "SIM-ACTIVATION-FEE"), ESIM, AS_ESIM, ["one_plan_only"]),
    (("SIM-DATA-5GB-FAMILY", "SIM-ACTIVATION-FEE"), ESIM, AS_ESIM, ["product_not_orderable"]),
    (SIM, {**ESIM, "eid": "123"}, {**AS_ESIM, "eid": "123"}, ["eid_required"]),
    (NET[1:], {}, {}, ["internet_plan_required"]),
    (NET[:1], {}, {}, ["installation_required"]),
    ((NET[0], "INTERNET-INSTALL-WEEKEND"), {}, {}, ["installation_required"]),
    ((*NET, "INTERNET-INSTALL-12M"), {}, {}, ["products_exclude_each_other"]),
    ((*NET, "INTERNET-GOLD-HOME-1G"), {}, {}, ["one_plan_only"]),
    ((*NET, "INTERNET-ADDON-HOME-PHONE-INSTALL"), {}, {}, ["required_product_missing"]),
    (("INTERNET-SILVER-HOME-10G", NET[1]), {}, {}, ["not_eligible"]),
    (("HOSTING-BASIC", "HOSTING-PRO"), {"domain": "one.example"}, {}, ["one_plan_only"]),
    (("HOSTING-BASIC",), {}, {}, ["domain_required"]),
    (("HOSTING-BASIC",), {"domain": "http://one.example/"}, {}, ["domain_invalid"]),
]
"""SKUs, the basket's configuration, Salesforce's where it spells differently, and the codes."""


async def newcomer(desk: Any) -> Any:
    """A customer without any service, whose address can have Home 1G."""
    actor = await desk.customer(internet="Home 1G")
    for service in await desk.resources.whmcs.services(actor.whmcs_client_id):
        path, body = f"/whmcs/services/{service.record_id}", {"status": "Cancelled"}
        (await desk.sandbox.control.patch(path, json=body)).raise_for_status()
    await desk.reread("client_services", actor.whmcs_client_id)
    await desk.sandbox.control.delete("/calls")
    return actor


async def paused(desk: Any, order_id: str) -> str:
    """Approve and fulfil an order that must pause before WHMCS is asked anything; its code."""
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "paused"
    asked = {each["operation"] for each in await desk.sandbox.calls("whmcs")}
    assert not {"AddOrder", "AcceptOrder", "GetOrders"} & asked
    story = (await overview.one(desk.pool, order_id)).fulfilment
    assert len(story.error_message or "") <= 255
    return str(story.error_code)


@pytest.mark.parametrize(("skus", "configuration", "choices", "codes"), WRONG)
async def test_a_wrong_basket_is_refused_everywhere(
    desk: Any, skus: tuple[str, ...], configuration: dict[str, Any], choices: dict[str, Any], codes: list[str]
) -> None:
    actor = await newcomer(desk)
    body = {"items": [{"sku": sku} for sku in skus], "configuration": configuration, "address_confirmed": True}
    basket = msgspec.convert(body, Basket, strict=False)
    assert [each.code for each in (await check_order(desk.context, actor, basket)).result.violations] == codes
    with pytest.raises(RuleViolated) as refused:
        await place_order(desk.context, actor, basket)
    assert [each.code for each in refused.value.errors] == codes
    assert await desk.salesforce_orders(actor) == []
    order_id = await staff_order(desk, actor, *skus, **(choices or configuration))
    assert await paused(desk, order_id) == codes[0].upper()


async def test_a_transfer_that_lacks_a_detail_pauses(desk: Any) -> None:
    actor = await newcomer(desk)
    porting = msgspec.convert({**MNP, "gender": "Female", "expires_on": "2026-01-01"}, Porting)
    order_id = await staff_order(desk, actor, *SIM, porting=porting, **AS_ESIM)
    assert await paused(desk, order_id) == "MNP_DETAILS_REQUIRED"


async def test_several_pieces_of_a_plan_pause_and_one_goes_on_by_itself(desk: Any) -> None:
    actor = await newcomer(desk)
    order_id = await staff_order(desk, actor, "VPN-GLOBAL", "VPN-ACTIVATION-FEE", vpn_region="Global")
    [plan, *_] = await desk.salesforce_items(order_id)
    await desk.resources.salesforce.update("OrderItem", plan["Id"], {"Quantity": 2})
    assert await paused(desk, order_id) == "QUANTITY_NOT_ONE"
    await desk.resources.salesforce.update("OrderItem", plan["Id"], {"Quantity": 1})
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_several_add_ons_and_goods_are_staff_s_to_sell(desk: Any) -> None:
    actor = await newcomer(desk)
    order_id = await staff_order(desk, actor, *SIM, "SIM-ADDON-VOICE-MAIL", **AS_ESIM)
    items = {each["UnitPrice"]: each["Id"] for each in await desk.salesforce_items(order_id)}
    await desk.resources.salesforce.update("OrderItem", items[300.0], {"Quantity": 2})
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"


async def test_a_fee_is_waived_by_its_price_and_not_by_leaving_it_out(desk: Any) -> None:
    actor = await newcomer(desk)
    order_id = await staff_order(desk, actor, "VPN-GLOBAL", "VPN-ACTIVATION-FEE", vpn_region="Global")
    fee = next(each for each in await desk.salesforce_items(order_id) if each["UnitPrice"] == 3_000)
    await desk.resources.salesforce.update("OrderItem", fee["Id"], {"UnitPrice": 0})
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"


async def test_of_two_open_internet_orders_the_earlier_goes_on(desk: Any) -> None:
    actor = await newcomer(desk)
    first, second = [await staff_order(desk, actor, *NET) for _ in range(2)]
    assert await paused(desk, second) == "DUPLICATE_INTERNET"
    await desk.approve(first)
    assert await desk.fulfil(first) == "done"
    await desk.settle()
    await desk.hurry(second)
    assert await desk.fulfil(second) == "paused", "there is a service now"


async def test_a_line_that_was_just_activated_stands_in_the_way_before_billing_is_read_again(desk: Any) -> None:
    actor = await newcomer(desk)
    wanted = await desk.basket("internet")
    order_id = await desk.place(actor, wanted)
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.sandbox.fault("whmcs", "down", count=None)
    for _ in range(2):
        await desk.work.sweep()
    assert await desk.pool.fetchval("SELECT status FROM read_model.orders WHERE order_id = $1", order_id) == "active"
    checked = (await check_order(desk.context, actor, wanted)).result
    assert [each.code for each in checked.violations] == ["duplicate_internet"]


async def test_one_domain_is_hosted_once_whatever_its_spelling(desk: Any) -> None:
    actor = await newcomer(desk)
    order_id = await desk.place(actor, await desk.basket("hosting", configuration={"domain": "日本語.example"}))
    again = await desk.basket("hosting", configuration={"domain": "XN--WGV71A119E.example"})
    await refused_domain(desk, actor, again)
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    await refused_domain(desk, actor, again)
    staffs = await staff_order(desk, actor, "HOSTING-PRO", domain="xn--wgv71a119e.example")
    await desk.sandbox.control.delete("/calls")
    assert await paused(desk, staffs) == "DOMAIN_TAKEN"
    other = await desk.basket("hosting", configuration={"domain": "other.example"})
    assert (await check_order(desk.context, actor, other)).result.ok


async def refused_domain(desk: Any, actor: Any, basket: Basket) -> None:
    """Assert that check and order refuse the domain."""
    actor = msgspec.structs.replace(actor, command_key="another")
    assert [each.code for each in (await check_order(desk.context, actor, basket)).result.violations] == [
        "domain_taken"
    ]
    with pytest.raises(RuleViolated) as refused:
        await place_order(desk.context, actor, basket)
    assert refused.value.code == "domain_taken"


async def test_an_order_that_the_read_model_has_not_heard_of_stands_in_the_way(desk: Any) -> None:
    actor = await newcomer(desk)
    order_id = await staff_order(desk, actor, "HOSTING-PRO", domain="one.example")
    await desk.pool.execute("DELETE FROM mirror.records WHERE record_id = $1", order_id)
    await desk.pool.execute("DELETE FROM read_model.orders WHERE order_id = $1", order_id)
    basket = await desk.basket("hosting", configuration={"domain": "one.example"})
    assert (await check_order(desk.context, actor, basket)).result.ok
    with pytest.raises(RuleViolated) as refused:
        await place_order(desk.context, actor, basket)
    assert refused.value.code == "domain_taken"


async def test_an_order_is_not_held_up_by_what_it_made_itself(desk: Any) -> None:
    actor = await newcomer(desk)
    order_id = await staff_order(desk, actor, *NET)
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    await desk.resources.salesforce.update("Order", order_id, {"Status": "Approved"})
    await desk.pool.execute("UPDATE portal.fulfilments SET state = 'running', step = 'check_payment', attempt = 0")
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"


async def test_a_client_that_was_never_read_is_read_now(desk: Any) -> None:
    actor = await newcomer(desk)
    order_id = await desk.place(actor, await desk.basket("vpn"))
    await desk.pool.execute("DELETE FROM read_model.profiles")
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"


async def test_what_was_sent_to_billing_is_not_held_up_by_a_rule(desk: Any) -> None:
    actor = await newcomer(desk)
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "status", "AcceptOrder", status=500, count=1_000)
    assert await desk.fulfil(order_id) == "paused"
    await desk.resources.salesforce.update("Order", order_id, {"VPN_Region__c": "Moon"})
    await desk.sandbox.clear_faults()
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"
