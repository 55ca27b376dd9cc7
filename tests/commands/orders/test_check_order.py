"""Every order rule, broken by somebody who orders all the same: refused with its code, and nothing is made."""

from typing import Any

import msgspec
import pytest

from app.commands.execution.context import Actor
from app.commands.orders.basket import Basket, BasketItem, Configuration, NumberTransfer
from app.commands.orders.check_order import check_order
from app.commands.orders.place_order import place_order
from app.errors import RuleViolated
from app.http.answering.problems import status_of

Refused = tuple[Actor, Basket, str]


def with_only(basket: Basket, *skus: str) -> Basket:
    return msgspec.structs.replace(basket, items=[BasketItem(sku=sku) for sku in skus])


def set_up(basket: Basket, **configuration: Any) -> Basket:
    return msgspec.structs.replace(basket, configuration=Configuration(**configuration))


async def exclusive_plans(desk: Any) -> tuple[str, str]:
    """Two hosting plans that Salesforce says exclude each other."""
    plans = await desk.skus("hosting", "service")
    salesforce = desk.resources.salesforce
    [product] = await salesforce.query(f"SELECT Id FROM Product2 WHERE StockKeepingUnit = '{plans[0]}'")
    await salesforce.update("Product2", product["Id"], {"Mutually_Exclusive__c": plans[1]})
    await desk.resources.inbox.submit([desk.hint("Product2", product["Id"])])
    await desk.settle()
    return plans[0], plans[1]


async def refusals(desk: Any) -> list[Refused]:
    """Yield orders and the rule that each breaks."""
    hana, poor = await desk.customer(internet="Home 1G"), await desk.customer(with_card=False)
    far, homeless = await desk.customer(number=1), await desk.customer(number=2)
    nowhere = dict.fromkeys(("address1", "city"), "") | {"silent": True}
    await desk.sandbox.control.patch(f"/whmcs/clients/{homeless.whmcs_client_id}", json=nowhere)
    await desk.reread("client", homeless.whmcs_client_id)
    net, sim, vpn, host = [await desk.basket(each) for each in ("internet", "sim", "vpn", "hosting")]
    plan, installation = (item.sku for item in net.items)
    line, fee = (item.sku for item in sim.items)
    one, other = await exclusive_plans(desk)
    return [
        (poor, sim, "payment_method_missing"),
        (hana, with_only(sim, "NOBODY-SELLS-THIS"), "product_not_orderable"),
        (hana, with_only(net, installation), "internet_plan_required"),
        (hana, with_only(net, plan), "installation_required"),
        (hana, msgspec.structs.replace(net, address_confirmed=False), "address_not_confirmed"),
        (far, net, "not_eligible"),
        (hana, with_only(net, plan, installation, "INTERNET-ADDON-HOME-PHONE-INSTALL"), "required_product_missing"),
        (hana, with_only(sim, fee), "sim_plan_required"),
        (hana, with_only(sim, line), "activation_fee_required"),
        (hana, set_up(sim), "sim_type_required"),
        (hana, set_up(sim, sim_type="esim"), "eid_required"),
        (hana, set_up(sim, sim_type="physical", mnp=NumberTransfer()), "mnp_details_required"),
        (hana, with_only(vpn, vpn.items[0].sku), "vpn_activation_fee_required"),
        (hana, set_up(vpn), "vpn_region_required"),
        (hana, set_up(host), "domain_required"),
        (hana, set_up(host, domain="http://example.jp/"), "domain_invalid"),
        (hana, with_only(host, one, other), "products_exclude_each_other"),
        (hana, msgspec.structs.replace(sim, promo_code="NOTHING-OFF"), "promo_code_invalid"),
        (homeless, net, "address_required"),
    ]


async def refused(desk: Any, actor: Actor, basket: Basket) -> RuleViolated:
    with pytest.raises(RuleViolated) as caught:
        await place_order(desk.context, actor, basket)
    return caught.value


async def test_every_rule_refuses_an_order_by_its_code(desk: Any) -> None:
    for actor, basket, code in await refusals(desk):
        error = await refused(desk, actor, basket)
        codes = sorted({each.code for each in error.errors})
        assert code in codes
        assert error.code == (codes[0] if len(codes) == 1 else "order_rules_violated")
        assert await desk.salesforce_orders(actor) == []


async def test_several_violations_are_reported_together(desk: Any) -> None:
    poor = await desk.customer(with_card=False)
    error = await refused(desk, poor, set_up(await desk.basket("sim")))
    assert error.code == "order_rules_violated"
    assert {each.code for each in error.errors} == {"payment_method_missing", "sim_type_required"}


async def test_a_second_internet_line_is_refused(desk: Any) -> None:
    hana, net = await desk.customer(internet="Home 1G"), await desk.basket("internet")
    await desk.place(hana, net)
    error = await refused(desk, msgspec.structs.replace(hana, command_key="another"), net)
    assert [each.code for each in error.errors] == ["duplicate_internet"]


@pytest.mark.parametrize(("status", "code"), [("Closed", "account_closed"), ("Inactive", "account_closed")])
async def test_a_client_that_is_not_active_orders_nothing(desk: Any, status: str, code: str) -> None:
    hana = await desk.customer()
    await desk.sandbox.control.patch(f"/whmcs/clients/{hana.whmcs_client_id}", json={"status": status, "silent": True})
    await desk.reread("client", hana.whmcs_client_id)
    error = await refused(desk, hana, await desk.basket("vpn"))
    assert [each.code for each in error.errors] == [code]
    assert await desk.salesforce_orders(hana) == []


@pytest.mark.parametrize(
    "forget",
    [
        "DELETE FROM read_model.freshness WHERE resource = 'client_services'",
        "DELETE FROM mirror.records WHERE object = 'account_history'",
    ],
)
async def test_a_list_that_was_never_read_is_not_empty(desk: Any, forget: str) -> None:
    hana, net = await desk.customer(internet="Home 1G"), await desk.basket("internet")
    await desk.pool.execute(forget)
    checked = (await check_order(desk.context, hana, net)).result
    assert (checked.ok, [each.code for each in checked.violations]) == (False, ["not_known_yet"])
    error = await refused(desk, hana, net)
    assert (error.code, status_of(error)) == ("not_known_yet", 422)
    assert await desk.salesforce_orders(hana) == []


@pytest.mark.parametrize("word", ["Expired", "Rejected", "Under Review", None])
async def test_an_address_that_is_not_known_to_be_eligible_gets_no_line(desk: Any, word: str | None) -> None:
    hana, net = await desk.customer(internet="Home 1G"), await desk.basket("internet")
    fields = {"Internet_Eligibility_Status__c": word}
    await desk.resources.salesforce.update("Account", hana.salesforce_account_id, fields)
    await desk.resources.inbox.submit([desk.hint("Account", hana.salesforce_account_id)])
    await desk.settle()
    assert [each.code for each in (await refused(desk, hana, net)).errors] == ["not_eligible"]


async def test_a_plan_of_a_type_that_nobody_knows_cannot_be_ordered(desk: Any) -> None:
    hana, sim = await desk.customer(), await desk.basket("sim")
    sku = sim.items[0].sku
    salesforce = desk.resources.salesforce
    [product] = await salesforce.query(f"SELECT Id FROM Product2 WHERE StockKeepingUnit = '{sku}'")
    await salesforce.update("Product2", product["Id"], {"SIM_Plan_Type__c": "Voice"})
    await desk.resources.inbox.submit([desk.hint("Product2", product["Id"])])
    await desk.settle()
    assert [each.code for each in (await refused(desk, hana, sim)).errors] == ["product_not_orderable"]
