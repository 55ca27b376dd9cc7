"""What the basket check and the catalog say an order costs is what WHMCS bills for it, in every currency and whatever
its own prices and set-up fees are."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.commands.execution.context import Actor
from app.commands.orders.check_order import CheckedOrder, Totals, check_order
from app.commands.orders.place_order import place_order
from app.errors import RuleViolated
from app.queries import catalog
from app.queries.catalog import AccountCategory
from app.queries.reading.store import Store
from app.readmodels.catalog import Category
from tests.commands.conftest import Desk
from tests.commands.subscriptions.running_services import held

CATEGORIES = ("internet", "sim", "vpn", "hosting")


async def customer(desk: Desk, currency: str = "JPY") -> Actor:
    """Return a customer who can order everything, billed in a currency."""
    actor = await desk.customer(internet="Home 1G")
    path = f"/whmcs/clients/{actor.whmcs_client_id}"
    (await desk.sandbox.control.patch(path, json={"currency": currency})).raise_for_status()
    await desk.reread("client", actor.whmcs_client_id)
    return actor


async def reprice(desk: Desk, **fields: Any) -> None:
    """Change all products in WHMCS alike, and let the portal read them."""
    for sold in (await desk.sandbox.control.get("/whmcs/products")).json()["records"]:
        await desk.sandbox.control.patch(f"/whmcs/products/{sold['pid']}", json={**fields, "silent": True})
    await desk.reread("products", "all")


def store_of(desk: Desk) -> Store:
    settings = desk.resources.settings
    return Store(desk.pool, settings.salesforce_channel, settings.whmcs_time_zone, tax_rates_by_country="JP=10")


async def checked(desk: Desk, actor: Actor, basket: Any) -> CheckedOrder:
    found: CheckedOrder = (await check_order(desk.context, actor, basket)).result
    return found


async def total_of(desk: Desk, actor: Actor, basket: Any) -> Totals:
    """Return the price of a basket that has one."""
    total = (await checked(desk, actor, basket)).total
    assert total is not None
    return total


@pytest.mark.parametrize(
    ("currency", "category"),
    [(currency, each) for currency in ("JPY", "USD") for each in CATEGORIES if (currency, each) != ("USD", "internet")],
)
async def test_an_order_is_billed_at_the_sums_of_its_check(desk: Desk, currency: str, category: str) -> None:
    await reprice(desk, price="777", pricing={"JPY": {"msetupfee": "99"}})
    actor = await customer(desk, currency)
    basket = await desk.basket(category)
    total = await total_of(desk, actor, basket)
    assert total.monthly.currency == currency
    order_id = await desk.place(actor, basket)
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"

    services = [await held(desk, "services", each) for each in (await desk.journal(order_id))["facts"]["service_ids"]]
    assert sum(Decimal(each["recurringamount"]) for each in services) == Decimal(total.monthly.amount)
    assert sum(Decimal(each["firstpaymentamount"]) for each in services) == Decimal(total.first_month.amount)
    body = {"client_id": actor.whmcs_client_id}
    ids = {each["id"] for each in services}
    made = (await desk.sandbox.control.post("/whmcs/cron", json=body)).json()["invoices"]
    invoices = [await held(desk, "invoices", each["id"]) for each in made]
    bills = [each for each in invoices if {str(line["relid"]) for line in each["items"]} <= ids]
    assert total.first_month_with_tax is not None
    assert sum(Decimal(each["subtotal"]) for each in bills) == Decimal(total.first_month.amount)
    assert abs(sum(Decimal(each["total"]) for each in bills) - Decimal(total.first_month_with_tax.amount)) < 1


@pytest.mark.parametrize("currency", ["JPY", "USD"])
async def test_the_catalog_of_an_account_shows_what_a_basket_of_each_product_costs_it(
    desk: Desk, currency: str
) -> None:
    await reprice(desk)
    actor, store = await customer(desk, currency), store_of(desk)
    seen = 0
    for name in CATEGORIES:
        answer = await catalog.account_category(store, actor.account_id_or_refuse(), name)
        found = msgspec.json.decode(answer.body, type=AccountCategory)
        plans = [each.product for each in found.plans]
        for product in (*plans, *found.installations, *found.activation_fees, *found.add_ons):
            total = await total_of(desk, actor, await desk.basket("vpn", items=[{"sku": product.sku}]))
            once = product.billing_cycle == "onetime"
            assert (total.one_time if once else total.monthly) == product.price or product.setup_fee
            fee = Decimal(product.setup_fee.amount) if product.setup_fee else Decimal(0)
            assert Decimal(total.first_month.amount) == Decimal(product.price.amount) + fee
            with_tax = total.one_time_with_tax if once else total.monthly_with_tax
            assert product.price_with_tax == with_tax
            assert (product.tax, product.tax_rate, total.tax_rate) == ("excluded", "10", "10")
            assert product.price.currency == currency
            seen += 1
        for bundle in found.bundles:
            skus = [{"sku": sku} for sku in (bundle.plan, *bundle.activation_fees)]
            if not bundle.installations:
                total = await total_of(desk, actor, await desk.basket("vpn", items=skus))
                assert (bundle.monthly, bundle.one_time) == (total.monthly, total.one_time)
                assert bundle.one_time_with_tax == total.one_time_with_tax
    assert seen > (30 if currency == "JPY" else 20)


async def test_the_public_catalog_shows_prices_with_tax_and_nothing_where_the_rate_is_unknown(desk: Desk) -> None:
    settings = desk.resources.settings
    unread = msgspec.json.decode((await catalog.category(store_of(desk), "vpn")).body, type=Category)
    assert {each.price_with_tax for each in unread.plans} == {None}
    await reprice(desk)
    known = msgspec.json.decode((await catalog.category(store_of(desk), "vpn")).body, type=Category)
    assert [each.price_with_tax.amount for each in known.plans if each.price_with_tax] == ["2750", "2750", "3850"]
    assert [each.monthly_with_tax.amount for each in known.bundles if each.monthly_with_tax] == ["2750", "2750", "3850"]
    rateless = Store(desk.pool, settings.salesforce_channel, settings.whmcs_time_zone)
    unrated = msgspec.json.decode((await catalog.category(rateless, "vpn")).body, type=Category)
    assert {(each.price_with_tax, each.tax_rate) for each in unrated.plans} == {(None, None)}


async def test_what_whmcs_does_not_offer_cannot_be_ordered(desk: Desk) -> None:
    actor = await customer(desk)
    basket = await desk.basket("vpn")
    plan = basket.items[0].sku
    assert (await checked(desk, actor, basket)).ok
    number = await desk.pool.fetchval("SELECT whmcs_product_id FROM read_model.catalog WHERE sku = $1", plan)
    await desk.sandbox.control.patch(f"/whmcs/products/{number}", json={"price": "-1", "silent": True})
    await desk.reread("products", "all")
    assert [each.code for each in (await checked(desk, actor, basket)).violations] == ["product_not_orderable"]
    with pytest.raises(RuleViolated) as refused:
        await place_order(desk.context, actor, basket)
    assert refused.value.code == "product_not_orderable"
    answer = msgspec.json.decode((await catalog.category(store_of(desk), "vpn")).body, type=Category)
    assert [each.orderable for each in answer.plans if each.sku == plan] == [False]


async def test_in_a_currency_without_prices_nothing_is_shown_or_ordered(desk: Desk) -> None:
    await reprice(desk)
    actor = await customer(desk, "USD")
    answer = await catalog.account_category(store_of(desk), actor.account_id_or_refuse(), "internet")
    shop = msgspec.json.decode(answer.body, type=AccountCategory)
    assert (shop.plans, shop.left_out and shop.left_out.code) == ([], "product_not_orderable")
    found = await checked(desk, actor, await desk.basket("internet"))
    assert "product_not_orderable" in {each.code for each in found.violations}
    assert (found.total, found.total_unknown and found.total_unknown.code) == (None, "product_not_orderable")
    assert found.total_unknown is not None
    assert "has no price in USD" in found.total_unknown.message


async def test_another_cycle_than_ordered_stops_the_order_for_staff(desk: Desk) -> None:
    actor = await customer(desk)
    basket = await desk.basket("vpn")
    order_id = await desk.place(actor, basket)
    number = await desk.pool.fetchval(
        "SELECT whmcs_product_id FROM read_model.catalog WHERE sku = $1", basket.items[0].sku
    )
    await desk.sandbox.control.patch(f"/whmcs/products/{number}", json={"price": "-1"})
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "failed"
    journal = await desk.journal(order_id)
    assert (journal["step"], journal["error_code"]) == ("agreed_prices", "PRICE_NOT_AGREED")


async def test_a_price_that_whmcs_does_not_take_stops_the_order_for_staff(desk: Desk) -> None:
    await reprice(desk, pricing={"JPY": {"msetupfee": "99"}})
    await desk.sandbox.control.put("/whmcs/dialect", json={"ignores": ["firstpaymentamount"]})
    order_id = await desk.ordered("sim", await customer(desk))
    assert await desk.fulfil(order_id) == "failed"
    assert (await desk.journal(order_id))["error_code"] == "PRICE_NOT_AGREED"


async def test_the_bill_of_an_order_that_is_paid_first_must_ask_for_the_agreed_price(desk: Desk) -> None:
    await reprice(desk, pricing={"JPY": {"msetupfee": "99"}})
    basket = await desk.basket("hosting", items=[{"sku": "HOSTING-BUSINESS"}])
    actor = await customer(desk)
    order_id = await desk.place(actor, basket)
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "failed"
    assert (await desk.journal(order_id))["error_code"] == "PRICE_NOT_AGREED"


async def test_a_promotion_may_make_an_order_cheaper(desk: Desk) -> None:
    await reprice(desk)
    order_id = await desk.ordered("vpn", await customer(desk), promo_code="WELCOME10")
    assert await desk.fulfil(order_id) == "done"
    [first, *_] = (await desk.journal(order_id))["facts"]["service_ids"]
    assert Decimal((await held(desk, "services", first))["recurringamount"]) == Decimal("2250")
