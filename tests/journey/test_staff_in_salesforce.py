"""Staff's work in Salesforce, with every process running, in an org that has what `deploy/salesforce` installs alone.

Staff edit the fields that their permission set lets them edit, as the quick actions and the page layout offer them.
What follows reaches the customer by change events alone.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest

from app.cli.demo.visitor import Visitor
from app.integrations.salesforce.org.needs import NEEDS
from tests.deploy import metadata
from tests.deploy.metadata import SOURCE, every, root, text
from tests.journey.conftest import Running, stack


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with stack(SWEEP_SECONDS="2") as started:
        yield started


def deployed() -> dict[str, list[str]]:
    """Object → the custom fields that the folder installs."""
    return {name: sorted(fields) for name, fields in metadata.fields_by_object().items() if not name.endswith("__e")}


def permissions() -> dict[str, list[str]]:
    """What the integration user may not see or write of these fields."""
    granted = metadata.field_permissions()
    installed = [f"{name}.{field}" for name, fields in deployed().items() for field in fields]
    return {
        "fields": [each for each in installed if each not in granted],
        "read_only": [each for each in installed if not granted.get(each, True)],
    }


class Staff:
    """A member of staff with the permission set *Customer Portal Staff*."""

    def __init__(self, visitor: Visitor) -> None:
        self._control = visitor.control
        self._may = metadata.field_permissions("Staff")

    async def edit(self, record: str, **fields: Any) -> None:
        """Edit a record: only fields that staff may edit."""
        name = record.split("/")[0]
        for field in fields:
            assert field == "Status" or self._may[f"{name}.{field}"], f"staff may not edit {name}.{field}"
        (await self._control.patch(f"/salesforce/{record}", json=fields)).raise_for_status()

    async def act(self, action: str, order_id: str) -> None:
        """Press a quick action of the page layout."""
        document = root(SOURCE / "quickActions" / f"Order.{action}.quickAction-meta.xml")
        values = {text(each, "field"): text(each, "literalValue") for each in every(document, "fieldOverrides")}
        await self.edit(f"Order/{order_id}", **values)

    async def assign_sim(self, order_id: str, number: str) -> None:
        """Assign a SIM to an order, from its related list."""
        fields = {"Assigned_Order__c": order_id, "Phone_Number__c": number}
        assert all(self._may[f"SIM_Inventory__c.{each}"] for each in fields)
        (await self._control.post("/salesforce/SIM_Inventory__c", json=fields)).raise_for_status()

    async def order(self, order_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._control.get(f"/salesforce/Order/{order_id}")).json()
        return found


@pytest.fixture
async def customer(running: Running) -> AsyncIterator[Visitor]:
    """A sample customer with a card, logged in, of an org with what is deployed alone."""
    visitor = Visitor(running.state)
    for path, body in (("custom-fields", deployed()), ("permissions", permissions())):
        (await visitor.control.put(f"/salesforce/{path}", json=body)).raise_for_status()
    person = next(each for each in running.state["customers"] if each["portal"] and each["has_payment_method"])
    session = await visitor.post("/api/auth/login", {name: person[name] for name in ("email", "password")})
    visitor.api.headers["Authorization"] = f"Bearer {session['token']}"
    await visitor.visible("/api/health/services/cache", lambda answer: answer["inbox"]["waiting"] == 0)
    yield visitor
    await visitor.close()


@pytest.fixture
def staff(customer: Visitor) -> Staff:
    return Staff(customer)


async def ordered(customer: Visitor) -> str:
    """Order a VPN."""
    catalog = await customer.get("/api/public/services/vpn")
    plan, fee = catalog["plans"][0], catalog["activation_fees"][0]
    basket = {
        "items": [{"sku": plan["sku"]}, {"sku": fee["sku"]}],
        "configuration": {"vpn_region": catalog["regions"][0]},
    }
    placed = await customer.post("/api/orders", basket, expect=201, key=str(uuid4()))
    return str(placed["order_id"])


async def reached(customer: Visitor, order_id: str, status: str) -> dict[str, Any]:
    found, _ = await customer.visible(f"/api/orders/{order_id}", lambda answer: answer["status"] == status)
    return dict(found)


async def test_the_org_has_what_is_deployed_and_nothing_else(customer: Visitor) -> None:
    for name, fields in deployed().items():
        rows = (await customer.control.get(f"/salesforce/{name}")).json()["records"]
        assert all({each for each in row if each.endswith("__c")} <= set(fields) for row in rows), name
    assert {name for name, need in NEEDS.items() if any(each.endswith("__c") for each in need.fields)} == set(
        deployed()
    )


async def test_staff_approve_an_order(customer: Visitor, staff: Staff) -> None:
    order_id = await ordered(customer)
    await staff.act("Approve_Order", order_id)
    order = await reached(customer, order_id, "active")
    assert [each["state"] for each in order["timeline"]] == ["in_review", "approved", "created", "activating", "active"]
    assert (await staff.order(order_id))["Activation_Status__c"] == "Activated"


async def test_staff_reject_an_order_and_the_customer_orders_again(customer: Visitor, staff: Staff) -> None:
    order_id = await ordered(customer)
    await staff.edit(f"Order/{order_id}", Status="Rejected")
    assert (await reached(customer, order_id, "rejected"))["next_step"] == "contact_support"
    again = await ordered(customer)
    await staff.act("Approve_Order", again)
    await reached(customer, again, "active")


async def ordered_sim(customer: Visitor) -> str:
    """Order a SIM card, which waits until staff assign one."""
    sim = await customer.get("/api/public/services/sim")
    plan = next(each for each in sim["plans"] if "family" not in each["sku"].lower())
    basket = {
        "items": [{"sku": plan["sku"]}, {"sku": sim["activation_fees"][0]["sku"]}],
        "configuration": {"sim_type": "physical"},
    }
    return str((await customer.post("/api/orders", basket, expect=201, key=str(uuid4())))["order_id"])


async def waits_for_sim(customer: Visitor, order_id: str) -> dict[str, Any]:
    found, _ = await customer.visible(
        f"/api/orders/{order_id}", lambda answer: (answer["reason"] or {}).get("code") == "sim_not_assigned"
    )
    return dict(found)


async def test_staff_mend_an_order_and_continue_it(customer: Visitor, staff: Staff) -> None:
    order_id = await ordered_sim(customer)
    await staff.edit(f"Order/{order_id}", SIM_Type__c=None)
    await staff.act("Approve_Order", order_id)
    paused = await reached(customer, order_id, "paused")
    assert paused["reason"]["code"] == "details_unclear"
    held = await staff.order(order_id)
    assert (held["Activation_Status__c"], held["Activation_Error_Code__c"]) == ("Failed", "SIM_TYPE_UNKNOWN")

    await staff.edit(f"Order/{order_id}", SIM_Type__c="Physical SIM")
    await staff.act("Continue_Activation", order_id)
    assert (await waits_for_sim(customer, order_id))["next_step"] == "wait"
    await staff.assign_sim(order_id, "09000004321")
    await staff.act("Continue_Activation", order_id)
    await reached(customer, order_id, "active")
    held = await staff.order(order_id)
    assert (held["Status"], held["Activation_Error_Code__c"]) == ("Processed", None)


async def test_staff_cancel_an_order_and_the_customer_comes_back(customer: Visitor, staff: Staff) -> None:
    before = {each["subscription_id"] for each in (await customer.get("/api/subscriptions"))["items"]}
    order_id = await ordered_sim(customer)
    await staff.act("Approve_Order", order_id)
    await waits_for_sim(customer, order_id)
    await staff.act("Cancel_Order", order_id)
    assert (await reached(customer, order_id, "cancelled"))["next_step"] == "order_again"
    listed, _ = await customer.visible(
        "/api/subscriptions",
        lambda answer: (
            {each["status"] for each in answer["items"] if each["subscription_id"] not in before} == {"cancelled"}
        ),
    )
    assert listed["items"]
    held = await staff.order(order_id)
    assert (held["Status"], held["Activation_Error_Code__c"]) == ("Cancelled", "CANCELLED_IN_SALESFORCE")

    again = await ordered_sim(customer)
    await staff.act("Approve_Order", again)
    await waits_for_sim(customer, again)
    await staff.assign_sim(again, "09000008765")
    await staff.act("Continue_Activation", again)
    await reached(customer, again, "active")
