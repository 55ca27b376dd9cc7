"""What customers read of dunning over queries: the same everywhere, with validators that change with it, at no cost."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest

import app.queries
from app.events import Change
from app.queries import invoices, subscriptions, summary, timeline
from app.queries.reading.page import Page
from app.queries.reading.store import Store
from tests.fixtures.changes import CLIENT, T0, change
from tests.projections.conftest import account, feed
from tests.projections.test_dunning import dunning, invoice, of_service, service
from tests.queries.test_summary import store

__all__ = ["account", "feed", "store"]

Feed = Callable[[Sequence[Change]], Awaitable[None]]
PAGE = Page()
DUE = (datetime.now(ZoneInfo("Asia/Tokyo")).date() - timedelta(days=2)).isoformat()


def cursor(after: str) -> str:
    return after


async def read(store: Store, account: UUID) -> dict[str, tuple[Any, str]]:
    """Read every place that shows dunning: what it says, and its validator."""
    listed = await invoices.list_invoices(store, account, PAGE, cursor)
    whole = await invoices.invoice(store, account, "77")
    of = await subscriptions.list_subscriptions(store, account, PAGE, cursor)
    one = await subscriptions.subscription(store, account, "55")
    first = await summary.summary(store, account)
    body = msgspec.json.decode
    return {
        "list": (body(listed.body)["items"][0]["dunning"], listed.etag),
        "detail": (body(whole.body)["dunning"], whole.etag),
        "subscriptions": (body(of.body)["items"][0]["dunning"], of.etag),
        "subscription": (body(one.body)["dunning"], one.etag),
        "summary": (body(first.body)["dunning"], first.etag),
        "owed": (body(first.body)["open"]["items"][0]["dunning"] if body(first.body)["open"]["items"] else None, ""),
    }


@pytest.fixture
async def unpaid(store: Store, account: UUID, feed: Feed) -> None:
    await feed([change("whmcs", "client", "1001", CLIENT, owner_id="1001"), service(), invoice(duedate=DUE)])


async def test_list_detail_subscription_and_summary_say_the_same_and_change_with_it(
    store: Store, account: UUID, feed: Feed, unpaid: None
) -> None:
    before = await read(store, account)
    assert {name: said for name, (said, _) in before.items()} == dict.fromkeys(before)
    await feed([dunning(at=1_000), of_service(at=1_000)])
    after = await read(store, account)
    said = [said for said, _ in after.values()]
    assert said[0]["suspends_on"] == "2026-02-10"
    assert all(each == said[0] for each in said)
    assert all(after[name][1] != before[name][1] for name in after if name != "owed")
    await feed([dunning(at=2_000, status="ended"), of_service(at=2_000, status="ended")])
    ended = await read(store, account)
    assert {name: said for name, (said, _) in ended.items()} == dict.fromkeys(ended)


async def test_the_summary_has_one_task_for_what_is_most_urgent(
    store: Store, account: UUID, feed: Feed, unpaid: None
) -> None:
    await feed([invoice("78", duedate=DUE), invoice("79", duedate=DUE), dunning(invoice_id="78")])
    found = msgspec.json.decode((await summary.summary(store, account)).body)
    [task] = [each for each in found["tasks"] if each["kind"] == "pay_overdue_invoices"]
    assert task["invoice_id"] == "78"
    assert task["text"].startswith("Invoice 78 is unpaid. Your bank declined")
    assert task["text"].endswith("add another payment method. 2 more invoices are overdue.")
    await feed([dunning(at=1_000, invoice_id="78", status="paused")])
    found = msgspec.json.decode((await summary.summary(store, account)).body)
    [task] = [each for each in found["tasks"] if each["kind"] == "pay_overdue_invoices"]
    assert task["text"] == "3 invoices are overdue. Please pay them."


async def test_an_expired_card_is_no_better_reason_than_what_the_bank_said(
    store: Store, account: UUID, feed: Feed, unpaid: None, pool: asyncpg.Pool
) -> None:
    card = {"type": "CreditCard", "card_type": "Visa", "card_last_four": "4242", "expiry_date": "01/20"}
    at = datetime.fromtimestamp(T0 / 1000, ZoneInfo("UTC")).isoformat()
    for code, reason in (
        ("insufficient_funds", "Your bank declined the charge because there were not enough funds."),
        ("payment_declined", "The card on file had expired."),
    ):
        step = {"step": "payment_failed", "number": 1, "at": at, "decline_code": code}
        await feed([change("whmcs", "pay_method", "3", card, owner_id="1001"), dunning(at=3_000, steps=[step])])
        await pool.execute("DELETE FROM mirror.records WHERE object = 'dunning'")
        found = msgspec.json.decode((await timeline.list_timeline(store, account, PAGE, cursor)).body)
        assert [each["reason"] for each in found["items"] if each["kind"] == "charge_failed"] == [reason]


def test_no_query_asks_for_dunning_by_itself() -> None:
    """Documents carry it, so a read costs what it did before."""
    sources = [path.read_text() for path in Path(app.queries.__path__[0]).rglob("*.py")]
    assert not [each for each in sources if "portal.dunning" in each]
