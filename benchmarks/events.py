"""Events as a company of this kind has them, the same in every run.

Of 40 events of an account: 4 orders placed, 8 order items, 12 partial updates of the orders, 8 invoices issued, 8 paid.
Events of all accounts are mixed as time would mix them; those of one record keep their order.
"""

import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app.events import Change

T0_MS = 1_780_000_000_000
EVENTS_PER_ACCOUNT = 40
PRODUCTS = 20
REVIEWS = ({"Status": "Approved"}, {"Activation_Status__c": "Activating"}, {"Activation_Status__c": "Activated"})


def account_id(number: int) -> UUID:
    """The portal account of the customer with this number."""
    return UUID(int=number + 1)


def products() -> list[Change]:
    """What the order items refer to; to be mirrored before the clock starts."""
    return [_change("salesforce", "Product2", f"01t{n:015d}", 0, f"product-{n}", _product(n)) for n in range(PRODUCTS)]


def mixed(accounts: int) -> list[Change]:
    """All events of these accounts, in the order in which they happened."""
    chance = random.Random(7)
    timed = [
        (wave + chance.random() * 0.9, change)
        for number in range(accounts)
        for wave, change in [*_orders(number), *_invoices(number)]
    ]
    return [change for _, change in sorted(timed, key=lambda each: each[0])]


def _orders(number: int) -> list[tuple[int, Change]]:
    owner, found = salesforce_account_id(number), []
    for which in range(4):
        order = f"801{number:012d}{which:03d}"
        wave = which * 5
        found.append((wave, _change("salesforce", "Order", order, wave, f"{order}-0", _order(number), owner_id=owner)))
        for line in range(2):
            item = f"802{number:012d}{which:01d}{line:02d}"
            data = _item(number + line)
            found.append((wave, _change("salesforce", "OrderItem", item, wave, f"{item}-0", data, parent_id=order)))
        for step, data in enumerate(REVIEWS, 1):
            event = f"{order}-{step}"
            partial = _change("salesforce", "Order", order, wave + step, event, data, kind="partial", owner_id=owner)
            found.append((wave + step, partial))
    return found


def _invoices(number: int) -> list[tuple[int, Change]]:
    owner, found = whmcs_client_id(number), []
    for which in range(8):
        invoice = str(number * 10 + which + 1)
        for wave, status in ((which * 2, "Unpaid"), (which * 2 + 3, "Paid")):
            data = {**_invoice(number), "status": status}
            event = f"invoice-{invoice}-{wave}"
            found.append((wave, _change("whmcs", "invoice", invoice, wave, event, data, owner_id=owner)))
    return found


def salesforce_account_id(number: int) -> str:
    """The Salesforce Account of a customer."""
    return f"001{number:015d}"


def whmcs_client_id(number: int) -> str:
    """The WHMCS client of a customer."""
    return str(1000 + number)


def _change(source: Any, name: str, record_id: str, wave: int, event: str, data: dict[str, Any], **more: Any) -> Change:
    at_ms = T0_MS + wave * 60_000
    instant = datetime.fromtimestamp(at_ms / 1000, UTC)
    fields = {"kind": "full", "origin": "cdc" if source == "salesforce" else "refetch", **more}
    if fields["kind"] == "full":
        fields["read_at"] = instant
    return Change(
        source=source,
        object=name,
        record_id=record_id,
        event_id=event,
        version=at_ms,
        occurred_at=instant,
        data=data,
        **fields,
    )


def _product(number: int) -> dict[str, Any]:
    return {
        "StockKeepingUnit": f"SIM-{number}GB",
        "Name": f"SIM {number} GB, voice and data",
        "IsActive": True,
        "Portal_Catalog__c": False,
        "Product2Categories1__c": "SIM",
        "Item_Class__c": "Service",
        "Billing_Cycle__c": "Monthly",
    }


def _order(number: int) -> dict[str, Any]:
    return {
        "Status": "Pending Review",
        "OrderNumber": f"{number:08d}",
        "CreatedDate": "2026-01-31T10:15:30.000+0000",
        "LastModifiedDate": "2026-01-31T10:15:30.000+0000",
        "EffectiveDate": "2026-02-01",
        "AccountId": salesforce_account_id(number),
        "BillingStreet": "1-2-3 Dogenzaka",
        "BillingCity": "Shibuya",
        "BillingState": "Tokyo",
        "BillingPostalCode": "150-0043",
        "BillingCountry": "Japan",
    }


def _item(number: int) -> dict[str, Any]:
    return {
        "Product2Id": f"01t{number % PRODUCTS:015d}",
        "Quantity": 1,
        "UnitPrice": 1480.0,
        "Description": "SIM, monthly plan",
    }


def _invoice(number: int) -> dict[str, Any]:
    line = {"type": "Hosting", "relid": str(number), "description": "SIM 5 GB (2026-01-01 - 2026-01-31)", "taxed": "1"}
    return {
        "invoicenum": f"2026-{number:06d}",
        "currencycode": "JPY",
        "items": [{"id": str(each), "amount": "1480.00", **line} for each in range(2)],
        "transactions": [],
        "subtotal": "2960.00",
        "tax": "296.00",
        "tax2": "0.00",
        "credit": "0.00",
        "total": "3256.00",
        "balance": "3256.00",
        "taxrate": "10.000",
        "date": "2026-01-01",
        "duedate": "2026-01-15",
    }
