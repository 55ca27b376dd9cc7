"""The activation of an order in Salesforce: what fulfilment reads from an order and writes back."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct

from app.errors import UpstreamNotFound
from app.intake import parse
from app.integrations.salesforce import faults, orders, wire
from app.integrations.salesforce.client import Part, SalesforceClient, quote
from app.integrations.salesforce.orders import ADDRESS, PORTING, Porting, Snapshot
from app.integrations.salesforce.wire import FIELDS

PROCESSED = "Processed"
CANCELLED = "Cancelled"
APPROVED_STATUS, REACTIVATE, REJECTED = "Approved", "Reactivate", "Rejected"
APPROVED = frozenset({APPROVED_STATUS, REACTIVATE})
WITHDRAWN = frozenset({"cancelled", "canceled", "rejected"})
"""Values of Status, folded, by which staff end an order."""
CREATED, ACTIVATING, ACTIVATED, FAILED = "Created", "Activating", "Activated", "Failed"

NO_ERROR = {wire.ORDER_ERROR_CODE: None, wire.ORDER_ERROR_MESSAGE: None}

READ = (
    *("Id", "AccountId", "Status", wire.ORDER_ACTIVATION, wire.ORDER_ERROR_CODE, wire.ORDER_WHMCS, wire.ORDER_INSTANT),
    *("SIM_Type__c", "EID__c", "SIM_Voice_Mail__c", "SIM_Call_Waiting__c", "Domain__c", "Promo_Code__c"),
    wire.ORDER_BILLING_CURRENCY,
    *("VPN_Region__c", "MNP_Application__c", *PORTING.values(), *ADDRESS.values()),
)
READ_ITEM = ("Id", "Quantity", "UnitPrice", wire.ITEM_BILLED_PRICE, wire.ITEM_BILLED_SETUP_FEE, wire.CURRENCY)
LINE = {
    "sku": "StockKeepingUnit",
    "name": "Name",
    "category": "Product2Categories1__c",
    "item_class": "Item_Class__c",
    "billing_cycle": "Billing_Cycle__c",
    "whmcs_product_id": "WH_Product_ID__c",
    "whmcs_product_name": "WH_Product_Name__c",
    "sim_plan_type": "SIM_Plan_Type__c",
    "sim_plan_code": "SIM_Plan_Code__c",
    "provision_template": "Provision_Template__c",
    "offering": "Internet_Offering_Type__c",
    "region": "VPN_Region__c",
    "requires": "Required_Products__c",
    "excludes": "Mutually_Exclusive__c",
}
FAMILY = "SIM_Has_Family_Discount__c"


class FulfilmentLine(Struct, frozen=True, kw_only=True):
    """An item of an order in fulfilment, with its product's provisioning data.

    A quantity that is not an integer and a price that cannot be read are None. `currency` is that of `unit_price`, None
    in an org that has only one. `billed_price` and `billed_setup_fee` are as Salesforce holds them, in the order's
    billing currency.
    """

    item_id: str
    sku: str
    name: str
    category: str
    item_class: str
    billing_cycle: str
    whmcs_product_id: str
    whmcs_product_name: str
    sim_plan_type: str
    sim_plan_code: str
    provision_template: str
    offering: str = ""
    region: str = ""
    requires: str = ""
    excludes: str = ""
    is_family: bool = False
    quantity: int | None
    unit_price: Decimal | None
    currency: str | None = None
    billed_price: Any = None
    billed_setup_fee: Any = None


class LiveOrder(Struct, frozen=True, kw_only=True):
    """An order in fulfilment, as Salesforce has it now."""

    order_id: str
    account_id: str
    status: str
    activation_status: str | None
    error_code: str | None
    sim_type: str | None
    eid: str
    voice_mail: bool
    call_waiting: bool
    domain: str
    region: str = ""
    address: Snapshot | None = None
    promo_code: str
    billing_currency: str = ""
    instant: bool
    porting: Porting | None
    lines: tuple[FulfilmentLine, ...]


async def live(client: SalesforceClient, order_id: str) -> LiveOrder:
    """Read the order with its items and their products.

    Raises:
        UpstreamNotFound: deleted.
    """
    products = ", ".join(f"Product2.{field}" for field in (*LINE.values(), FAMILY))
    found, rows = await asyncio.gather(
        client.query(quote(f"SELECT {', '.join(READ)} FROM Order WHERE Id = {{}}", order_id)),
        client.query(
            quote(
                f"SELECT {', '.join(READ_ITEM)}, {products} FROM OrderItem WHERE OrderId = {{}} ORDER BY Id", order_id
            )
        ),
    )
    if not found:
        raise UpstreamNotFound("salesforce", "query:Order", f"no order {order_id}")
    with faults.understood("query:Order"):
        return _live(found[0], rows)


def _live(order: dict[str, Any], rows: Sequence[dict[str, Any]]) -> LiveOrder:
    porting = Porting(**{name: str(order.get(field) or "") for name, field in PORTING.items()})
    return LiveOrder(
        order_id=order["Id"],
        account_id=order["AccountId"],
        status=order["Status"],
        activation_status=order.get(wire.ORDER_ACTIVATION),
        error_code=order.get(wire.ORDER_ERROR_CODE),
        sim_type=order.get("SIM_Type__c"),
        eid=order.get("EID__c") or "",
        voice_mail=bool(order.get("SIM_Voice_Mail__c")),
        call_waiting=bool(order.get("SIM_Call_Waiting__c")),
        domain=order.get("Domain__c") or "",
        region=order.get("VPN_Region__c") or "",
        address=Snapshot(**{name: str(order.get(field) or "") for name, field in ADDRESS.items()}),
        promo_code=order.get("Promo_Code__c") or "",
        billing_currency=order.get(wire.ORDER_BILLING_CURRENCY) or "",
        instant=bool(order.get(wire.ORDER_INSTANT)),
        porting=porting if order.get("MNP_Application__c") else None,
        lines=tuple(_line(row) for row in rows),
    )


def _line(row: dict[str, Any]) -> FulfilmentLine:
    product = row.get("Product2") or {}
    values = {name: _text(product.get(field)) for name, field in LINE.items()}
    quantity, price = parse.whole_number(row["Quantity"]), parse.money(row["UnitPrice"])
    is_family = bool(product.get(FAMILY))
    return FulfilmentLine(
        item_id=row["Id"],
        quantity=quantity,
        unit_price=price,
        currency=row.get(wire.CURRENCY),
        billed_price=row.get(wire.ITEM_BILLED_PRICE),
        billed_setup_fee=row.get(wire.ITEM_BILLED_SETUP_FEE),
        is_family=is_family,
        **values,
    )


async def assigned_sim(client: SalesforceClient, order_id: str) -> str | None:
    """Read the phone number of the physical SIM that staff assigned to the order."""
    rows = await client.query(
        quote("SELECT Phone_Number__c FROM SIM_Inventory__c WHERE Assigned_Order__c = {} LIMIT 1", order_id)
    )
    number = rows[0].get("Phone_Number__c") if rows else None
    return str(number) if number else None


async def begin_activation(client: SalesforceClient, order_id: str) -> list[dict[str, Any]]:
    """Set Created, then Activating, and clear earlier errors; returns the order as it was after each."""
    return await _written(
        client, order_id, {wire.ORDER_ACTIVATION: CREATED, **NO_ERROR}, {wire.ORDER_ACTIVATION: ACTIVATING}
    )


async def continue_activation(client: SalesforceClient, order_id: str, *, begun: bool) -> list[dict[str, Any]]:
    """Clear the error of an order that goes on, and set Reactivate back to Approved, so that staff can choose it again.

    Args:
        begun: activation had begun; otherwise its begin follows.
    """
    fields = {"Status": APPROVED_STATUS, wire.ORDER_ACTIVATION: ACTIVATING if begun else CREATED, **NO_ERROR}
    return await _written(client, order_id, fields)


async def report_error(
    client: SalesforceClient, order_id: str, code: str, message: str, *, at: datetime, failed: bool
) -> list[dict[str, Any]]:
    """Record for staff why the order does not move on; `failed` when it needs a decision."""
    fields: dict[str, Any] = {
        wire.ORDER_ERROR_CODE: code[:60],
        wire.ORDER_ERROR_MESSAGE: message[:255],
        wire.ORDER_LAST_ATTEMPT: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if failed:
        fields[wire.ORDER_ACTIVATION] = FAILED
    return await _written(client, order_id, fields)


async def _written(client: SalesforceClient, order_id: str, *updates: dict[str, Any]) -> list[dict[str, Any]]:
    """Update the order in one transaction, reading its mirrored fields after each update.

    Salesforce announces the transaction by one change event with its final state; the states in between are known from
    here alone.
    """
    path, read = f"/sobjects/Order/{order_id}", f"?fields={','.join(FIELDS['Order'])}"
    parts = []
    for number, fields in enumerate(updates):
        parts += [Part("PATCH", path, f"write{number}", fields), Part("GET", path + read, f"read{number}")]
    return [result.body for result in (await client.composite(parts))[1::2]]


async def record_prices(
    client: SalesforceClient, order_id: str, currency: str, prices: Mapping[str, tuple[Decimal, Decimal]]
) -> None:
    """Record the currency that an order is billed in, and by item price and set-up fee; safe to repeat."""
    parts = [
        Part("PATCH", f"/sobjects/OrderItem/{item_id}", f"item{number}", orders.billed(price, setup_fee))
        for number, (item_id, (price, setup_fee)) in enumerate(prices.items())
    ]
    fields = {wire.ORDER_BILLING_CURRENCY: currency}
    await client.composite([*parts, Part("PATCH", f"/sobjects/Order/{order_id}", "order", fields)])


async def complete(
    client: SalesforceClient, order_id: str, whmcs_order_id: str, services: dict[str, str], *, at: datetime
) -> None:
    """Set Activated and Processed, with the WHMCS ids of the order and of each item; safe to repeat."""
    fields = {
        "Status": PROCESSED,
        wire.ORDER_ACTIVATION: ACTIVATED,
        wire.ORDER_WHMCS: whmcs_order_id,
        wire.ORDER_ERROR_CODE: None,
        wire.ORDER_ERROR_MESSAGE: None,
        wire.ORDER_LAST_ATTEMPT: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    parts = [
        Part("PATCH", f"/sobjects/OrderItem/{item_id}", f"item{number}", {wire.ITEM_SERVICE: service_id})
        for number, (item_id, service_id) in enumerate(services.items())
    ]
    await client.composite([*parts, Part("PATCH", f"/sobjects/Order/{order_id}", "order", fields)])


async def cancelled(client: SalesforceClient, order_id: str, reason: str, *, at: datetime) -> list[dict[str, Any]]:
    """Record that staff cancelled the order, and why."""
    fields = {
        "Status": CANCELLED,
        wire.ORDER_ACTIVATION: FAILED,
        wire.ORDER_ERROR_CODE: "CANCELLED_BY_STAFF",
        wire.ORDER_ERROR_MESSAGE: reason[:255],
        wire.ORDER_LAST_ATTEMPT: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return await _written(client, order_id, fields)


def _text(value: Any) -> str:
    """Convert to text; Salesforce holds some ids as numbers."""
    return str(int(value)) if isinstance(value, float) else str(value or "")
