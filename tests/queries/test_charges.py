"""Charges are shown where they belong: in their list, with the service they were ordered with, and on invoices."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from app.errors import NotFound, NotReady
from app.events import Change
from app.queries import charges, invoices, notifications, subscriptions, summary, timeline
from app.queries.reading.page import Page
from app.queries.reading.store import Store
from tests.fixtures.changes import CLIENT, INVOICE, PRODUCT, SERVICE, T0, change
from tests.projections.conftest import account, feed

__all__ = ["account", "feed"]

Feed = Callable[[Sequence[Change]], Awaitable[None]]
FEED = "/data/Portal__chn"
PRODUCTS = (
    ("301", "SIM", "Service", "Monthly"),
    ("333", "SIM", "Activation", "Onetime"),
    ("181", "Internet", "Service", "Monthly"),
    ("246", "Internet", "Add-on", "Monthly"),
    ("243", "Internet", "Installation", "Monthly"),
)
SERVICES = (
    (50, "301", "9", "Monthly", "Active"),
    (51, "333", "9", "One Time", "Active"),
    (52, "246", "9", "Monthly", "Active"),
    (53, "181", "9", "Monthly", "Cancelled"),
    (54, "243", "9", "Monthly", "Active"),
    (55, "333", "8", "One Time", "Pending"),
    (56, "333", "0", "One Time", "Active"),
)
"""Number, product, WHMCS order, cycle, status: a SIM and an Internet line of one order, their fees, and two others."""


@pytest.fixture
async def store(pool: asyncpg.Pool, account: UUID, feed: Feed) -> Store:
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, now())", FEED)
    now = int(time.time() * 1000) - T0
    await feed([change("whmcs", name, "1001", {"ids": []}, at=now, owner_id="1001") for name in summary.RESOURCES])
    await feed([change("whmcs", "client", "1001", CLIENT, owner_id="1001")])
    for pid, category, item_class, cycle in PRODUCTS:
        fields = {"Product2Categories1__c": category, "Item_Class__c": item_class, "Billing_Cycle__c": cycle}
        await feed([change("salesforce", "Product2", f"01t{pid}", {**PRODUCT, **fields, "WH_Product_ID__c": pid})])
    for number, pid, order, cycle, status in SERVICES:
        data = {**SERVICE, "pid": pid, "orderid": order, "billingcycle": cycle, "status": status, "groupname": ""}
        data |= {"firstpaymentamount": "1500.00", "name": f"Product {pid}"}
        await feed([change("whmcs", "service", str(number), data, owner_id="1001")])
    return Store(pool, FEED, "Asia/Tokyo")


def said(answer: Any) -> Any:
    return msgspec.json.decode(answer.body)


async def listed(store: Store, account: UUID, *args: Any, which: Page = Page()) -> Any:  # noqa: B008
    return said(await charges.list_charges(store, account, which, lambda after: after, *args))


async def test_a_charge_names_the_plan_of_its_category_in_its_order(store: Store, account: UUID) -> None:
    found = await listed(store, account)
    assert {each["charge_id"]: each["subscription_id"] for each in found["items"]} == {
        "56": None,
        "55": None,
        "54": "53",
        "51": "50",
    }
    [fee] = [each for each in found["items"] if each["charge_id"] == "51"]
    assert (fee["name"], fee["amount"]["amount"], fee["billing_cycle"]) == ("Product 333", "1500", "onetime")


async def test_charges_are_paged_and_filtered(store: Store, account: UUID) -> None:
    assert [each["charge_id"] for each in (await listed(store, account, ["pending"]))["items"]] == ["55"]
    first = await listed(store, account, which=Page(3))
    rest = await listed(store, account, which=Page(3, first["next_cursor"]))
    assert [each["charge_id"] for each in (*first["items"], *rest["items"])] == ["56", "55", "54", "51"]


async def test_a_subscription_shows_its_charges_also_when_it_has_ended(store: Store, account: UUID) -> None:
    for number, fees in (("50", ["51"]), ("53", ["54"]), ("52", [])):
        found = said(await subscriptions.subscription(store, account, number))
        assert [each["charge_id"] for each in found["charges"]] == fees
    with pytest.raises(NotFound):
        await subscriptions.subscription(store, account, "51")


async def test_services_are_counted_without_charges(store: Store, account: UUID) -> None:
    assert said(await summary.summary(store, account))["services"] == {"active": 2, "cancelled": 1}


async def test_a_line_that_bills_a_charge_is_no_service(store: Store, account: UUID, feed: Feed) -> None:
    lines = [
        {"id": str(number), "type": "Hosting", "relid": str(number), "description": "", "amount": "1.00", "taxed": "1"}
        for number in (50, 51, 54, 56)
    ]
    await feed([change("whmcs", "invoice", "77", {**INVOICE, "items": lines}, owner_id="1001")])
    answer = await invoices.invoice(store, account, "77")
    items = [each for each in said(answer)["items"] if each["kind"] != "adjustment"]
    assert [(each["kind"], each["subscription_id"]) for each in items] == [
        ("service", "50"),
        ("charge", "50"),
        ("charge", "53"),
        ("charge", None),
    ]
    await feed([change("salesforce", "Product2", "01t243", at=9_000, kind="deleted")])
    after = await invoices.invoice(store, account, "77")
    assert after.etag != answer.etag
    assert [each["kind"] for each in said(after)["items"]][:4] == ["service", "charge", "service", "charge"]


async def test_the_invoices_of_a_subscription_include_those_of_its_fees(
    store: Store, account: UUID, feed: Feed
) -> None:
    for invoice_id, relid in (("71", "50"), ("72", "51"), ("73", "54"), ("74", "56")):
        line = {"id": "1", "type": "Hosting", "relid": relid, "description": "", "amount": "1.00", "taxed": "1"}
        await feed([change("whmcs", "invoice", invoice_id, {**INVOICE, "items": [line]}, owner_id="1001")])
    billed = {}
    for number in ("50", "53", "52"):
        wanted = invoices.InvoiceFilter(subscription_id=number)
        found = await invoices.list_invoices(store, account, Page(10), lambda after: after, wanted)
        billed[number] = {each["invoice_id"] for each in said(found)["items"]}
    assert billed == {"50": {"71", "72"}, "53": {"73"}, "52": set()}


async def test_the_history_names_no_charge_as_a_service(store: Store, account: UUID, feed: Feed) -> None:
    await store.pool.execute("UPDATE portal.id_mappings SET linked_at = '2025-01-01'")
    lines = [{"id": "1", "type": "Hosting", "relid": relid, "amount": "1.00"} for relid in ("50", "51", "54")]
    await feed([change("whmcs", "invoice", "77", {**INVOICE, "items": lines}, owner_id="1001")])
    for query in (timeline.list_timeline, notifications.list_notifications):
        entries = said(await query(store, account, Page(100), lambda after: after))["items"]
        assert {tuple(each["subscription_ids"]) for each in entries if each["invoice_id"] == "77"} == {("50",)}
        named = {number for each in entries for number in each["subscription_ids"]}
        assert named <= {"50", "52", "53"}


async def test_the_stored_history_claims_no_service_that_an_invoice_bills(
    store: Store, account: UUID, feed: Feed
) -> None:
    """Which of the numbers are services is decided by the catalog, also long after the invoice."""
    lines = [{"id": "1", "type": "Hosting", "relid": relid, "amount": "1.00"} for relid in ("50", "51", "99")]
    await feed([change("whmcs", "invoice", "77", {**INVOICE, "items": lines}, owner_id="1001")])
    rows = await store.pool.fetch("SELECT document FROM read_model.timeline_invoices")
    stored = [msgspec.json.decode(row["document"]) for row in rows]
    assert {(*each["subscription_ids"], *each["billed_ids"]) for each in stored} == {("50", "51", "99")}
    assert not any(each["subscription_ids"] for each in stored)

    fields = {**PRODUCT, "Product2Categories1__c": "SIM", "Item_Class__c": "Service", "Billing_Cycle__c": "Monthly"}
    await feed([change("salesforce", "Product2", "01t333", {**fields, "WH_Product_ID__c": "333"}, at=9_000)])
    await feed([change("whmcs", "service", "51", {**SERVICE, "pid": "333"}, at=9_000, owner_id="1001")])
    entries = said(await timeline.list_timeline(store, account, Page(100), lambda after: after))["items"]
    named = {tuple(each["subscription_ids"]) for each in entries if each["invoice_id"] == "77"}
    assert named == {("50", "51")}, "51 is a service now, and 99 is nobody's"


async def test_a_history_from_the_release_before_names_no_charge_either(
    store: Store, account: UUID, feed: Feed
) -> None:
    lines = [{"id": "1", "type": "Hosting", "relid": relid, "amount": "1.00"} for relid in ("50", "51")]
    await feed([change("whmcs", "invoice", "77", {**INVOICE, "items": lines}, owner_id="1001")])
    await store.pool.execute(
        "UPDATE read_model.timeline_invoices SET document = convert_to(((convert_from(document, 'UTF8')::jsonb - "
        "'billed_ids') || '{\"subscription_ids\": [\"50\", \"51\"]}')::text, 'UTF8')"
    )
    entries = said(await timeline.list_timeline(store, account, Page(100), lambda after: after))["items"]
    assert {tuple(each["subscription_ids"]) for each in entries if each["invoice_id"] == "77"} == {("50",)}


async def test_nobody_sees_the_charges_of_another(store: Store, account: UUID) -> None:
    with pytest.raises(NotReady):
        await listed(store, uuid4())
