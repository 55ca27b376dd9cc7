"""The fields that the mirror keeps of a WHMCS record, and those it must never keep."""

import json
from datetime import UTC, datetime

import pytest

from app.intake import unreadable
from app.integrations.whmcs import records
from app.projections.parts.invoice_lines import sums

READ_AT = datetime(2026, 2, 1, 12, 0, 0, 5_000, tzinfo=UTC)


def test_a_service_keeps_no_password_user_name_or_address_of_a_server():
    row = {
        "id": 7,
        "clientid": "1001",
        "orderid": 5,
        "pid": "181",
        "name": "Internet &amp; phone",
        "username": "root",
        "password": "hunter2",
        "serverip": "192.0.2.1",
        "regdate": "2026-01-01",
        "nextduedate": "0000-00-00",
        "recurringamount": "4800.00",
        "status": "Active",
    }
    record = records.service(row)
    assert (record.object, record.record_id, record.owner_id) == ("service", "7", "1001")
    assert record.data["name"] == "Internet & phone"
    assert (record.data["orderid"], record.data["nextduedate"]) == ("5", None)
    kept = json.dumps(record.data)
    assert not any(secret in kept for secret in ("hunter2", "root", "192.0.2.1"))


def test_a_pay_method_keeps_brand_and_last_four_and_leaves_the_token_behind():
    row = {"id": 3, "type": "RemoteCreditCard", "card_last_four": "4242", "remote_token": '{"customer":"cus_1"}'}
    record = records.pay_method(row, "1001", listed_first=True)
    assert (record.record_id, record.owner_id, record.data["card_last_four"]) == ("3", "1001", "4242")
    assert "cus_1" not in json.dumps(record.data)


def test_a_client_is_read_nested_or_spread_over_the_root():
    raw = {"id": 1001, "email": "a@example.com", "countrycode": "JP", "customfields": [{"id": "198", "value": "C-1"}]}
    for body in ({"client": raw}, raw):
        record = records.client(body, 198)
        assert (record.record_id, record.owner_id) == ("1001", "1001")
        assert (record.data["customer_number"], record.data["country"]) == ("C-1", "JP")


def test_an_invoice_without_payments_has_an_empty_list():
    detail = {
        "invoiceid": 12,
        "userid": "1001",
        "total": "5280.00",
        "status": "Unpaid",
        "datepaid": "0000-00-00 00:00:00",
        "items": {"item": {"id": 1, "relid": "7", "amount": "4800.00", "taxed": 1, "type": "Hosting"}},
        "transactions": "",
    }
    record = records.invoice(detail, "JPY")
    assert (record.record_id, record.owner_id, record.data["currencycode"]) == ("12", "1001", "JPY")
    assert (record.data["datepaid"], record.data["transactions"], record.data["balance"]) == (None, [], None)
    assert record.data["items"] == [
        {"id": "1", "relid": "7", "type": "Hosting", "description": "", "amount": "4800.00", "taxed": "1"}
    ]


INVOICE = {
    "invoiceid": 12,
    "userid": "1001",
    "subtotal": "1000.00",
    "tax": "100.00",
    "credit": "0.00",
    "total": "1100.00",
    "balance": "1000.00",
    "status": "Unpaid",
    "items": {"item": {"id": 1, "relid": "7", "amount": "1000.00", "taxed": 1, "type": "Hosting"}},
    "transactions": {"transaction": {"id": 5, "amountin": "100.00", "amountout": "0.00"}},
}


@pytest.mark.parametrize(
    ("odd", "unknown"),
    [
        ({"total": "tbd"}, {"subtotal", "total", "balance"}),
        ({"total": None}, {"subtotal", "total", "balance"}),
        ({"total": {"a": 1}}, {"subtotal", "total", "balance"}),
        ({"total": 10**30}, {"subtotal", "total", "balance"}),
        ({"credit": "??"}, {"subtotal", "credit"}),
        ({"tax": [1]}, {"subtotal", "tax"}),
        ({"tax2": "ten"}, {"subtotal", "tax"}),
        ({"balance": "soon"}, set()),
        ({"items": "none"}, set()),
        ({"items": [5, None, "x"]}, set()),
        ({"transactions": 5}, {"paid", "refunded", "balance"}),
        ({"transactions": ["x"]}, {"paid", "refunded", "balance"}),
        ({"transactions": [{"id": 5, "amountin": "lots", "amountout": "0.00"}]}, {"paid", "balance"}),
        ({"transactions": [{"id": 5, "amountin": "1.00", "amountout": [2]}]}, {"refunded", "balance"}),
    ],
)
def test_an_invoice_is_taken_in_whatever_cannot_be_read_of_its_amounts_which_adds_up_to_nothing_known(odd, unknown):
    unreadable.taken()
    record = records.invoice({**INVOICE, **odd}, "JPY")
    found = sums(record.data)
    names = ("subtotal", "tax", "credit", "total", "paid", "refunded", "balance")
    assert {name for name in names if getattr(found, name) is None} == unknown
    counted = {each.record_id for each in unreadable.taken()}
    assert counted == (set() if odd in ({"total": None}, {"items": [5, None, "x"]}) else {"12"})


def test_a_record_becomes_a_change_as_of_the_instant_its_read_began():
    record = records.gateway({"module": "mailin", "displayname": "Bank transfer"})
    change = records.change(record, origin="refetch", read_at=READ_AT)
    assert (change.kind, change.object, change.record_id, change.owner_id) == ("full", "gateway", "mailin", None)
    assert change.version == int(READ_AT.timestamp() * 1000)
    assert change.event_id == f"refetch:gateway:mailin:{change.version}"
