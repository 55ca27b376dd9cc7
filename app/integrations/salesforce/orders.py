"""Orders in Salesforce's terms: created as a whole, found again by their key, and read back."""

import asyncio
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec import Struct

from app.errors import UpstreamMalformed
from app.intake import parse
from app.integrations.salesforce import faults, wire
from app.integrations.salesforce.client import Part, SalesforceClient, quote
from app.integrations.salesforce.wire import FIELDS

PENDING_REVIEW, APPROVED = "Pending Review", "Approved"
CLOSED = ("Cancelled", "Canceled", "Rejected", "Processed", "Activated", "Completed")
INTERNET = "Internet"
ESIM, PHYSICAL = "eSIM", "Physical SIM"

PORTING = {
    "reservation_number": "MNP_Reservation_Number__c",
    "expires_on": "MNP_Expiry_Date__c",
    "phone_number": "MNP_Phone_Number__c",
    "last_name": "Porting_LastName__c",
    "first_name": "Porting_FirstName__c",
    "last_name_kana": "Porting_LastName_Katakana__c",
    "first_name_kana": "Porting_FirstName_Katakana__c",
    "gender": "Porting_Gender__c",
    "birthday": "Porting_DateOfBirth__c",
}
CHOICES = {
    "access_mode": "Access_Mode__c",
    "installation_type": "Installation_Type__c",
    "weekend_install": "Weekend_Install__c",
    "plan_tier": "Internet_Plan_Tier__c",
    "vpn_region": "VPN_Region__c",
    "sim_type": "SIM_Type__c",
    "eid": "EID__c",
    "voice_mail": "SIM_Voice_Mail__c",
    "call_waiting": "SIM_Call_Waiting__c",
    "domain": "Domain__c",
    "promo_code": "Promo_Code__c",
}
ADDRESS = {
    "street": "BillingStreet",
    "city": "BillingCity",
    "state": "BillingState",
    "postcode": "BillingPostalCode",
    "country": "BillingCountry",
}


class Porting(Struct, frozen=True, kw_only=True):
    """A number transfer. Dates are ISO; gender is Male, Female or Corporate/Other; kana are full-width."""

    reservation_number: str
    expires_on: str
    phone_number: str
    last_name: str
    first_name: str
    last_name_kana: str
    first_name_kana: str
    gender: str
    birthday: str


class Snapshot(Struct, frozen=True, kw_only=True):
    """The address when the order was placed."""

    street: str
    city: str
    state: str
    postcode: str
    country: str


class Choices(Struct, frozen=True, kw_only=True):
    """The customer's configuration, in the org's picklist values."""

    access_mode: str | None = None
    installation_type: str | None = None
    weekend_install: bool = False
    plan_tier: str | None = None
    vpn_region: str | None = None
    sim_type: str | None = None
    eid: str | None = None
    voice_mail: bool = False
    call_waiting: bool = False
    domain: str | None = None
    promo_code: str | None = None


class NewItem(Struct, frozen=True, kw_only=True):
    """A line of a new order. `billed_price` and `billed_setup_fee` are in the order's billing currency; None if that is
    the price book's."""

    pricebook_entry_id: str
    quantity: int
    unit_price: Decimal
    billed_price: Decimal | None = None
    billed_setup_fee: Decimal | None = None


class NewOrder(Struct, frozen=True, kw_only=True):
    """An order to create. `key` is the portal's external id: two orders never share one.

    An `instant` order is approved as it is placed, without a review by staff. Without a `billing_currency` it does not
    say what was agreed.
    """

    key: str
    account_id: str
    pricebook_id: str
    effective_on: date
    order_type: str
    address: Snapshot
    address_changed: bool
    choices: Choices
    porting: Porting | None
    instant: bool
    items: Sequence[NewItem]
    billing_currency: str = ""
    tax_included: bool = False


class OpenOrder(Struct, frozen=True):
    """An order under way."""

    order_id: str
    is_internet: bool
    domain: str


class Price(Struct, frozen=True):
    """The present state of a price book entry."""

    pricebook_entry_id: str
    unit_price: Decimal
    orderable: bool


async def create(client: SalesforceClient, new: NewOrder) -> str:
    """Create an order with its items in one transaction, all or nothing; returns the order's id.

    The external id is unique, so a repetition is refused with `DUPLICATE_VALUE` instead of adding items twice, as an
    upsert of the order with plain creates of its items would.
    """
    body = {
        "AccountId": new.account_id,
        "Pricebook2Id": new.pricebook_id,
        "EffectiveDate": new.effective_on.isoformat(),
        "Status": PENDING_REVIEW,
        "Order_Type__c": new.order_type,
        wire.ORDER_KEY: new.key,
        wire.ORDER_ADDRESS_CHANGED: new.address_changed,
        "MNP_Application__c": new.porting is not None,
        wire.ORDER_INSTANT: new.instant,
        wire.ORDER_BILLING_CURRENCY: new.billing_currency or None,
        wire.ORDER_TAX_INCLUDED: new.tax_included,
        **_fields(new.address, ADDRESS),
        **_fields(new.choices, CHOICES),
        **(_fields(new.porting, PORTING) if new.porting else {}),
    }
    parts = [Part("POST", "/sobjects/Order", "order", body)]
    for number, item in enumerate(new.items):
        line = {
            "OrderId": "@{order.id}",
            "PricebookEntryId": item.pricebook_entry_id,
            "Quantity": item.quantity,
            "UnitPrice": float(item.unit_price),  # as JSON spells a number; nothing is computed with it
            **billed(item.billed_price, item.billed_setup_fee),
        }
        parts.append(Part("POST", "/sobjects/OrderItem", f"item{number}", line))
    if new.instant:
        parts.append(Part("PATCH", "/sobjects/Order/@{order.id}", "approved", {"Status": APPROVED}))
    return faults.new_id((await client.composite(parts))[0].body, "composite:order")


def billed(price: Decimal | None, setup_fee: Decimal | None) -> dict[str, float]:
    """Return a line's fields for its price in the billing currency; none without one."""
    if price is None:
        return {}
    return {wire.ITEM_BILLED_PRICE: float(price), wire.ITEM_BILLED_SETUP_FEE: float(setup_fee or 0)}


async def find(client: SalesforceClient, key: str) -> str | None:
    """Find the order with this key."""
    rows = await client.query(quote(f"SELECT Id FROM Order WHERE {wire.ORDER_KEY} = {{}} LIMIT 1", key))
    with faults.understood("query:Order"):
        return str(rows[0]["Id"]) if rows else None


async def open_orders(client: SalesforceClient, account_id: str) -> list[OpenOrder]:
    """List the account's orders that are neither refused nor finished."""
    soql = "SELECT Id, Order_Type__c, Domain__c FROM Order WHERE AccountId = {} AND Status NOT IN {}"
    rows = await client.query(quote(soql, account_id, list(CLOSED)))
    with faults.understood("query:Order"):
        return [OpenOrder(row["Id"], row["Order_Type__c"] == INTERNET, row["Domain__c"] or "") for row in rows]


async def prices(client: SalesforceClient, entry_ids: Sequence[str]) -> dict[str, Price]:
    """Read these price book entries; one that no longer exists is left out.

    Raises:
        UpstreamMalformed: an entry cannot be read, which does not mean that its product was withdrawn.
    """
    soql = (
        "SELECT Id, UnitPrice, IsActive, Product2.IsActive, Product2.Portal_Accessible__c FROM PricebookEntry "
        "WHERE Id IN {}"
    )
    rows = await client.query(quote(soql, list(entry_ids)))
    with faults.understood("query:PricebookEntry"):
        found = {row["Id"]: _price(row) for row in rows}
        if found.keys() - set(entry_ids):
            raise UpstreamMalformed(faults.SALESFORCE, "query:PricebookEntry", "an entry that was not asked for")
        return found


def _price(row: dict[str, Any]) -> Price:
    """Parse an entry strictly.

    Salesforce requires the price and every flag, so a null is a corrupt answer: neither a price of zero nor a withdrawn
    product.
    """
    product, price = row.get("Product2") or {}, parse.money(row["UnitPrice"])
    flags = (row["IsActive"], product.get("IsActive", False), product.get("Portal_Accessible__c", False))
    if price is None or not all(isinstance(flag, bool) for flag in flags):
        raise UpstreamMalformed(faults.SALESFORCE, "query:PricebookEntry", f"the entry {row['Id']} cannot be read")
    return Price(row["Id"], price, all(flags))


async def mirrored(client: SalesforceClient, order_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read the order and its items with their mirrored fields."""
    fields = ", ".join(FIELDS["OrderItem"])
    order, items = await asyncio.gather(
        client.get("Order", order_id),
        client.query(quote(f"SELECT {fields} FROM OrderItem WHERE OrderId = {{}}", order_id)),
    )
    return order, items


def _fields(values: Struct, names: dict[str, str]) -> dict[str, Any]:
    """Map struct fields to Salesforce names, leaving absent ones out."""
    return {field: getattr(values, name) for name, field in names.items() if getattr(values, name) is not None}
