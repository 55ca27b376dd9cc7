"""Values that an older release mirrored as they came never stop a record from being shown."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.events import Record
from app.intake import unreadable
from app.projections import (
    catalog,
    gateways,
    invoices,
    orders,
    payment_methods,
    profiles,
    subscriptions,
    timeline_invoices,
    timeline_subscriptions,
)
from app.projections.projector import Group, Projected
from app.readmodels.invoices import Invoice
from app.readmodels.subscriptions import Subscription
from app.settings import Settings
from tests.fixtures.changes import CARD, CLIENT, INVOICE, SERVICE

AT = datetime(2026, 2, 1, tzinfo=UTC)
ODD: list[Any] = [
    *(None, "", "tbd", "-0001-11-30", "0000-00-00 00:00", "30/11/2026", "9999-12-31", "1,000.00", "1e999", "NaN"),
    *(1.5, True, [], ["x"], {}, {"a": 1}, "9" * 5_000, 10**30, "\N{FULLWIDTH DIGIT ONE}", "\N{SUPERSCRIPT TWO}"),
]
PAYMENT = {"id": "3", "amountin": "5.00", "amountout": "1.00", "date": "2026-01-02", "refundid": "0", "transid": "t"}
PRICE = {"Product2Id": "01t1", "Pricebook2Id": "01s000000000001AAA", "IsActive": True, "UnitPrice": 1000.0}
PRODUCT = {
    "StockKeepingUnit": "SIM-1",
    "Name": "SIM",
    "IsActive": True,
    "Portal_Catalog__c": True,
    "Portal_Accessible__c": True,
    "Display_Order__c": 1.0,
    "WH_Product_ID__c": 181.0,
    "Product2Categories1__c": "SIM",
}


def record(object_name: str, data: dict[str, Any], record_id: str = "77", source: str = "whmcs") -> Record:
    return Record(
        source=source,  # type: ignore[arg-type]
        object=object_name,
        record_id=record_id,
        version=1,
        occurred_at=AT,
        verified_at=AT,
        data=data,
        owner_id="1001",
    )


def projected(module: Any, settings: Settings, *records: Record) -> Projected:
    client = {("client", "1001"): record("client", CLIENT, "1001")}
    group = Group(account_id=UUID(int=1), item_id=records[0].record_id, records=list(records), context=client)
    found = module.projector(settings).project(group)
    assert isinstance(found, Projected)
    return found


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: str(type(odd).__name__) if isinstance(odd, int) else str(odd)[:20])
def test_odd_values_stop_nothing(settings: Settings, odd: Any) -> None:
    for name in INVOICE.keys() - {"total"} | {"tax2", "datepaid", "last_capture_attempt", "invoicenum", "ccgateway"}:
        for module in (invoices, timeline_invoices):
            projected(module, settings, record("invoice", {**INVOICE, name: odd}))
    for name in INVOICE["items"][0]:  # type: ignore[index]
        data = {**INVOICE, "items": [{**INVOICE["items"][0], name: odd}, odd]}  # type: ignore[index, dict-item]
        projected(invoices, settings, record("invoice", data))
        projected(timeline_invoices, settings, record("invoice", data))
    for name in PAYMENT:
        data = {**INVOICE, "transactions": [{**PAYMENT, name: odd}, odd]}
        projected(invoices, settings, record("invoice", data))
        projected(timeline_invoices, settings, record("invoice", data))
    for name in (*SERVICE, "domain", "groupname", "suspensionreason", "nextduedate", "pid", "orderid"):
        for module in (subscriptions, timeline_subscriptions):
            projected(module, settings, record("service", {**SERVICE, name: odd}))
    for name in ("name", "status", "billingcycle", "recurringamount", "nextduedate"):
        projected(subscriptions, settings, record("service", SERVICE), record("addon", {name: odd}, "5"))
    for name in ("type", "date"):
        projected(subscriptions, settings, record("service", SERVICE), record("cancel_request", {name: odd}))
    for name in CARD:
        projected(payment_methods, settings, record("pay_method", {**CARD, name: odd}))
    for name in CLIENT:
        projected(profiles, settings, record("client", {**CLIENT, name: odd}))
    projected(gateways, settings, record("gateway", {"displayname": odd}))
    item = {"Quantity": odd, "UnitPrice": odd}
    order = {"Status": "Approved", "CreatedDate": odd, "EffectiveDate": odd, "LastModifiedDate": odd}
    projected(
        orders, settings, record("Order", order, source="salesforce"), record("OrderItem", item, "8", "salesforce")
    )


def test_dates_and_amounts_in_other_spellings_are_read(settings: Settings) -> None:
    data = {
        **INVOICE,
        "total": "1,628.00",
        "duedate": "15/01/2026",
        "date": "-0001-11-30",
        "datepaid": "0000-00-00 00:00",
    }
    (row,) = projected(invoices, settings, record("invoice", data)).rows
    invoice = msgspec.json.decode(row["document"], type=Invoice)
    usual = projected(invoices, settings, record("invoice", INVOICE)).rows[0]
    assert (row["total"], row["due_on"], invoice.issued_on, invoice.paid_at) == (
        usual["total"],
        usual["due_on"],
        None,
        None,
    )
    service = {**SERVICE, "recurringamount": "1,000.00", "nextduedate": "0000-00-00 00:00"}
    (row,) = projected(subscriptions, settings, record("service", service)).rows
    found = msgspec.json.decode(row["document"], type=Subscription)
    assert (row["amount"], found.next_due_on) == (1000, None)


def test_an_invoice_of_which_nobody_can_say_what_it_comes_to_is_not_shown_as_nothing_owed(settings: Settings) -> None:
    (row,) = projected(invoices, settings, record("invoice", {**INVOICE, "total": "a lot"})).rows
    shown = msgspec.json.decode(row["document"])
    assert (shown["total"], shown["balance"], shown["amount_due"]) == (None, None, None)


def test_products_without_a_sku_of_their_own_are_not_sold(settings: Settings) -> None:
    unreadable.taken()
    price = {**PRICE, "Pricebook2Id": settings.salesforce_pricebook_id}
    skus = {"01t3": "SIM-1", "01t1": "SIM-1", "01t2": None, "01t4": " ", "01t5": "SIM-2"}
    shelf = [record("Product2", {**PRODUCT, "StockKeepingUnit": sku}, name, "salesforce") for name, sku in skus.items()]
    prices = [record("PricebookEntry", {**price, "Product2Id": name}, f"01u{name}", "salesforce") for name in skus]
    rows = projected(catalog, settings, *shelf, *prices).rows
    assert [(row["sku"], row["salesforce_product_id"]) for row in rows] == [("SIM-2", "01t5")]
    assert [each.field for each in unreadable.taken()] == ["StockKeepingUnit"]
    for name in PRODUCT:
        for odd in ODD:
            shelf[1] = record("Product2", {**PRODUCT, name: odd}, "01t1", "salesforce")
            projected(catalog, settings, *shelf, *prices)
    unreadable.taken()
