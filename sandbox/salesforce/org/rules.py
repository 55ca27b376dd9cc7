"""The business rules of standard objects: what is derived, and what is refused.

`before_create` and `before_update` may change the row that is about to be written and raise; `after_write` keeps other
rows in step; `before_delete` may raise. Each is a dictionary from object name to function.
"""

from collections.abc import Callable

from sandbox.salesforce.org import file_rules
from sandbox.salesforce.org.values import Row
from sandbox.salesforce.org.work import Work
from sandbox.salesforce.rest.errors import SalesforceError, combined, dml
from sandbox.salesforce.schema.orders import ORDER_STATUSES

BEFORE_CREATE: dict[str, Callable[[Work, Row], None]] = {}
BEFORE_UPDATE: dict[str, Callable[[Work, Row, Row, set[str]], None]] = {}
BEFORE_DELETE: dict[str, Callable[[Work, Row], None]] = {}
AFTER_WRITE: dict[str, Callable[[Work, Row], None]] = {}


def _integrity(message: str, *fields: str) -> SalesforceError:
    return dml("FIELD_INTEGRITY_EXCEPTION", message, *fields)


def create_order(work: Work, row: Row) -> None:
    """Let an order begin in the draft category, with a number from the org."""
    if ORDER_STATUSES[row["Status"]] != "Draft":
        raise _integrity("Choose a valid order status for a new order: the status category must be Draft.", "Status")
    row["StatusCode"] = "Draft"
    row["OrderNumber"] = f"{work.org.next_number('OrderNumber'):08d}"


def update_order(work: Work, old: Row, new: Row, changed: set[str]) -> None:
    """Activation stands alone and needs items; an activated order keeps its account; items keep the price book."""
    code = ORDER_STATUSES[new["Status"]]
    items = work.children("OrderItem", "OrderId", new["Id"])
    if code == "Activated" and old["StatusCode"] == "Draft":
        if changed - {"Status"}:
            raise _integrity(
                "When you activate an order, you can't edit its other fields.", *sorted(changed - {"Status"})
            )
        if not items:
            raise SalesforceError("FAILED_ACTIVATION", "An order must have at least one product.", [])
        new |= {"ActivatedDate": work.now_ms, "ActivatedById": work.user_id}
    elif old["StatusCode"] == "Activated" and "AccountId" in changed:
        raise _integrity("The account of an activated order can't be changed.", "AccountId")
    if "Pricebook2Id" in changed and items:
        raise _integrity("The price book can't be changed while the order has products.", "Pricebook2Id")
    new["StatusCode"] = code


def delete_order(work: Work, row: Row) -> None:
    """Only drafts may go."""
    if row["StatusCode"] != "Draft":
        raise SalesforceError("DELETE_FAILED", "Activated orders can't be deleted.", [])


def create_order_item(work: Work, row: Row) -> None:
    """Take product and list price from the price book entry, which must belong to the order's price book."""
    if not row.get("PricebookEntryId"):
        field = "PricebookEntryId"
        raise combined(
            [
                dml("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{field}]", field),
                _integrity("field integrity exception: PricebookEntryId (pricebook entry is required)", field),
                _integrity("Enter a List Price.: List Price", "ListPrice"),
            ]
        )
    order, entry = work.live("Order", row["OrderId"]), work.live("PricebookEntry", row["PricebookEntryId"])
    assert order is not None
    assert entry is not None
    _open(order)
    if entry["Pricebook2Id"] != order.get("Pricebook2Id"):
        message = (
            "Order Products must have a Price Book Entry that belongs to the Price Book related to the parent Order."
        )
        raise _integrity(message, "PricebookEntryId")
    if not entry.get("IsActive"):
        raise _integrity("The price book entry is inactive.", "PricebookEntryId")
    if "CurrencyIsoCode" in row and "CurrencyIsoCode" in work.org.objects["Order"].by_name:
        if entry["CurrencyIsoCode"] != order.get("CurrencyIsoCode"):
            raise _integrity("The currency of the order and of the price book entry must match.", "CurrencyIsoCode")
        row["CurrencyIsoCode"] = entry["CurrencyIsoCode"]
    row |= {"Product2Id": entry["Product2Id"], "ListPrice": entry["UnitPrice"]}
    row["OrderItemNumber"] = f"{work.org.next_number('OrderItemNumber'):010d}"
    if row.get("UnitPrice") is None:
        row["UnitPrice"] = entry["UnitPrice"]
    _price_item(row)


def update_order_item(work: Work, old: Row, new: Row, changed: set[str]) -> None:
    """Activated orders are closed for quantities and prices."""
    order = work.live("Order", new["OrderId"])
    if order is not None and changed & {"Quantity", "UnitPrice"}:
        _open(order)
    _price_item(new)


def delete_order_item(work: Work, row: Row) -> None:
    """Activated orders keep their items."""
    order = work.live("Order", row["OrderId"])
    if order is not None:
        _open(order)


def _open(order: Row) -> None:
    if order["StatusCode"] != "Draft":
        raise _integrity("Products of an activated order can't be added, edited or deleted.", "OrderId")


def _price_item(row: Row) -> None:
    row["TotalPrice"] = float(row["Quantity"]) * float(row["UnitPrice"])
    row["AvailableQuantity"] = row["Quantity"]


def roll_up_order(work: Work, item: Row) -> None:
    """Sum the order's total from its items. An order that is being deleted is left alone."""
    order = work.live("Order", item["OrderId"])
    if order is None:
        return
    total = sum(each["TotalPrice"] for each in work.children("OrderItem", "OrderId", order["Id"]))
    if total != order.get("TotalAmount"):
        work.set_system("Order", order["Id"], {"TotalAmount": float(total)})


def create_entry(work: Work, row: Row) -> None:
    """Require a product to be priced in the standard book first, and once in each book."""
    product, book = work.live("Product2", row["Product2Id"]), work.live("Pricebook2", row["Pricebook2Id"])
    assert product is not None
    assert book is not None
    siblings = work.children("PricebookEntry", "Product2Id", product["Id"])
    siblings = [each for each in siblings if each.get("CurrencyIsoCode") == row.get("CurrencyIsoCode")]
    same = [each for each in siblings if each["Pricebook2Id"] == book["Id"]]
    if same:
        raise dml("DUPLICATE_VALUE", "This price definition already exists in this price book", "Pricebook2Id")
    standard = next((each for each in siblings if _is_standard(work, each)), None)
    if not book.get("IsStandard") and standard is None:
        message = "Before creating a custom price, create a standard price."
        raise SalesforceError("STANDARD_PRICE_NOT_DEFINED", message, [])
    if row.get("UseStandardPrice"):
        if row.get("UnitPrice") is not None:
            raise _integrity("The unit price can't be set while the standard price is used.", "UnitPrice")
        row["UnitPrice"] = standard["UnitPrice"] if standard else 0.0
    if row.get("UnitPrice") is None:
        raise dml("REQUIRED_FIELD_MISSING", "Required fields are missing: [UnitPrice]", "UnitPrice")
    row |= {"Name": product["Name"], "ProductCode": product.get("ProductCode")}


def _is_standard(work: Work, entry: Row) -> bool:
    book = work.live("Pricebook2", entry["Pricebook2Id"])
    return bool(book and book.get("IsStandard"))


def delete_product(work: Work, row: Row) -> None:
    """Deactivate a product that is priced or ordered instead of deleting it."""
    if work.children("PricebookEntry", "Product2Id", row["Id"]) or work.children("OrderItem", "Product2Id", row["Id"]):
        message = "Your attempt to delete the product could not be completed because it is in use; deactivate it."
        raise SalesforceError("DELETE_FAILED", message, [])


def create_case(work: Work, row: Row) -> None:
    """Numbered by the org; `Comments` becomes a private comment."""
    row["CaseNumber"] = f"{work.org.next_number('CaseNumber'):08d}"
    _derive_case(work, row)


def update_case(work: Work, old: Row, new: Row, changed: set[str]) -> None:
    """Close a case that gets a closed status."""
    _derive_case(work, new)


def _derive_case(work: Work, row: Row) -> None:
    row["IsClosed"] = row.get("Status") == "Closed"
    row["ClosedDate"] = (row.get("ClosedDate") or work.now_ms) if row["IsClosed"] else None
    contact = work.live("Contact", row.get("ContactId")) or {}
    row |= {"ContactEmail": contact.get("Email"), "ContactPhone": contact.get("Phone")}


def comment_case(work: Work, row: Row) -> None:
    """Store the convenience field as a comment and clear it."""
    if row.get("Comments"):
        body = row["Comments"]
        work.set_system("Case", row["Id"], {"Comments": None})
        work.create("CaseComment", {"ParentId": row["Id"], "CommentBody": body})


def name_person(work: Work, row: Row) -> None:
    """Compose a person's name from its parts."""
    row["Name"] = " ".join(part for part in (row.get("FirstName"), row.get("LastName")) if part)


def create_asset(work: Work, row: Row) -> None:
    """Require an asset to belong to an account or a contact."""
    if not row.get("AccountId") and not row.get("ContactId"):
        raise _integrity("Every asset needs an account, a contact, or both.", "AccountId", "ContactId")


def close_opportunity(work: Work, row: Row) -> None:
    """Close an opportunity that reaches a closed stage."""
    row["IsClosed"] = str(row.get("StageName", "")).startswith("Closed")


def _on_update(rule: Callable[[Work, Row], None]) -> Callable[[Work, Row, Row, set[str]], None]:
    return lambda work, old, new, changed: rule(work, new)


BEFORE_CREATE |= {
    "Order": create_order,
    "OrderItem": create_order_item,
    "PricebookEntry": create_entry,
    "Case": create_case,
    "ContentVersion": file_rules.measure_version,
    "Contact": name_person,
    "User": name_person,
    "Asset": create_asset,
    "Opportunity": close_opportunity,
}
BEFORE_UPDATE |= {
    "Order": update_order,
    "OrderItem": update_order_item,
    "Case": update_case,
    "Contact": _on_update(name_person),
    "User": _on_update(name_person),
    "Opportunity": _on_update(close_opportunity),
}
BEFORE_DELETE |= {"Order": delete_order, "OrderItem": delete_order_item, "Product2": delete_product}
AFTER_WRITE |= {"OrderItem": roll_up_order, "Case": comment_case, "ContentVersion": file_rules.publish_version}
