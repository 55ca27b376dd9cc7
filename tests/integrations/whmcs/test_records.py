"""What the mirror keeps of a WHMCS record, and what it must never keep."""

import json
from datetime import UTC, datetime

from app.integrations.whmcs import records

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
    record = records.pay_method(row, "1001")
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
    assert (record.data["datepaid"], record.data["transactions"], record.data["balance"]) == (None, [], "0.00")
    assert record.data["items"] == [
        {"id": "1", "relid": "7", "type": "Hosting", "description": "", "amount": "4800.00", "taxed": "1"}
    ]


def test_a_record_becomes_a_change_as_of_the_instant_its_read_began():
    record = records.gateway({"module": "mailin", "displayname": "Bank transfer"})
    change = records.change(record, origin="refetch", read_at=READ_AT)
    assert (change.kind, change.object, change.record_id, change.owner_id) == ("full", "gateway", "mailin", None)
    assert change.version == int(READ_AT.timestamp() * 1000)
    assert change.event_id == f"refetch:gateway:mailin:{change.version}"
