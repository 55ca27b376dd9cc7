"""The price that the customer was shown is the price that is billed from then on, whatever WHMCS's own price is."""

from decimal import Decimal
from typing import Any

import pytest

from app.commands.subscriptions.change_plan import change_plan
from app.commands.subscriptions.plan_changes import journal
from app.commands.subscriptions.plan_changes.agreed_price import bill_agreed_price
from app.commands.subscriptions.plan_changes.follow import TRIES
from app.errors import Conflict
from app.money import Money
from tests.commands.subscriptions.running_services import held, shown
from tests.commands.subscriptions.test_change_plan import followed, on_plan, pay, price_of, wish


async def reprice(desk: Any, product_id: str, price: str) -> None:
    """Staff change a product's own price in WHMCS."""
    (await desk.sandbox.control.patch(f"/whmcs/products/{product_id}", json={"price": price})).raise_for_status()


async def test_an_upgrade_promised_at_one_price_is_billed_at_it(desk: Any) -> None:
    await reprice(desk, "502", "2100")
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    price = await price_of(desk, actor, service_id, "HOSTING-PRO")
    done = await change_plan(desk.context, actor, wish(service_id, "HOSTING-PRO", due_now=price.due_now))
    await pay(desk, done.result.invoice_id)
    assert await followed(desk, service_id) == "done"
    assert Decimal((await held(desk, "services", service_id))["recurringamount"]) == Decimal(price.price.amount)


async def test_a_change_without_a_bill_shows_the_agreed_price_at_once(desk: Any) -> None:
    await reprice(desk, "501", "1100")
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    done = await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", "downgrade"))
    assert done.result.invoice_id is None
    assert (await shown(desk, service_id))["amount"] == {"amount": "800", "currency": "JPY"}


async def test_a_price_that_was_not_taken_goes_to_staff_and_on_once_it_is(desk: Any) -> None:
    await reprice(desk, "501", "1100")
    await desk.sandbox.control.put("/whmcs/dialect", json={"ignores": ["recurringamount"]})
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    await desk.sandbox.control.patch(f"/whmcs/services/{service_id}", json={"recurringamount": "3800"})
    await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", "downgrade"))
    [change] = await journal.of_service(desk.pool, service_id)
    with pytest.raises(Conflict) as refused:
        await bill_agreed_price(desk.context, change)
    assert refused.value.code == "price_not_set"
    assert await followed(desk, service_id, TRIES + 2) == "failed"
    [change] = await journal.of_service(desk.pool, service_id)
    assert change.error_code == "price_not_set"

    await desk.sandbox.control.put("/whmcs/dialect", json={})
    await journal.retry(desk.pool, change.change_id)
    assert await followed(desk, service_id) == "done"
    assert Decimal((await held(desk, "services", service_id))["recurringamount"]) == 800


async def test_a_price_that_was_agreed_in_another_currency_is_never_set(desk: Any) -> None:
    await reprice(desk, "501", "1100")
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", "downgrade"))
    [change] = await journal.of_service(desk.pool, service_id)
    for currency, amount in (("USD", "5.33"), ("JPY", "1100")):
        await desk.sandbox.control.patch(f"/whmcs/clients/{actor.whmcs_client_id}", json={"currency": currency})
        await desk.sandbox.control.patch(f"/whmcs/services/{service_id}", json={"recurringamount": amount})
        if currency == "JPY":
            await bill_agreed_price(desk.context, change)
            continue
        with pytest.raises(Conflict) as refused:
            await bill_agreed_price(desk.context, change)
        assert (refused.value.code, "billed in USD" in refused.value.detail) == ("price_not_set", True)
        assert Decimal((await held(desk, "services", service_id))["recurringamount"]) == Decimal("5.33")
    assert Decimal((await held(desk, "services", service_id))["recurringamount"]) == 800


async def test_a_promotion_on_the_service_stays_where_it_makes_the_plan_cheaper(desk: Any) -> None:
    await reprice(desk, "501", "700")
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    await desk.sandbox.control.patch(f"/whmcs/services/{service_id}", json={"promoid": "1"})
    await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", "downgrade"))
    assert await followed(desk, service_id) == "done"
    assert Decimal((await held(desk, "services", service_id))["recurringamount"]) == 700


async def test_a_price_per_period_that_changed_since_it_was_shown_orders_nothing(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    with pytest.raises(Conflict) as refused:
        await change_plan(desk.context, actor, wish(service_id, "HOSTING-PRO", price=Money("1799", "JPY")))
    assert refused.value.code == "price_changed"
    assert "1800 JPY" in refused.value.detail


async def test_a_direction_goes_by_what_is_billed_and_not_by_the_list(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-PRO")
    await desk.sandbox.control.patch(f"/whmcs/services/{service_id}", json={"recurringamount": "500"})
    assert (await price_of(desk, actor, service_id, "HOSTING-BASIC")).direction == "upgrade"


async def test_tax_follows_whmcs(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")

    async def price() -> tuple[str, str | None, str | None]:
        await desk.reread("products", "all")
        await desk.reread("client", actor.whmcs_client_id)
        found = await price_of(desk, actor, service_id, "HOSTING-PRO")
        return found.tax, found.tax_rate, found.price_with_tax and found.price_with_tax.amount

    assert await price() == ("excluded", "10", "1980")
    await desk.sandbox.control.put("/whmcs/tax", json={"type": "Inclusive"})
    assert await price() == ("included", "10", "1800")
    await desk.sandbox.control.put("/whmcs/tax", json={"type": "Exclusive", "enabled": False})
    assert await price() == ("excluded", "0", "1800")
    await desk.sandbox.control.put("/whmcs/tax", json={"enabled": True})
    await desk.sandbox.control.patch(f"/whmcs/clients/{actor.whmcs_client_id}", json={"taxexempt": True})
    assert await price() == ("excluded", "0", "1800")
    await desk.sandbox.control.patch(
        f"/whmcs/clients/{actor.whmcs_client_id}", json={"taxexempt": False, "country": "US"}
    )
    assert await price() == ("excluded", None, None)
    await desk.sandbox.control.put("/whmcs/access", json={"denied_actions": ["GetConfigurationValue"]})
    await desk.sandbox.control.patch(f"/whmcs/clients/{actor.whmcs_client_id}", json={"country": "JP"})
    assert await price() == ("excluded", None, None)
