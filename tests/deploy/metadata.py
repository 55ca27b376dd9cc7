"""The content of `deploy/salesforce`, read from its XML."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, parse

SALESFORCE = Path(__file__).parents[2] / "deploy" / "salesforce"
SOURCE = SALESFORCE / "force-app" / "main" / "default"
NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"
ADDRESS = re.compile(r"(Billing|Shipping)(?:Street|City|State|PostalCode|Country)")
SECURED = frozenset(
    {
        *(
            f"Account.{name}"
            for name in ("Description", "Fax", "Phone", "Website", "BillingAddress", "ShippingAddress")
        ),
        *("Order.BillingAddress", "OrderItem.Description", "Opportunity.AccountId"),
        *("Product2.Description", "Product2.IsActive", "Product2.StockKeepingUnit"),
        *(f"Case.{name}" for name in ("AccountId", "ContactId", "Description", "Origin", "Priority", "Subject")),
        *("Contact.AccountId", "Contact.Email"),
    }
)
"""The standard fields in use that have field-level security. The others are seen by everybody who sees the record, and
to name them in a permission set is an error."""

GOVERNED_BY = {
    "OrderItem": "Order",
    "PricebookEntry": "Pricebook2",
    "CaseComment": "Case",
    "ContentVersion": "Case",
    "ContentDocument": "Case",
    "ContentDocumentLink": "Case",
}
"""Objects without permissions of their own → those that grant them: who may use orders, price books and cases may use
their lines, prices, comments and files."""


def root(path: Path) -> Element:
    """Return the document's root."""
    return parse(path).getroot()  # noqa: S314 - our own files


def tag(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.removeprefix(NAMESPACE)


def text(element: Element, path: str) -> str:
    """Return the text at `a/b`, empty when it is absent."""
    return element.findtext("/".join(NAMESPACE + part for part in path.split("/"))) or ""


def every(element: Element, path: str) -> list[Element]:
    """All elements at `a/b`."""
    return element.findall("/".join(NAMESPACE + part for part in path.split("/")))


def flat(element: Element) -> dict[str, str]:
    """Children's names and texts."""
    return {tag(child): child.text or "" for child in element}


def fields() -> Iterator[tuple[str, Element]]:
    """(object, field document) of every custom field."""
    for path in sorted(SOURCE.glob("objects/*/fields/*.field-meta.xml")):
        yield path.parents[1].name, root(path)


def fields_by_object() -> dict[str, dict[str, Element]]:
    """Object → field name → document."""
    found: dict[str, dict[str, Element]] = {}
    for name, field in fields():
        found.setdefault(name, {})[text(field, "fullName")] = field
    return found


def words(field: Element) -> list[str]:
    """Return the values of a picklist."""
    return [text(value, "fullName") for value in every(field, "valueSet/valueSetDefinition/value")]


def permission_set(name: str = "Integration") -> Element:
    """Return the permissions of the integration user, or of staff."""
    return root(SOURCE / "permissionsets" / f"Customer_Portal_{name}.permissionset-meta.xml")


def field_permissions(name: str = "Integration") -> dict[str, bool]:
    """`Object.Field` → whether it may be written."""
    found = [flat(each) for each in every(permission_set(name), "fieldPermissions")]
    assert all(each["readable"] == "true" for each in found)
    return {each["field"]: each["editable"] == "true" for each in found}


def secured(object_name: str, field_name: str) -> str | None:
    """Return a field's name in a permission set; None for one that has no security of its own."""
    part = ADDRESS.fullmatch(field_name)
    full = f"{object_name}.{part[1]}Address" if part else f"{object_name}.{field_name}"
    return full if field_name.endswith("__c") or full in SECURED else None
