"""What was agreed when an order was placed is what is shown and billed, whatever prices and currencies become."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.commands.execution.context import Actor
from app.commands.orders.check_order import CheckedOrder, check_order
from app.commands.orders.place_order import place_order
from app.errors import RuleViolated
from app.queries import catalog, orders
from app.queries.catalog import AccountCategory
from app.queries.reading.page import Page
from app.queries.reading.store import Store
from app.readmodels.orders import Order, OrderSummary
from tests.commands.conftest import Desk
from tests.commands.fulfilment.test_decisions_in_salesforce import edited
from tests.commands.orders.test_billed_prices import customer, reprice, store_of
from tests.commands.subscriptions.running_services import held
from tests.fixtures.staff_orders import staff_order

PLAN, FEE = "VPN-USA-SF", "VPN-ACTIVATION-FEE"


async def shown(desk: Desk, actor: Actor, order_id: str) -> Order:
    """Return the order as its customer reads it; list and detail agree."""
    store, account_id = await listening(desk), actor.account_id_or_refuse()
    order = msgspec.json.decode((await orders.order(store, account_id, order_id)).body, type=Order)
    page = msgspec.json.decode((await orders.list_orders(store, account_id, Page(50), str)).body)
    [listed] = [msgspec.convert(each, OrderSummary) for each in page["items"] if each["order_id"] == order_id]
    assert (listed.total, listed.total_unknown) == (order.total, order.total_unknown)
    return order


async def listening(desk: Desk) -> Store:
    """Return a store whose change feed has answered."""
    await desk.pool.execute(
        "INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, now()) ON CONFLICT (feed) DO NOTHING",
        desk.resources.settings.salesforce_channel,
    )
    return store_of(desk)


async def billed(desk: Desk, order_id: str) -> tuple[Decimal, Decimal]:
    """Return what WHMCS bills for an order at first, and for every period after."""
    services = [await held(desk, "services", each) for each in (await desk.journal(order_id))["facts"]["service_ids"]]
    return (
        sum((Decimal(each["firstpaymentamount"]) for each in services), Decimal(0)),
        sum((Decimal(each["recurringamount"]) for each in services), Decimal(0)),
    )


async def moved(desk: Desk, actor: Actor, currency: str) -> None:
    """The client is billed in another currency from now on."""
    path = f"/whmcs/clients/{actor.whmcs_client_id}"
    (await desk.sandbox.control.patch(path, json={"currency": currency})).raise_for_status()
    await desk.reread("client", actor.whmcs_client_id)


def total_of(order: Order) -> Decimal:
    assert order.total is not None
    return Decimal(order.total.amount)


async def test_staff_see_in_salesforce_what_the_customer_agreed_to(desk: Desk) -> None:
    await reprice(desk)
    actor = await customer(desk, "USD")
    basket = await desk.basket("vpn")
    done = await place_order(desk.context, actor, basket)
    pending = msgspec.json.decode(await desk.pool.fetchval("SELECT document FROM read_model.pending"), type=Order)
    await desk.settle()
    order = await shown(desk, actor, done.result.order_id)
    checked: CheckedOrder = (await check_order(desk.context, actor, basket)).result
    assert checked.total is not None
    assert order.total == pending.total == checked.total.first_month
    assert [(each.unit_price, each.setup_fee, each.total) for each in order.items] == [
        (each.unit_price, each.setup_fee, each.total) for each in pending.items
    ]
    assert (order.billing_currency, order.tax) == (pending.billing_currency, pending.tax) == ("USD", "excluded")

    fields = "UnitPrice, Billed_Price__c, Billed_Setup_Fee__c, Order.Billing_Currency__c"
    soql = f"SELECT {fields}, Product2.StockKeepingUnit FROM OrderItem WHERE OrderId = '{order.order_id}'"
    rows = {row["Product2"]["StockKeepingUnit"]: row for row in await desk.resources.salesforce.query(soql)}
    assert {row["Order"]["Billing_Currency__c"] for row in rows.values()} == {"USD"}
    plan = rows[basket.items[0].sku]
    assert (plan["UnitPrice"], plan["Billed_Price__c"], plan["Billed_Setup_Fee__c"]) == (2500.0, 16.67, 5.0)
    assert rows[FEE]["Billed_Setup_Fee__c"] == 0


async def test_an_order_is_billed_as_agreed_whatever_whmcs_asks_for_later(desk: Desk) -> None:
    await reprice(desk)
    actor = await customer(desk, "USD")
    order_id = await desk.place(actor, await desk.basket("vpn"))
    agreed = await shown(desk, actor, order_id)
    await reprice(desk, pricing={"USD": {"monthly": "99.00", "msetupfee": "50.00"}})
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    first, _ = await billed(desk, order_id)
    after = await shown(desk, actor, order_id)
    assert first == total_of(agreed) == total_of(after)
    assert [each.unit_price for each in after.items] == [each.unit_price for each in agreed.items]


@pytest.mark.parametrize(("before", "after"), [("USD", "JPY"), ("JPY", "USD")])
async def test_after_a_change_of_currency_staff_agree_new_prices(desk: Desk, before: str, after: str) -> None:
    await reprice(desk)
    actor = await customer(desk, before)
    order_id = await desk.place(actor, await desk.basket("vpn"))
    agreed = await shown(desk, actor, order_id)
    await moved(desk, actor, after)
    assert (await shown(desk, actor, order_id)).total == agreed.total
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "failed"
    journal = await desk.journal(order_id)
    assert (journal["step"], journal["error_code"]) == ("whmcs_order", "PRICE_NOT_AGREED")
    assert f"agreed in {before}" in journal["error_message"]
    assert await desk.whmcs_orders(actor, order_id) == []

    rows = await desk.resources.salesforce.query(f"SELECT Id FROM OrderItem WHERE OrderId = '{order_id}' ORDER BY Id")
    for row in rows:
        fields = {"Billed_Price__c": 12.5, "Billed_Setup_Fee__c": None}
        await desk.resources.salesforce.update("OrderItem", row["Id"], fields)
        await desk.resources.inbox.submit([desk.hint("OrderItem", row["Id"])])
    await edited(desk, order_id, Billing_Currency__c=after, Status="Reactivate")
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    mended = await shown(desk, actor, order_id)
    assert (await billed(desk, order_id))[0] == total_of(mended)
    assert {each.total.currency for each in mended.items if each.total} == {after}


async def test_an_order_that_staff_made_shows_no_price_until_it_is_known_what_is_billed(desk: Desk) -> None:
    await reprice(desk)
    actor = await customer(desk, "USD")
    order_id = await staff_order(desk, actor, PLAN, FEE, order_type="VPN", vpn_region="USA-SF")
    order = await shown(desk, actor, order_id)
    assert (order.total, {each.unit_price for each in order.items}) == (None, {None})
    assert order.total_unknown is not None
    assert order.total_unknown.code == "billed_in_another_currency"
    await moved(desk, actor, "JPY")
    assert (await shown(desk, actor, order_id)).total is not None
    await moved(desk, actor, "USD")

    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.news(order_id)
    after = await shown(desk, actor, order_id)
    assert (after.billing_currency, total_of(after)) == ("USD", (await billed(desk, order_id))[0])


async def test_an_order_without_a_price_in_the_clients_currency_is_not_billed(desk: Desk) -> None:
    await reprice(desk)
    actor = await customer(desk, "USD")
    number = await desk.pool.fetchval("SELECT whmcs_product_id FROM read_model.catalog WHERE sku = $1", PLAN)
    await desk.sandbox.control.patch(
        f"/whmcs/products/{number}", json={"pricing": {"USD": {"monthly": "-1"}}, "silent": True}
    )
    await desk.reread("products", "all")
    order_id = await staff_order(desk, actor, PLAN, FEE, order_type="VPN", vpn_region="USA-SF")
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "failed"
    journal = await desk.journal(order_id)
    assert (journal["error_code"], await desk.whmcs_orders(actor, order_id)) == ("PRICE_MISSING", [])
    assert journal["error_message"] == f"There is no price in USD for {PLAN}."


@pytest.mark.parametrize("currency", ["JPY", "USD"])
async def test_several_pieces_cost_and_are_billed_as_many_times(desk: Desk, currency: str) -> None:
    await reprice(desk, pricing={"USD": {"msetupfee": "3.00"}})
    actor = await customer(desk, currency)
    basket = await desk.basket("sim")
    [add_on, *_] = await desk.skus("sim", "add_on")
    skus = [*(each.sku for each in basket.items), add_on]
    order_id = await desk.place(actor, await desk.basket("sim", items=[{"sku": sku} for sku in skus]))
    soql = f"SELECT Id, Product2.StockKeepingUnit FROM OrderItem WHERE OrderId = '{order_id}'"
    [item] = [
        row["Id"]
        for row in await desk.resources.salesforce.query(soql)
        if row["Product2"]["StockKeepingUnit"] == add_on
    ]
    await desk.resources.salesforce.update("OrderItem", item, {"Quantity": 3})
    await desk.resources.inbox.submit([desk.hint("OrderItem", item)])
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    order = await shown(desk, actor, order_id)
    assert (await billed(desk, order_id))[0] == total_of(order)
    assert {each.quantity for each in order.items} == {1, 3}


async def test_a_promotion_makes_an_order_in_dollars_cheaper_than_agreed(desk: Desk) -> None:
    await reprice(desk)
    actor = await customer(desk, "USD")
    order_id = await desk.ordered("vpn", actor, promo_code="WELCOME10")
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    assert 0 < (await billed(desk, order_id))[0] < total_of(await shown(desk, actor, order_id))


async def test_without_a_known_currency_nothing_has_a_price(desk: Desk) -> None:
    await reprice(desk)
    actor = await customer(desk, "USD")
    await desk.pool.execute("UPDATE read_model.profiles SET currency = ''")
    checked: CheckedOrder = (await check_order(desk.context, actor, await desk.basket("vpn"))).result
    assert (checked.ok, checked.total) == (False, None)
    assert checked.total_unknown is not None
    assert checked.total_unknown.code == "not_known_yet"
    with pytest.raises(RuleViolated):
        await place_order(desk.context, actor, await desk.basket("vpn"))
    answer = await catalog.account_category(store_of(desk), actor.account_id_or_refuse(), "vpn")
    found = msgspec.json.decode(answer.body, type=AccountCategory)
    assert (found.plans, found.activation_fees, found.bundles) == ([], [], [])
    assert found.left_out is not None
    assert found.left_out.code == "not_known_yet"


async def test_an_order_keeps_whether_its_prices_contained_tax(desk: Desk) -> None:
    await reprice(desk)
    (await desk.sandbox.control.put("/whmcs/tax", json={"type": "Inclusive"})).raise_for_status()
    await desk.reread("products", "all")
    actor = await customer(desk, "USD")
    order_id = await desk.place(actor, await desk.basket("vpn"))
    assert (await shown(desk, actor, order_id)).tax == "included"


async def test_a_price_of_salesforce_that_changed_a_moment_ago_is_agreed_and_shown_at_once(desk: Desk) -> None:
    await reprice(desk)
    actor = await customer(desk)
    basket = await desk.basket("vpn")
    sku = basket.items[0].sku
    entry = await desk.pool.fetchval("SELECT pricebook_entry_id FROM read_model.catalog WHERE sku = $1", sku)
    await desk.resources.salesforce.update("PricebookEntry", entry, {"UnitPrice": 3333})
    done = await place_order(desk.context, actor, basket)
    pending: Any = msgspec.json.decode(await desk.pool.fetchval("SELECT document FROM read_model.pending"))
    await desk.settle()
    order = await shown(desk, actor, done.result.order_id)
    assert order.items[0].unit_price is not None
    assert [pending["items"][0]["unit_price"]["amount"], order.items[0].unit_price.amount] == ["3333", "3333"]
