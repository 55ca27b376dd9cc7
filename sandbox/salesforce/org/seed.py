"""The initial org: customers, the catalog with its two price books, and past orders."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sandbox.salesforce.org.ids import make_id
from sandbox.salesforce.org.org import STAFF_USER, Org
from sandbox.salesforce.org.transaction import Transaction
from sandbox.salesforce.org.values import Row

BEGINNING = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
STANDARD_PRICEBOOK_ID = make_id("01s", 1)
PORTAL_PRICEBOOK_ID = make_id("01s", 2)
FIRST_WHMCS_CLIENT_ID = 1000


class Person(Protocol):
    """A sample customer."""

    @property
    def number(self) -> int: ...
    @property
    def customer_number(self) -> str: ...
    @property
    def first_name(self) -> str: ...
    @property
    def last_name(self) -> str: ...
    @property
    def email(self) -> str: ...
    @property
    def phone(self) -> str: ...
    @property
    def address1(self) -> str: ...
    @property
    def city(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def postcode(self) -> str: ...
    @property
    def country(self) -> str: ...
    @property
    def has_whmcs(self) -> bool: ...


class Product(Protocol):
    """A sample product."""

    @property
    def sku(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def item_class(self) -> str: ...
    @property
    def billing_cycle(self) -> str: ...
    @property
    def price(self) -> int: ...
    @property
    def whmcs_pid(self) -> int: ...
    @property
    def description(self) -> str: ...
    @property
    def fields(self) -> Mapping[str, Any]: ...


def seed(org: Org, people: Sequence[Person], products: Sequence[Product]) -> None:
    """Fill an empty org; the same people and products give the same rows. The event bus stays quiet."""
    work = Transaction(org, now_ms=int(BEGINNING.timestamp() * 1000), user_id=STAFF_USER)
    for name, standard in (("Standard Price Book", True), ("Portal", False)):
        book_id = work.create("Pricebook2", {"Name": name, "IsActive": True})
        work.set_system("Pricebook2", book_id, {"IsStandard": standard})
    entries = {product.sku: _product(work, order, product) for order, product in enumerate(products, start=1)}
    for person in people:
        _person(work, person)
    _past_orders(org, people, products, entries)
    work.commit(publish=False)


def _product(work: Transaction, position: int, product: Product) -> str:
    """Create a product priced in both books. Return the id of the entry in the portal's book."""
    row: Row = {
        "Name": product.name,
        "ProductCode": product.sku,
        "Description": product.description or None,
        "StockKeepingUnit": product.sku,
        "IsActive": True,
        "Product2Categories1__c": product.category,
        "Portal_Catalog__c": True,
        "Portal_Accessible__c": True,
        "Item_Class__c": product.item_class,
        "Billing_Cycle__c": product.billing_cycle,
        "WH_Product_ID__c": float(product.whmcs_pid),
        "WH_Product_Name__c": product.name,
        "Display_Order__c": position,
    }
    product_id = work.create("Product2", row | dict(product.fields))
    entry = {"Product2Id": product_id, "UnitPrice": product.price, "IsActive": True}
    work.create("PricebookEntry", entry | {"Pricebook2Id": STANDARD_PRICEBOOK_ID})
    return work.create("PricebookEntry", entry | {"Pricebook2Id": PORTAL_PRICEBOOK_ID})


def _person(work: Transaction, person: Person) -> None:
    """Create an account under the person's own number, and its contact."""
    name = f"{person.last_name} {person.first_name}"
    whmcs_id = FIRST_WHMCS_CLIENT_ID + person.number
    account_id = work.create(
        "Account",
        {
            "Name": name,
            "Phone": person.phone,
            "SF_Account_No__c": person.customer_number,
            "Portal_Status__c": "Not Yet",
            "WH_Account__c": f"#{whmcs_id} - {name}" if person.has_whmcs else None,
            "Internet_Eligibility_Status__c": "Not Requested",
        }
        | _address(person, "Billing"),
    )
    assert account_id == make_id("001", person.number), "people are numbered from 1 without gaps"
    contact = {"FirstName": person.first_name, "LastName": person.last_name, "AccountId": account_id}
    work.create("Contact", contact | {"Email": person.email, "Phone": person.phone} | _address(person, "Mailing"))


def _address(person: Person, stem: str) -> Row:
    parts = ("address1", "city", "state", "postcode", "country")
    names = ("Street", "City", "State", "PostalCode", "Country")
    return {stem + name: getattr(person, part) for part, name in zip(parts, names, strict=True)}


def _past_orders(org: Org, people: Sequence[Person], products: Sequence[Product], entries: Mapping[str, str]) -> None:
    """One or two finished orders for every customer of the billing system, some months apart."""
    services = [product for product in products if product.item_class == "Service"]
    if not services:
        return
    for person in people:
        if not person.has_whmcs:
            continue
        for turn in range(1 + person.number % 2):
            product = services[(person.number * 7 + turn * 3) % len(services)]
            placed = BEGINNING + timedelta(days=person.number % 150 + 20 * turn, hours=person.number % 9)
            _past_order(org, person, product, entries[product.sku], placed, whmcs_order_id=person.number * 10 + turn)


def _past_order(
    org: Org, person: Person, product: Product, entry_id: str, placed: datetime, *, whmcs_order_id: int
) -> None:
    work = Transaction(org, now_ms=int(placed.timestamp() * 1000))
    order = {
        "AccountId": make_id("001", person.number),
        "EffectiveDate": placed.date().isoformat(),
        "Status": "Processed",
        "Pricebook2Id": PORTAL_PRICEBOOK_ID,
        "Order_Type__c": product.category,
        "Activation_Type__c": "Immediate",
        "Activation_Status__c": "Activated",
        "WHMCS_Order_ID__c": str(whmcs_order_id),
    }
    order_id = work.create("Order", order | _address(person, "Billing"))
    item = {"OrderId": order_id, "PricebookEntryId": entry_id, "Quantity": 1, "UnitPrice": product.price}
    work.create("OrderItem", item)
    work.commit(publish=False)
