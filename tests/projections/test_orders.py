"""An order as its customer reads it: its state as it is, and what it comes to."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.events import Record
from app.intake import unreadable
from app.projections.orders import customer_status, projector
from app.projections.projector import Group
from app.readmodels.orders import Order
from app.settings import Settings
from tests.fixtures.changes import ORDER

AT = datetime(2026, 2, 1, tzinfo=UTC)


def record(kind: str, record_id: str, data: dict[str, Any]) -> Record:
    return Record(
        source="salesforce", object=kind, record_id=record_id, version=1, occurred_at=AT, verified_at=AT, data=data
    )


def shown(settings: Settings, *items: dict[str, Any], **order: Any) -> Order:
    records = [record("Order", "801A", {**ORDER, **order})]
    records += [record("OrderItem", f"802{number}", item) for number, item in enumerate(items)]
    [row] = projector(settings).project(Group(UUID(int=1), "801A", records, {})).rows
    return msgspec.json.decode(row["document"], type=Order)


@pytest.mark.parametrize(
    ("review", "activation", "status"),
    [
        ("Activated", None, "active"),
        ("Completed", None, "active"),
        (" activated", "", "active"),
        ("Activated", "Activated", "active"),
        ("Activated", "Failed", "paused"),
        ("Activated", "Activating", "activating"),
        ("Activated", "Created", "created"),
        ("Approved", " created", "created"),
        ("Pending Review", "Created", "in_review"),
        ("Pending Review", "Failed", "in_review"),
        ("Reactivate", "Failed", "approved"),
        ("Processed", None, "active"),
        ("Approved", "activated", "active"),
        ("Approved", None, "approved"),
        ("Reactivate", None, "approved"),
        ("Draft", None, "in_review"),
        ("On Hold", None, "in_review"),
        (None, None, "in_review"),
        ("Canceled", None, "cancelled"),
        ("Rejected", "Activated", "rejected"),
    ],
)
def test_the_state_is_what_salesforce_says(review: Any, activation: Any, status: str) -> None:
    assert customer_status({"Status": review, "Activation_Status__c": activation}) == status


@pytest.mark.parametrize(
    ("order", "status", "reason", "step"),
    [
        ({"Activation_Error_Code__c": "PAYMENT_METHOD_MISSING"}, "awaiting_payment_method", True, "add_payment_method"),
        ({"Activation_Error_Code__c": "PAYMENT_PENDING"}, "awaiting_payment", True, "pay_invoice"),
        ({"Activation_Error_Code__c": "WHMCS_UNAVAILABLE"}, "paused", True, "wait"),
        ({"Activation_Error_Code__c": "BILLING_ACCOUNT_CLOSED"}, "paused", True, "contact_support"),
        ({"Activation_Error_Code__c": "OUR_OWN_CODE"}, "paused", True, "wait"),
        ({"Activation_Error_Code__c": "  "}, "approved", False, "wait"),
        ({"Activation_Status__c": "Failed"}, "paused", True, "wait"),
        ({"Activation_Error_Code__c": "CANCELLED_BY_STAFF", "Status": "Cancelled"}, "cancelled", False, "order_again"),
        ({"Activation_Error_Code__c": "WHMCS_REJECTED", "Status": "Reactivate"}, "approved", False, "wait"),
        ({"Activation_Error_Code__c": "PAYMENT_METHOD_MISSING", "Status": "Draft"}, "in_review", False, "wait"),
    ],
)
def test_every_pause_says_what_is_the_matter_and_what_to_do(
    settings: Settings, order: dict[str, Any], status: str, reason: bool, step: str
) -> None:
    seen = shown(settings, **{"Status": "Approved", "Activation_Status__c": None, **order})
    assert (seen.status, seen.next_step, seen.reason is not None) == (status, step, reason)
    assert seen.reason is None or seen.reason.message == seen.status_text


def test_a_state_that_nobody_knows_is_counted(settings: Settings) -> None:
    unreadable.taken()
    assert shown(settings, Status="On Hold").status == "in_review"
    assert [(each.object, each.field) for each in unreadable.taken()] == [("Order", "Status")]


@pytest.mark.parametrize(
    ("quantity", "price", "total"),
    [(1.5, 1000.0, "1500"), (0.5, 1000.0, "500"), (3.0, 0.1, "0"), (2, "1,000", "2000"), (None, 1000.0, "1000")],
)
def test_a_part_of_a_piece_costs_a_part_of_it(settings: Settings, quantity: Any, price: Any, total: str) -> None:
    order = shown(settings, {"Quantity": quantity, "UnitPrice": price})
    assert (order.total.amount, order.items[0].total.amount) == (total, total)
    assert order.items[0].quantity == (quantity or 1)


@pytest.mark.parametrize("price", ["tbd", 1e20, None, [], {"a": 1}, float("nan"), True])
def test_a_price_that_says_no_amount_is_null_with_every_sum_that_needs_it(settings: Settings, price: Any) -> None:
    order = shown(settings, {"Quantity": 1.0, "UnitPrice": price}, {"Quantity": 1.0, "UnitPrice": 5.0})
    assert (order.items[0].unit_price, order.items[0].total) == (None, None)
    assert order.total is None
    assert order.items[1].total.amount == "5"


@pytest.mark.parametrize("quantity", ["two", 1e15, -1e12, [2], float("inf"), "9" * 5_000])
def test_a_quantity_that_says_no_number_is_null_with_every_sum_that_needs_it(settings: Settings, quantity: Any) -> None:
    order = shown(settings, {"Quantity": quantity, "UnitPrice": 5.0})
    assert (order.items[0].quantity, order.items[0].total, order.total) == (None, None, None)


def test_what_an_order_comes_to_is_what_its_lines_come_to(settings: Settings) -> None:
    order = shown(settings, {"Quantity": 1.5, "UnitPrice": 333.0}, {"Quantity": 1.5, "UnitPrice": 333.0})
    assert [item.total.amount for item in order.items] == ["500", "500"]
    assert order.total.amount == "1000"


def test_a_price_is_what_whmcs_can_bill_in_the_currencys_own_decimals(settings: Settings) -> None:
    dinars = msgspec.structs.replace(settings, salesforce_currency="KWD")
    order = shown(dinars, {"Quantity": 1.0, "UnitPrice": 1.505})
    assert (order.total.amount, order.items[0].unit_price.amount) == ("1.510", "1.510")


BOOKED = {"Quantity": 2.0, "UnitPrice": 2700.0}
DOLLARS = {**BOOKED, "Billed_Price__c": 18.0, "Billed_Setup_Fee__c": 5.0}


@pytest.mark.parametrize(
    ("recorded", "item", "price", "fee", "total"),
    [
        ("USD", DOLLARS, ("18.00", "USD"), "5.00", "46.00"),
        (" usd ", DOLLARS, ("18.00", "USD"), "5.00", "46.00"),
        ("USD", {**DOLLARS, "Billed_Setup_Fee__c": None}, ("18.00", "USD"), None, "36.00"),
        ("USD", {**DOLLARS, "Billed_Setup_Fee__c": "tbd"}, None, None, None),
        ("USD", BOOKED, None, None, None),
        ("JPY", DOLLARS, ("2700", "JPY"), None, "5400"),
        ("JPY", {**DOLLARS, "CurrencyIsoCode": "USD", "Billed_Price__c": None}, None, None, None),
        ("USD", {**BOOKED, "CurrencyIsoCode": "usd", "UnitPrice": 19.999}, ("20.00", "USD"), None, "40.00"),
        ("VND", {**BOOKED, "Billed_Price__c": 450_000.4}, ("450000", "VND"), None, "900000"),
        ("KWD", {**BOOKED, "Billed_Price__c": 5.125}, ("5.130", "KWD"), None, "10.260"),
        (None, DOLLARS, ("2700", "JPY"), None, "5400"),
        (None, {**BOOKED, "CurrencyIsoCode": "USD"}, ("2700.00", "USD"), None, "5400.00"),
    ],
)
def test_an_order_costs_what_was_agreed_in_the_currency_that_it_records(
    settings: Settings, recorded: Any, item: Any, price: Any, fee: Any, total: Any
) -> None:
    order = shown(settings, item, Billing_Currency__c=recorded)
    [line] = order.items
    found = line.unit_price and (line.unit_price.amount, line.unit_price.currency)
    assert (found, line.setup_fee and line.setup_fee.amount, line.total and line.total.amount) == (price, fee, total)
    assert order.total == line.total
    assert order.billing_currency == (recorded.strip().upper() if recorded else None)
    assert (order.total_unknown.code if order.total_unknown else None) == (None if total else "price_unreadable")


@pytest.mark.parametrize(("included", "tax"), [(True, "included"), (False, "excluded"), (None, "excluded")])
def test_an_order_says_whether_its_prices_contained_tax(settings: Settings, included: Any, tax: str) -> None:
    assert shown(settings, BOOKED, Billing_Tax_Included__c=included).tax == tax
