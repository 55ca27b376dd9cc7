"""Staff's control centre in Salesforce: permission set, page layout, list views, report and quick actions name what is
there, and show what staff need."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

import pytest

from app.commands.fulfilment.reports import UNREPORTED
from app.integrations.salesforce import wire
from app.integrations.salesforce.activation import REACTIVATE
from app.integrations.salesforce.org.needs import NEEDS
from app.readmodels.ordering.order_life import PAUSES
from sandbox.salesforce.schema.objects import OBJECTS
from tests.deploy import metadata
from tests.deploy.metadata import SOURCE, every, flat, root, text

ORDER = OBJECTS["Order"].by_name
COMPOUND = frozenset({"BillingAddress", "ShippingAddress"})
OWN = frozenset(
    {
        wire.ORDER_KEY,
        wire.ORDER_WHMCS,
        wire.ORDER_ACTIVATION,
        wire.ORDER_ERROR_CODE,
        wire.ORDER_ERROR_MESSAGE,
        wire.ORDER_LAST_ATTEMPT,
        wire.ORDER_INSTANT,
    }
)
"""What the portal alone writes on an order."""
LAYOUT = root(SOURCE / "layouts" / "Order-Customer Portal Order.layout-meta.xml")
ACTIONS = {path.name.split(".")[1]: root(path) for path in (SOURCE / "quickActions").iterdir()}
VIEWS = {text(view, "fullName"): view for view in map(root, (SOURCE / "objects/Order/listViews").iterdir())}
REPORT = root(SOURCE / "reports" / "Customer_Portal" / "Paused_Orders.report-meta.xml")
REPORT_TYPE = root(SOURCE / "reportTypes" / "Portal_Orders.reportType-meta.xml")
LISTED = {"ORDERS.ORDER_NUMBER": "OrderNumber", "SALES.ACCOUNT.NAME": "AccountId", "ORDERS.STATUS": "Status"} | {
    "ORDERS.EFFECTIVE_DATE": "EffectiveDate"
}
"""Standard columns of list views → fields."""


def installed(object_name: str, field: str) -> bool:
    """Return whether the org has the field: a custom one only if it is deployed."""
    if field.endswith("__c"):
        return field in metadata.fields_by_object()[object_name]
    return field in OBJECTS[object_name].by_name or field in COMPOUND


def on_layout() -> dict[str, str]:
    items = every(LAYOUT, "layoutSections/layoutColumns/layoutItems")
    found = {each["field"]: each["behavior"] for each in map(flat, items)}
    assert len(found) == len(items), "a field appears once"
    return found


def test_staff_may_do_what_the_layout_shows() -> None:
    granted = metadata.field_permissions("Staff")
    for full in granted:
        object_name, field = full.split(".")
        assert installed(object_name, field), full
        assert metadata.secured(object_name, "BillingCity" if field in COMPOUND else field) == full
    for field, behavior in on_layout().items():
        secured = metadata.secured("Order", "BillingCity" if field in COMPOUND else field)
        if secured:
            assert secured in granted, field
            assert behavior == "Readonly" or granted[secured], f"{field} can be edited on the layout alone"


def test_staff_see_every_field_of_an_order_and_do_not_write_the_portals() -> None:
    granted, shown = metadata.field_permissions("Staff"), on_layout()
    custom = {field for field in NEEDS["Order"].fields if field.endswith("__c")}
    assert {field for field in shown if field.endswith("__c")} == custom
    assert {field for field in custom if not granted[f"Order.{field}"]} == OWN
    assert {field for field in custom if shown[field] == "Readonly"} == OWN
    assert shown["Status"] == "Required"


def test_staff_delete_nothing_and_create_only_sims() -> None:
    granted = {each["object"]: each for each in map(flat, every(metadata.permission_set("Staff"), "objectPermissions"))}
    assert {name for name, each in granted.items() if each["allowEdit"] == "true"} == {
        "Account",
        "Order",
        "SIM_Inventory__c",
    }
    assert {name for name, each in granted.items() if each["allowCreate"] == "true"} == {"SIM_Inventory__c"}
    assert all((each["allowDelete"], each["modifyAllRecords"]) == ("false", "false") for each in granted.values())
    assert not every(metadata.permission_set("Staff"), "userPermissions")


def test_every_action_of_the_layout_exists_and_is_offered() -> None:
    offered = [text(each, "actionName") for each in every(LAYOUT, "platformActionList/platformActionListItems")]
    classic = [text(each, "quickActionName") for each in every(LAYOUT, "quickActionList/quickActionListItems")]
    assert (
        [name for name in offered if "." in name]
        == classic
        == [f"Order.{name}" for name in ("Approve_Order",)]
        + [
            "Order.Continue_Activation",
            "Order.Cancel_Order",
        ]
    )
    assert {name.split(".")[1] for name in classic} == set(ACTIONS)


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_an_action_sets_a_status_that_fulfilment_follows(name: str) -> None:
    action = ACTIONS[name]
    assert (text(action, "type"), text(action, "targetObject")) == ("Update", "Order")
    overrides = {text(each, "field"): text(each, "literalValue") for each in every(action, "fieldOverrides")}
    wanted = {"Approve_Order": "Approved", "Continue_Activation": REACTIVATE, "Cancel_Order": "Cancelled"}
    assert overrides == {"Status": wanted[name]}
    assert overrides["Status"] in NEEDS["Order"].words["Status"]
    items = every(action, "quickActionLayout/quickActionLayoutColumns/quickActionLayoutItems")
    assert items, "an action shows at least one field"
    assert all(installed("Order", text(each, "field")) for each in items)


def test_related_lists_show_what_is_there() -> None:
    lists = {
        text(each, "relatedList"): [name.text for name in every(each, "fields")]
        for each in every(LAYOUT, "relatedLists")
    }
    assert wire.ITEM_SERVICE in lists["RelatedOrderItemList"]
    assert lists["SIM_Inventory__c.Assigned_Order__c"] == ["NAME", "Phone_Number__c"]
    assert installed("SIM_Inventory__c", "Assigned_Order__c")


def field_of(name: str) -> str:
    """Return the field that a column or filter names, in a list view or a report."""
    return LISTED.get(name, name.removeprefix("Order$"))


def test_lists_and_report_name_fields_that_exist() -> None:
    named = [field_of(each.text or "") for view in VIEWS.values() for each in every(view, "columns")]
    named += [field_of(text(each, "field")) for view in VIEWS.values() for each in every(view, "filters")]
    columns = [text(each, "field") for each in every(REPORT_TYPE, "sections/columns")]
    reported = [text(each, "field") for each in every(REPORT, "columns")]
    reported += [text(each, "column") for each in every(REPORT, "filter/criteriaItems")]
    reported += [text(REPORT, "groupingsDown/field"), text(REPORT, "timeFrameFilter/dateColumn")]
    for field in [*named, *columns, *map(field_of, reported)]:
        assert installed("Order", field), field
    assert {field_of(each) for each in reported} <= set(columns), "a report shows what its type has"
    assert text(REPORT, "reportType") == "Portal_Orders__c"
    assert text(REPORT_TYPE, "baseObject") == "Order"


def criteria(view: Element) -> tuple[str, list[tuple[str, str, str]]]:
    if found := every(view, "filters"):
        return text(view, "booleanFilter"), [
            (field_of(text(each, "field")), text(each, "operation"), text(each, "value")) for each in found
        ]
    return text(view, "filter/booleanFilter"), [
        (field_of(text(each, "column")), text(each, "operator"), text(each, "value"))
        for each in every(view, "filter/criteriaItems")
    ]


def lists(view: Element, order: Mapping[str, Any]) -> bool:
    """Return whether a view lists the order, by its filters and their logic."""
    logic, filters = criteria(view)
    held = {
        str(number): ((order.get(field) or "") in value.split(",")) == (operation == "equals")
        for number, (field, operation, value) in enumerate(filters, 1)
    }
    words = re.findall(r"\d+|AND|OR|[()]", logic or " AND ".join(held))
    return bool(eval(" ".join(str(held.get(word, word.lower())) for word in words)))  # noqa: S307 - our own words


TO_UNDO = ("LINE_TO_CANCEL", "WHMCS_REJECTED", "WHM_REJECTED")
"""Codes of an order that staff ended, and that the portal cannot undo alone."""


def orders() -> Iterator[tuple[dict[str, Any], bool]]:
    """Orders, and whether staff have something to do about each."""
    for code in (None, *PAUSES):
        for status in NEEDS["Order"].words["Status"]:
            waits = code is not None and status in ("Approved", "Reactivate")
            order = {"Status": status, wire.ORDER_ERROR_CODE: code, wire.ORDER_KEY: "key"}
            yield order, waits or code in TO_UNDO


@pytest.mark.parametrize("view", [VIEWS["Portal_Paused_Orders"], REPORT], ids=["list", "report"])
def test_paused_orders_are_all_that_wait_and_no_others(view: Element) -> None:
    for order, waits in orders():
        assert lists(view, order) == waits, order


def test_orders_to_review_are_the_portals() -> None:
    view = VIEWS["Portal_Orders_To_Review"]
    assert lists(view, {"Status": "Pending Review", wire.ORDER_KEY: "key"})
    assert not lists(view, {"Status": "Pending Review"})
    assert not lists(view, {"Status": "Approved", wire.ORDER_KEY: "key"})


def test_codes_and_messages_fit_the_fields_that_staff_read() -> None:
    lengths = {
        name: int(text(field, "length"))
        for name, field in metadata.fields_by_object()["Order"].items()
        if text(field, "length")
    }
    assert max(map(len, PAUSES)) <= lengths[wire.ORDER_ERROR_CODE] == 60
    assert lengths[wire.ORDER_ERROR_MESSAGE] == 255
    assert set(PAUSES) > UNREPORTED
