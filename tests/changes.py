"""Changes as upstreams would send them, for tests: explicit where it matters, plausible where it does not."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

from app.events import Change

T0 = 1_780_000_000_000
_numbers = count(1)

PRODUCT = {
    "StockKeepingUnit": "SIM-5GB",
    "Name": "SIM 5 GB",
    "IsActive": True,
    "Portal_Catalog__c": True,
    "Portal_Accessible__c": True,
    "Product2Categories1__c": "SIM",
    "Item_Class__c": "Service",
    "Billing_Cycle__c": "Monthly",
    "SIM_Plan_Type__c": "DataOnly",
    "WH_Product_ID__c": 301.0,
}
ORDER = {
    "Status": "Pending Review",
    "OrderNumber": "00000100",
    "CreatedDate": "2026-01-31T10:15:30.000+0000",
    "LastModifiedDate": "2026-01-31T10:15:30.000+0000",
    "EffectiveDate": "2026-02-01",
}
CLIENT = {"email": "hana@example.jp", "firstname": "Hana", "lastname": "Sato", "currency_code": "JPY", "city": "Tokyo"}
SERVICE = {
    "pid": "301",
    "name": "SIM 5 GB",
    "groupname": "SIM",
    "status": "Active",
    "billingcycle": "Monthly",
    "recurringamount": "1480.00",
    "regdate": "2026-01-01",
}
CASE = {
    "AccountId": "001A",
    "CaseNumber": "00001026",
    "Subject": "No signal",
    "Status": "New",
    "Origin": "Portal Website",
    "IsClosed": False,
    "CreatedDate": "2026-02-01T01:00:00.000+0000",
    "ClosedDate": None,
}
CLOSED = {"Status": "Closed", "IsClosed": True, "ClosedDate": "2026-02-03T01:00:00.000+0000"}
COMMENT = {"IsPublished": True, "CreatedDate": "2026-02-02T01:00:00.000+0000"}
ADDON = {"name": "Backup", "status": "Active", "billingcycle": "Monthly", "recurringamount": "500.00"}
PLANNED = {
    "present_name": "SIM 5 GB",
    "sku": "SIM-1GB",
    "product_name": "SIM 1 GB",
    "direction": "downgrade",
    "effective_date": "2026-03-01",
    "status": "waiting",
    "code": None,
    "reason": None,
    "invoice_id": None,
    "created_at": "2026-02-01T01:00:00+00:00",
    "ended_at": None,
}
TAKEN_BACK = {"status": "cancelled", "code": "by_customer", "ended_at": "2026-02-02T01:00:00+00:00"}
UPGRADE = {"product_id": "302", "product_name": "SIM 10 GB", "invoice_id": "77", "date": "2026-02-01"}
INVOICE = {
    "status": "Unpaid",
    "currencycode": "JPY",
    "items": [{"id": "1", "type": "Hosting", "relid": "55", "description": "SIM", "amount": "1480.00", "taxed": "1"}],
    "transactions": [],
    "subtotal": "1480.00",
    "tax": "148.00",
    "tax2": "0.00",
    "credit": "0.00",
    "total": "1628.00",
    "balance": "1628.00",
    "taxrate": "10.000",
    "date": "2026-01-01",
    "duedate": "2026-01-15",
}
CARD = {"type": "CreditCard", "card_type": "Visa", "card_last_four": "4242", "expiry_date": "12/27"}


def change(
    source: Any, object_name: str, record_id: str, data: dict[str, Any] | None = None, *, at: int = 0, **more: Any
) -> Change:
    """A full record `at` milliseconds after T0, unless `more` says otherwise."""
    instant = datetime.fromtimestamp((T0 + at) / 1000, UTC)
    fields: dict[str, Any] = {"kind": "full", "origin": "cdc", "event_id": f"event-{next(_numbers)}", **more}
    if fields["kind"] == "full":
        fields.setdefault("read_at", instant)
    return Change(
        source=source,
        object=object_name,
        record_id=record_id,
        version=T0 + at,
        occurred_at=instant,
        data=data or {},
        **fields,
    )
