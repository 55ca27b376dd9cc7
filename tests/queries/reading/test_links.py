"""An order, the subscriptions it made and the invoices that bill them name each other, within the account."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.events import Change
from app.queries import invoices, orders, subscriptions
from app.queries.reading.store import Store
from tests.fixtures.changes import INVOICE, ORDER, SERVICE, T0, change
from tests.projections.conftest import account, feed

__all__ = ["account", "feed"]

Feed = Callable[[Sequence[Change]], Awaitable[None]]
FEED = "/data/Portal__chn"
QUERIES: dict[str, Any] = {
    "order": orders.order,
    "subscription": subscriptions.subscription,
    "invoice": invoices.invoice,
}


def bill(number: str, *services: str, owner: str = "1001", **data: Any) -> Change:
    lines = [{**INVOICE["items"][0], "relid": each} for each in services]  # type: ignore[index]
    return change("whmcs", "invoice", number, {**INVOICE, "items": lines, **data}, owner_id=owner)


def service(number: str, order: str, owner: str = "1001") -> Change:
    return change("whmcs", "service", number, {**SERVICE, "orderid": order}, owner_id=owner)


@pytest.fixture
async def store(pool: asyncpg.Pool, account: UUID, feed: Feed) -> Store:
    """Order 801A made services 55 and 56 (WHMCS order 9), which invoices 77 and 78 bill; 801B and 57 are another
    matter; so is customer 2002."""
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, now())", FEED)
    now = int(time.time() * 1000) - T0
    item = {"Quantity": 1.0, "UnitPrice": 1.0}
    await feed(
        [
            change("whmcs", "client_services", "1001", {"ids": []}, at=now, owner_id="1001"),
            change("salesforce", "Order", "801A", {**ORDER, "WHMCS_Order_ID__c": "9"}, owner_id="001A"),
            change("salesforce", "OrderItem", "802A", {**item, "WHMCS_Service_ID__c": "55"}, parent_id="801A"),
            change("salesforce", "Order", "801B", ORDER, owner_id="001A"),
            change("salesforce", "OrderItem", "802B", {**item, "WHMCS_Service_ID__c": "57"}, parent_id="801B"),
            *(service("55", "9"), service("56", "9"), service("57", "0"), service("60", "9", owner="2002")),
            *(bill("77", "55"), bill("78", "56", "55"), bill("79", "57"), bill("80", "55", status="Draft")),
            bill("90", "55", owner="2002"),
        ]
    )
    return Store(pool, FEED, "Asia/Tokyo")


@pytest.mark.parametrize(
    ("kind", "item_id", "order_ids", "subscription_ids", "invoice_ids"),
    [
        ("order", "801A", ["801A"], ["56", "55"], ["78", "77"]),
        ("order", "801B", ["801B"], ["57"], ["79"]),
        ("subscription", "55", ["801A"], ["55"], ["78", "77"]),
        ("subscription", "57", ["801B"], ["57"], ["79"]),
        ("invoice", "78", ["801A"], ["56", "55"], ["78"]),
        ("invoice", "79", ["801B"], ["57"], ["79"]),
    ],
)
async def test_each_of_the_three_names_the_others(
    store: Store,
    account: UUID,
    kind: str,
    item_id: str,
    order_ids: list[str],
    subscription_ids: list[str],
    invoice_ids: list[str],
) -> None:
    answer = await QUERIES[kind](store, account, item_id)
    assert msgspec.json.decode(answer.body)["links"] == {
        "order_ids": order_ids,
        "subscription_ids": subscription_ids,
        "invoice_ids": invoice_ids,
    }


async def test_a_new_invoice_changes_the_validator_of_what_it_bills(store: Store, account: UUID, feed: Feed) -> None:
    before = await subscriptions.subscription(store, account, "55")
    assert (await subscriptions.subscription(store, account, "55")).etag == before.etag
    await feed([bill("81", "55")])
    after = await subscriptions.subscription(store, account, "55")
    assert after.etag != before.etag
    assert msgspec.json.decode(after.body)["links"]["invoice_ids"][0] == "81"


async def test_an_order_that_is_pending_has_led_to_nothing_yet(store: Store, account: UUID) -> None:
    await store.pool.execute(
        "INSERT INTO read_model.pending (account_id, slice, item_id, submission, summary, document) "
        "VALUES ($1, 'orders', '801P', 1, '{}', $2)",
        account,
        b'{"order_id":"801P"}',
    )
    found = msgspec.json.decode((await orders.order(store, account, "801P")).body)
    assert found["links"] == {"order_ids": ["801P"], "subscription_ids": [], "invoice_ids": []}
