"""Everywhere that a customer reads a price of an order, it is what WHMCS bills: over all categories, currencies and
cycles of the sandbox, monthly and once, set-up fees included."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.commands.execution.context import Actor
from app.commands.orders.place_order import place_order
from app.money import Money
from app.queries import charges, subscriptions, summary
from app.queries.reading.page import Page
from app.readmodels.orders import Order, OrderSummary
from tests.commands.conftest import Desk
from tests.commands.orders.test_agreed_terms import listening, shown
from tests.commands.orders.test_billed_prices import CATEGORIES, customer, reprice, total_of
from tests.commands.subscriptions.running_services import held

WALKS = [(code, each) for code in ("JPY", "USD") for each in CATEGORIES if (code, each) != ("USD", "internet")]
"""The sandbox's WHMCS has no prices in dollars for Internet."""
Bills = dict[str, tuple[Decimal, Decimal]]
"""Service → what WHMCS bills for it at first, and for every period after."""


async def bills(desk: Desk, order_id: str) -> Bills:
    services = [await held(desk, "services", each) for each in (await desk.journal(order_id))["facts"]["service_ids"]]
    return {
        str(each["id"]): (Decimal(each["firstpaymentamount"]), Decimal(each["recurringamount"])) for each in services
    }


def amounts(prices: Sequence[Money | None], currency: str) -> list[Decimal]:
    """Return the amounts of prices, all known and in one currency."""
    known = [each for each in prices if each is not None]
    assert [each.currency for each in known] == [currency] * len(prices)
    return [Decimal(each.amount) for each in known]


async def before_activation(desk: Desk, actor: Actor, basket: Any) -> tuple[str, list[Money | None]]:
    """Order, and return every price that the customer reads until the order is activated."""
    store, account_id = await listening(desk), actor.account_id_or_refuse()
    total = await total_of(desk, actor, basket)
    order_id = (await place_order(desk.context, actor, basket)).result.order_id
    pending = await desk.pool.fetchrow("SELECT summary, document FROM read_model.pending")
    await desk.settle()
    order = await shown(desk, actor, order_id)
    home = msgspec.json.decode((await summary.summary(store, account_id)).body)
    listed = [msgspec.convert(each, OrderSummary) for each in home["open_orders"]["items"]]
    row = await desk.pool.fetchrow("SELECT total_amount, currency FROM read_model.orders WHERE order_id = $1", order_id)
    return order_id, [
        total.first_month,
        msgspec.json.decode(pending["document"], type=Order).total,
        msgspec.json.decode(pending["summary"], type=OrderSummary).total,
        order.total,
        *(each.total for each in listed if each.order_id == order_id),
        Money(str(row["total_amount"]), row["currency"]),
    ]


@pytest.mark.parametrize(("currency", "category"), WALKS)
async def test_every_place_shows_what_is_billed(desk: Desk, currency: str, category: str) -> None:
    await reprice(desk)
    actor, basket = await customer(desk, currency), await desk.basket(category)
    order_id, seen = await before_activation(desk, actor, basket)
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.reread("client_services", actor.whmcs_client_id)
    billed = await bills(desk, order_id)
    first = sum((each for each, _ in billed.values()), Decimal(0))
    after = await shown(desk, actor, order_id)
    assert amounts([*seen, after.total], currency) == [first] * 7

    items = sorted(amounts([each.total for each in after.items], currency))
    assert items == sorted(each for each, _ in billed.values())
    assert await running(desk, actor, set(billed), currency) == {
        number: later or once for number, (once, later) in billed.items()
    }


async def running(desk: Desk, actor: Actor, numbers: set[str], currency: str) -> dict[str, Decimal]:
    """Return the prices in the lists of subscriptions and charges."""
    store, account_id = await listening(desk), actor.account_id_or_refuse()
    services = msgspec.json.decode((await subscriptions.list_subscriptions(store, account_id, Page(100), str)).body)
    fees = msgspec.json.decode((await charges.list_charges(store, account_id, Page(100), str)).body)
    found = {
        **{each["subscription_id"]: each["amount"] for each in services["items"]},
        **{each["charge_id"]: each["amount"] for each in fees["items"]},
    }
    assert {found[each]["currency"] for each in numbers} == {currency}
    return {each: Decimal(found[each]["amount"]) for each in numbers}


@pytest.mark.parametrize("currency", ["JPY", "USD"])
async def test_the_first_invoice_asks_for_what_the_order_shows(desk: Desk, currency: str) -> None:
    await reprice(desk)
    actor = await customer(desk, currency)
    order_id = await desk.ordered("vpn", actor)
    assert await desk.fulfil(order_id) == "done"
    body = {"client_id": actor.whmcs_client_id}
    made = (await desk.sandbox.control.post("/whmcs/cron", json=body)).json()["invoices"]
    lines = [line for each in made for line in (await held(desk, "invoices", each["id"]))["items"]]
    numbers = set(await bills(desk, order_id))
    asked = sum((Decimal(each["amount"]) for each in lines if str(each["relid"]) in numbers), Decimal(0))
    order = await shown(desk, actor, order_id)
    assert amounts([order.total], currency) == [asked]
    assert await desk.pool.fetchval("SELECT billing_currency FROM read_model.orders WHERE order_id = $1", order_id) == (
        currency
    )


async def test_an_instant_order_in_dollars_asks_for_what_it_shows_before_anything_is_provided(desk: Desk) -> None:
    await reprice(desk, pricing={"USD": {"msetupfee": "4.00"}})
    actor = await customer(desk, "USD")
    order_id = await desk.place(actor, await desk.basket("hosting", items=[{"sku": "HOSTING-BUSINESS"}]))
    await reprice(desk, pricing={"USD": {"monthly": "99.00", "msetupfee": "4.00"}})
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "paused"
    journal = await desk.journal(order_id)
    invoice = await held(desk, "invoices", journal["facts"]["invoice_id"])
    order = await shown(desk, actor, order_id)
    assert journal["error_code"] == "PAYMENT_PENDING"
    assert amounts([order.total], "USD") == [Decimal(invoice["subtotal"])]
    assert order.items[0].setup_fee == Money("4.00", "USD")
