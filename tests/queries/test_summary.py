"""The first screen: everything in one call and one statement, of this account alone, as old as its oldest part."""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest

from app.errors import NotReady
from app.events import Change
from app.queries import summary
from app.queries.reading.store import Store
from tests.fixtures.changes import CARD, CLIENT, INVOICE, ORDER, SERVICE, T0, change
from tests.projections.conftest import account, feed

__all__ = ["account", "feed"]

Feed = Callable[[Sequence[Change]], Awaitable[None]]
FEED = "/data/Portal__chn"
TODAY = datetime.now(ZoneInfo("Asia/Tokyo")).date()


@pytest.fixture
async def store(pool: asyncpg.Pool, account: UUID, feed: Feed) -> Store:
    """A store whose account has lists that were all read just now and are empty."""
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, now())", FEED)
    now = int(time.time() * 1000) - T0
    await feed([change("whmcs", name, "1001", {"ids": []}, at=now, owner_id="1001") for name in summary.RESOURCES])
    return Store(pool, FEED, "Asia/Tokyo")


async def shown(store: Store, account: UUID) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((await summary.summary(store, account)).body)
    return found


def bill(number: int, days: int, balance: str = "1000.00", **data: Any) -> Change:
    """Return an invoice due some days from today."""
    due = (TODAY + timedelta(days=days)).isoformat()
    whole = {**INVOICE, "duedate": due, "balance": balance, "total": balance, **data}
    return change("whmcs", "invoice", str(number), whole, owner_id="1001")


async def test_a_new_account_owes_nothing_and_is_asked_for_a_payment_method(store: Store, account: UUID) -> None:
    found = await shown(store, account)
    assert found["open"] == found["overdue"] == {"count": 0, "amounts": [], "incomplete": False, "items": []}
    assert (found["next_due"], found["next_renewal"], found["services"]) == (None, None, {})
    assert found["payment_method"] == {"on_file": False, "usable": 0}
    assert [task["kind"] for task in found["tasks"]] == ["add_payment_method"]


async def test_what_is_owed_is_summed_by_currency_and_what_is_overdue_apart(
    store: Store, account: UUID, feed: Feed
) -> None:
    await feed(
        [
            bill(1, -3, "1000.00"),
            bill(2, 0, "200.00"),
            bill(3, 9, "30.50", currencycode="USD"),
            bill(4, 9, "77.00", status="Paid"),
            bill(5, 9, "77.00", status="Draft"),
            bill(6, -9, "77.00", status="Cancelled"),
        ]
    )
    found = await shown(store, account)
    assert [item["invoice_id"] for item in found["open"]["items"]] == ["1", "2", "3"]
    assert found["open"]["amounts"] == [
        {"amount": "1200", "currency": "JPY"},
        {"amount": "30.50", "currency": "USD"},
    ]
    assert (found["overdue"]["count"], found["overdue"]["items"][0]["invoice_id"]) == (1, "1")
    assert found["next_due"]["invoice_id"] == "2"
    task = next(task for task in found["tasks"] if task["kind"] == "pay_overdue_invoices")
    assert (task["text"], task["invoice_id"]) == ("Invoice 1 is overdue. Please pay it.", "1")


async def test_more_than_is_shown_is_still_counted(store: Store, account: UUID, feed: Feed) -> None:
    await feed([bill(number, -number, "1.00") for number in range(1, 13)])
    found = await shown(store, account)
    assert (found["overdue"]["count"], len(found["overdue"]["items"])) == (12, 10)
    assert found["overdue"]["amounts"] == [{"amount": "12", "currency": "JPY"}]
    assert "12 invoices are overdue" in found["tasks"][0]["text"]


async def test_services_orders_and_what_waits(store: Store, account: UUID, feed: Feed) -> None:
    waits = {"Status": "Approved", "Activation_Error_Code__c": "PAYMENT_METHOD_MISSING"}
    renewed = (TODAY + timedelta(days=4)).isoformat()
    await feed(
        [
            change("whmcs", "client", "1001", CLIENT, owner_id="1001"),
            change("whmcs", "service", "55", {**SERVICE, "nextduedate": renewed}, owner_id="1001"),
            change("whmcs", "service", "56", {**SERVICE, "nextduedate": "2027-12-01"}, owner_id="1001"),
            change("whmcs", "service", "57", {**SERVICE, "status": "Suspended"}, owner_id="1001"),
            change("salesforce", "Order", "801A", {**ORDER, **waits}, owner_id="001A"),
            change("salesforce", "Order", "801B", {**ORDER, "Status": "Processed"}, owner_id="001A"),
        ]
    )
    found = await shown(store, account)
    assert found["services"] == {"active": 2, "suspended": 1}
    assert found["next_renewal"] == {
        "subscription_id": "55",
        "name": "SIM 5 GB",
        "due_on": renewed,
        "amount": {"amount": "1480", "currency": "JPY"},
    }
    assert (found["open_orders"]["count"], [o["order_id"] for o in found["open_orders"]["items"]]) == (1, ["801A"])
    assert "unblock_order" in [task["kind"] for task in found["tasks"]]


async def test_an_order_just_placed_counts_before_salesforces_event_came(
    store: Store, account: UUID, feed: Feed
) -> None:
    body = msgspec.json.encode(
        {
            "order_id": "801P",
            "order_number": None,
            "status": "in_review",
            "status_text": "We received your order and are reviewing it.",
            "placed_at": None,
            "total": {"amount": "1", "currency": "JPY"},
            "item_count": 1,
            "pending": True,
        }
    )
    await store.pool.execute(
        "INSERT INTO read_model.pending (account_id, slice, item_id, submission, summary, document) "
        "VALUES ($1, 'orders', '801P', 1, $2, $2)",
        account,
        body,
    )
    assert (await shown(store, account))["open_orders"]["count"] == 1
    await feed([change("salesforce", "Order", "801P", ORDER, owner_id="001A")])
    found = await shown(store, account)
    assert (found["open_orders"]["count"], len(found["open_orders"]["items"])) == (1, 1)


@pytest.mark.parametrize(
    ("months", "usable", "kinds"), [(-1, 0, ["update_payment_method"]), (0, 1, ["update_payment_method"]), (2, 1, [])]
)
async def test_a_card_that_ends_is_to_be_updated_in_time(
    store: Store, account: UUID, feed: Feed, months: int, usable: int, kinds: list[str]
) -> None:
    month = TODAY.year * 12 + TODAY.month - 1 + months
    expiry = f"{month % 12 + 1:02}/{month // 12 % 100:02}"
    await feed([change("whmcs", "pay_method", "3", {**CARD, "expiry_date": expiry}, owner_id="1001")])
    found = await shown(store, account)
    assert found["payment_method"] == {"on_file": True, "usable": usable}
    assert [task["kind"] for task in found["tasks"]] == kinds


async def test_the_first_screen_of_one_account_shows_nothing_of_another(
    store: Store, account: UUID, feed: Feed
) -> None:
    await feed([change("whmcs", "invoice", "9", INVOICE, owner_id="2002"), bill(1, 5)])
    assert [item["invoice_id"] for item in (await shown(store, account))["open"]["items"]] == ["1"]


async def test_it_is_as_old_as_its_oldest_part_and_names_what_to_verify(store: Store, account: UUID) -> None:
    old = datetime.now(UTC) - timedelta(seconds=400)
    await store.pool.execute("UPDATE read_model.freshness SET verified_at = $1 WHERE resource = 'client_services'", old)
    answer = await summary.summary(store, account)
    assert (answer.as_of, answer.stale) == (old, True)
    assert [source.resource for source in answer.sources if source.past_bound] == ["client_services"]


@pytest.mark.parametrize("resource", summary.RESOURCES)
async def test_while_a_part_was_never_read_there_is_no_half_a_screen(
    store: Store, account: UUID, resource: str
) -> None:
    await store.pool.execute("DELETE FROM read_model.freshness WHERE resource = $1", resource)
    with pytest.raises(NotReady):
        await summary.summary(store, account)


async def test_its_etag_follows_what_it_shows(store: Store, account: UUID, feed: Feed) -> None:
    first = (await summary.summary(store, account)).etag
    await store.pool.execute("UPDATE read_model.freshness SET verified_at = now()")
    assert (await summary.summary(store, account)).etag == first
    await feed([bill(1, 5)])
    assert (await summary.summary(store, account)).etag != first


async def test_what_is_owed_says_that_it_is_incomplete_rather_than_being_too_low(
    store: Store, account: UUID, feed: Feed
) -> None:
    await feed([bill(1, -3, "1000.00"), bill(2, 9, "unreadable")])
    found = await shown(store, account)
    assert (found["open"]["count"], found["open"]["incomplete"]) == (2, True)
    assert (found["overdue"]["count"], found["overdue"]["incomplete"]) == (1, False)
    assert found["open"]["amounts"] == found["overdue"]["amounts"]
    assert {each["invoice_id"]: each["balance"] for each in found["open"]["items"]}["2"] is None


async def test_a_service_of_an_unreadable_price_is_shown_and_is_no_renewal(
    store: Store, account: UUID, feed: Feed
) -> None:
    service = {**SERVICE, "nextduedate": "2026-03-01", "recurringamount": "1.480,00 or so"}
    await feed([change("whmcs", "service", "55", service, owner_id="1001")])
    found = await shown(store, account)
    assert (found["services"], found["next_renewal"]) == ({"active": 1}, None)
    document = await store.pool.fetchval("SELECT document FROM read_model.subscriptions WHERE subscription_id = '55'")
    assert msgspec.json.decode(document)["amount"] is None
