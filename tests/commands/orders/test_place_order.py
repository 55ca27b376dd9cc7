"""Placing orders: one order upstream for one request, whatever happens on the way."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.commands.execution.context import Actor
from app.commands.execution.execute import audited
from app.commands.orders.check_order import check_order
from app.commands.orders.place_order import COMMAND as PLACE_ORDER
from app.commands.orders.place_order import place_order
from app.errors import Conflict, OutcomeUnknown, PortalError, RuleViolated, UpstreamUnavailable

ELSEWHERE = {
    "address1": "9-9-9 Minato",
    "city": "Yokohama",
    "state": "Kanagawa",
    "postcode": "231-0001",
    "country": "JP",
}


def again(actor: Actor) -> Actor:
    """Return the same customer with another idempotency key."""
    return msgspec.structs.replace(actor, command_key=uuid4().hex, request_id=uuid4().hex)


async def test_an_order_stands_in_salesforce_for_review_and_in_the_read_model(desk: Any) -> None:
    actor = await desk.customer(internet="Home 1G")
    basket = await desk.basket("internet")

    order_id = await desk.place(actor, basket)

    [order] = await desk.salesforce_orders(actor)
    assert (order["Id"], order["Status"], order["Activation_Status__c"]) == (order_id, "Pending Review", None)
    assert order["BillingStreet"]
    assert order["Address_Changed__c"] is False
    prices = await desk.pool.fetch(
        "SELECT unit_price FROM read_model.catalog WHERE sku = ANY($1)", [item.sku for item in basket.items]
    )
    items = await desk.salesforce_items(order_id)
    assert sorted(item["UnitPrice"] for item in items) == sorted(float(row["unit_price"]) for row in prices)
    row = await desk.pool.fetchrow("SELECT * FROM read_model.orders WHERE order_id = $1", order_id)
    assert (row["account_id"], row["status"], row["item_count"]) == (actor.account_id, "in_review", len(basket.items))


async def test_the_same_request_again_is_the_same_order(desk: Any) -> None:
    actor = await desk.customer(internet="Home 1G")
    basket = await desk.basket("internet")

    first = await desk.place(actor, basket)
    second = await desk.place(actor, basket)

    assert first == second
    assert len(await desk.salesforce_orders(actor)) == 1
    assert len(await desk.salesforce_items(first)) == len(basket.items)


async def test_an_unanswered_create_is_found_and_never_repeated(desk: Any) -> None:
    actor = await desk.customer()
    basket = await desk.basket("vpn")
    await desk.sandbox.fault("salesforce", "timeout_after_write", "composite")

    try:
        order_id = await desk.place(actor, basket)
    except OutcomeUnknown:
        order_id = await desk.place(actor, basket)

    [order] = await desk.salesforce_orders(actor)
    assert order["Id"] == order_id
    assert len(await desk.salesforce_items(order_id)) == len(basket.items)


async def test_another_address_is_snapshotted_and_marked(desk: Any) -> None:
    actor = await desk.customer()

    await desk.place(actor, await desk.basket("vpn", address=ELSEWHERE))

    [order] = await desk.salesforce_orders(actor)
    assert (order["BillingStreet"], order["BillingCity"]) == ("9-9-9 Minato", "Yokohama")
    assert order["Address_Changed__c"] is True


async def test_the_same_address_in_other_spelling_is_not_a_change(desk: Any) -> None:
    actor = await desk.customer()
    known = (await desk.resources.whmcs.client(actor.whmcs_client_id)).data
    names = ("address1", "address2", "city", "state", "postcode", "country")
    spelled = {name: known[name] for name in names} | {"city": f" {known['city'].upper()} "}

    await desk.place(actor, await desk.basket("vpn", address=spelled))

    [order] = await desk.salesforce_orders(actor)
    assert order["Address_Changed__c"] is False


@pytest.mark.parametrize(
    ("spelling", "is_changed"),
    [
        ({"state": "東京都", "address1": "１−２−３　nishi"}, False),
        ({"address1": "1-2-3 Nishi 101", "address2": ""}, False),
        ({"address1": "12-3 Nishi"}, True),
        ({"address1": "1-23 Nishi"}, True),
    ],
)
async def test_staff_and_eligibility_agree_whether_it_is_the_address_on_file(
    desk: Any, spelling: dict[str, str], is_changed: bool
) -> None:
    home = {"address1": "1-2-3 Nishi", "address2": "101", "city": "Shinjuku-ku", "state": "Tokyo"}
    home |= {"postcode": "160-0022", "country": "JP"}
    actor = await desk.customer(internet="Home 1G")
    await desk.resources.whmcs.update_client(actor.whmcs_client_id, home)
    await desk.resources.inbox.submit([desk.whmcs_news("client", actor.whmcs_client_id)])
    await desk.settle()
    basket = await desk.basket("internet", address=home | spelling)
    refused = {each.code for each in (await check_order(desk.context, actor, basket)).result.violations}
    assert refused == ({"not_eligible"} if is_changed else set())

    done = await place_order(desk.context, actor, await desk.basket("vpn", address=home | spelling))
    which = "SELECT document FROM read_model.{} WHERE {} = $1"
    pending = await desk.pool.fetchval(which.format("pending", "item_id"), done.result.order_id)
    await desk.settle()
    kept = await desk.pool.fetchval(which.format("orders", "order_id"), done.result.order_id)
    for name in ("address", "address_changed"):
        assert msgspec.json.decode(pending)[name] == msgspec.json.decode(kept)[name]
    [order] = await desk.salesforce_orders(actor)
    assert order["Address_Changed__c"] is is_changed


async def test_without_a_payment_method_nothing_is_ordered(desk: Any) -> None:
    actor = await desk.customer(with_card=False)
    basket = await desk.basket("vpn")

    with pytest.raises(RuleViolated) as refused:
        await audited(desk.context, actor, PLACE_ORDER, basket)

    assert refused.value.code == "payment_method_missing"
    assert await desk.salesforce_orders(actor) == []
    audit = await desk.pool.fetchrow("SELECT outcome, detail FROM portal.audit WHERE action = 'place_order'")
    assert (audit["outcome"], audit["detail"]) == ("payment_method_missing", {"errors": ["payment_method_missing"]})


async def test_a_card_added_without_notice_is_believed_at_once(desk: Any) -> None:
    actor = await desk.customer(with_card=False)
    response = await desk.sandbox.control.post(
        f"/whmcs/clients/{actor.whmcs_client_id}/pay-methods", json={"silent": True}
    )
    response.raise_for_status()

    await desk.place(actor, await desk.basket("vpn"))

    assert len(await desk.salesforce_orders(actor)) == 1
    methods = await desk.pool.fetchval(
        "SELECT count(*) FROM read_model.payment_methods WHERE account_id = $1", actor.account_id
    )
    assert methods == 1


async def test_a_product_withdrawn_during_checkout_is_refused_by_name(desk: Any) -> None:
    actor = await desk.customer()
    basket = await desk.basket("vpn")
    sku = basket.items[0].sku
    product = await desk.pool.fetchrow("SELECT salesforce_product_id, name FROM read_model.catalog WHERE sku = $1", sku)
    await desk.resources.salesforce.update(
        "Product2", product["salesforce_product_id"], {"Portal_Accessible__c": False}
    )

    with pytest.raises(RuleViolated) as refused:
        await place_order(desk.context, actor, basket)

    [violation] = refused.value.errors
    assert (violation.field, violation.code) == ("items.0.sku", "product_not_orderable")
    assert product["name"] in violation.message
    assert await desk.salesforce_orders(actor) == []


async def test_a_new_price_counts_before_the_read_model_has_heard_of_it(desk: Any) -> None:
    actor = await desk.customer()
    basket = await desk.basket("vpn")
    entry = await desk.pool.fetchval(
        "SELECT pricebook_entry_id FROM read_model.catalog WHERE sku = $1", basket.items[0].sku
    )
    await desk.resources.salesforce.update("PricebookEntry", entry, {"UnitPrice": 4_321})

    order_id = await desk.place(actor, basket)

    assert 4_321.0 in [item["UnitPrice"] for item in await desk.salesforce_items(order_id)]


async def test_two_browsers_ordering_internet_at_once_make_one_order(desk: Any) -> None:
    actor = await desk.customer(internet="Home 1G")
    basket = await desk.basket("internet")

    outcomes = await asyncio.gather(
        *(place_order(desk.context, again(actor), basket) for _ in range(4)), return_exceptions=True
    )

    assert len(await desk.salesforce_orders(actor)) == 1
    refused = [each for each in outcomes if isinstance(each, PortalError)]
    assert len(refused) == 3
    assert all(isinstance(each, Conflict | RuleViolated) for each in refused)


async def test_an_open_internet_order_stands_in_the_way_of_a_second(desk: Any) -> None:
    actor = await desk.customer(internet="Home 1G")
    basket = await desk.basket("internet")
    await desk.place(actor, basket)

    done = await check_order(desk.context, again(actor), basket)

    assert [each.code for each in done.result.violations] == ["duplicate_internet"]


async def test_a_check_orders_nothing_and_prices_everything(desk: Any) -> None:
    actor = await desk.customer(internet="Home 1G")

    done = await check_order(desk.context, actor, await desk.basket("internet"))

    assert done.result.ok
    assert done.result.violations == []
    assert done.result.total is not None
    assert float(done.result.total.monthly.amount) > 0
    assert float(done.result.total.one_time.amount) > 0
    assert await desk.salesforce_orders(actor) == []


async def test_with_every_upstream_down_nothing_is_half_done(desk: Any) -> None:
    actor = await desk.customer()
    basket = await desk.basket("vpn")
    for upstream in ("salesforce", "whmcs"):
        await desk.sandbox.fault(upstream, "down", count=100)

    with pytest.raises(UpstreamUnavailable):
        await place_order(desk.context, actor, basket)

    await desk.sandbox.clear_faults()
    desk.let_in()
    assert await desk.salesforce_orders(actor) == []
    assert len({await desk.place(actor, basket), await desk.place(actor, basket)}) == 1
