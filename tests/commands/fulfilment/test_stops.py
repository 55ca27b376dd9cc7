"""Stops that only staff can end: each has its code on the order and a sentence for the customer, and goes on once it is
mended."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from app.audit import Operator
from app.commands import fulfilment
from app.commands.fulfilment import decide, overview
from app.commands.fulfilment.hosting import username
from app.integrations.freebit.client import EsimActivation
from app.integrations.salesforce.orders import Porting
from app.integrations.whm.client import NewHostingAccount
from app.readmodels.ordering.order_life import PAUSES
from tests.commands.conftest import EID
from tests.commands.fulfilment.test_decisions_in_salesforce import (
    edited,
    order_in_salesforce,
    plan_product,
    shown,
    whmcs_number,
    with_product,
)
from tests.commands.fulfilment.test_steps import MNP
from tests.fixtures.staff_orders import staff_order

AYA = Operator(name="aya")
Mend = Callable[[], Awaitable[Any]]
Caused = tuple[str, Mend]
"""An order that is about to stop, and what staff then do."""


async def without_field(desk: Any, category: str, field: str, value: Any = None) -> Caused:
    """The plan's product lacks a value, or has a wrong one."""
    order_id = await desk.place(await desk.customer(), await desk.basket(category))
    path = f"/salesforce/Product2/{await plan_product(desk, order_id)}"
    held = (await desk.sandbox.control.get(path)).json()[field]
    await desk.sandbox.control.patch(path, json={field: value})
    await desk.approve(order_id)
    return order_id, lambda: desk.sandbox.control.patch(path, json={field: held})


async def no_plan_code(desk: Any) -> Caused:
    return await without_field(desk, "sim", "SIM_Plan_Code__c")


async def no_such_package(desk: Any) -> Caused:
    return await without_field(desk, "hosting", "WH_Product_Name__c", "Nothing that WHM has")


async def transfer_onto_a_card(desk: Any) -> Caused:
    porting = msgspec.convert({**MNP, "gender": "Female"}, Porting)
    skus = ("SIM-DATA-5GB", "SIM-ACTIVATION-FEE")
    order_id = await staff_order(desk, await desk.customer(), *skus, porting=porting, sim_type="Physical SIM")
    await desk.approve(order_id)
    return order_id, lambda: desk.context.freebit.register_sim(porting.phone_number, "PASI_5G")


async def slow_activation(desk: Any) -> Caused:
    order_id = await desk.ordered("sim", await desk.customer())
    await fulfilment.run(desk.context, order_id)
    path = f"/freebit/lines/{(await desk.journal(order_id))['facts']['sim_account']}"
    (await desk.sandbox.control.patch(path, json={"state": "activating"})).raise_for_status()
    return order_id, lambda: desk.sandbox.control.patch(path, json={"state": "active"})


async def eid_in_use(desk: Any) -> Caused:
    number = "08012345678"
    await desk.context.freebit.activate_esim(
        EsimActivation(eid=EID, plan_code="PASI_5G", sim_kind="E2", account=number)
    )
    order_id = await desk.ordered("sim", await desk.customer())
    other = {"EID__c": "89049032000000000000000000000009"}
    return order_id, lambda: desk.resources.salesforce.update("Order", order_id, other)


async def name_of_another_domain(desk: Any) -> Caused:
    order_id = await desk.ordered("hosting", await desk.customer())
    name = username(order_id)
    await desk.context.whm.create_account(NewHostingAccount(name, "other.example", "default", "a@example.com"))
    return order_id, lambda: desk.sandbox.control.delete(f"/whm/accounts/{name}")


async def cancelled_in_billing(desk: Any) -> Caused:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "status", operation="AcceptOrder", status=500, count=None)
    await desk.fulfil(order_id)
    await desk.sandbox.clear_faults()
    await desk.resources.whmcs.cancel_order((await desk.journal(order_id))["facts"]["whmcs_order_id"])
    await desk.hurry(order_id)

    async def begin_again() -> None:
        await edited(desk, order_id, Status="Cancelled")
        await desk.hurry(order_id)
        assert await desk.fulfil(order_id) == "cancelled"
        await desk.settle()

    return order_id, begin_again


async def unknown_in_billing(desk: Any) -> Caused:
    order_id = await desk.place(await desk.customer(), await desk.basket("vpn"))
    number = await whmcs_number(desk, order_id)
    await with_product(desk, order_id, 99_999)
    await desk.approve(order_id)

    async def begin_again() -> None:
        await with_product(desk, order_id, number)
        await edited(desk, order_id, Status="Cancelled")
        await desk.hurry(order_id)
        assert await desk.fulfil(order_id) == "cancelled"
        await desk.settle()

    return order_id, begin_again


CAUSES: dict[str, Callable[[Any], Awaitable[Caused]]] = {
    "SIM_PLAN_CODE_MISSING": no_plan_code,
    "SIM_TRANSFER_BY_HAND": transfer_onto_a_card,
    "SIM_ACTIVATION_SLOW": slow_activation,
    "FREEBIT_REJECTED": eid_in_use,
    "HOSTING_NAME_TAKEN": name_of_another_domain,
    "WHM_REJECTED": no_such_package,
    "WHMCS_ORDER_NOT_ACTIVE": cancelled_in_billing,
    "WHMCS_ORDER_INCOMPLETE": unknown_in_billing,
}


@pytest.mark.parametrize("code", CAUSES)
async def test_a_stop_says_why_and_goes_on_once_it_is_mended(desk: Any, code: str) -> None:
    order_id, mend = await CAUSES[code](desk)
    assert await desk.fulfil(order_id) == "failed"
    assert (await overview.one(desk.pool, order_id)).fulfilment.error_code == code
    held = await order_in_salesforce(desk, order_id)
    assert (held["Activation_Status__c"], held["Activation_Error_Code__c"]) == ("Failed", code)
    assert held["Activation_Error_Message__c"]
    await desk.settle()
    order, pause = await shown(desk, order_id), PAUSES[code]
    assert (order["status"], order["status_text"], order["next_step"]) == (pause.status, pause.text, pause.next_step)

    await mend()
    await edited(desk, order_id, Status="Reactivate")
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    assert (await shown(desk, order_id))["status"] == "active"
    assert (await order_in_salesforce(desk, order_id))["Activation_Error_Code__c"] is None


async def test_an_outage_of_salesforce_is_sat_out(desk: Any) -> None:
    order_id = await desk.ordered("vpn", await desk.customer())
    await desk.sandbox.fault("salesforce", "down", count=None)
    for _ in range(3):
        await desk.hurry(order_id)
        await fulfilment.run(desk.context, order_id)
    assert (await desk.journal(order_id))["state"] in ("running", "paused")
    await desk.sandbox.clear_faults()
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"


async def test_an_order_that_staff_deleted_stops_and_goes_on_when_it_is_back(desk: Any) -> None:
    order_id = await desk.ordered("vpn", await desk.customer())
    (await desk.sandbox.control.delete(f"/salesforce/Order/{order_id}")).raise_for_status()
    assert await desk.fulfil(order_id) == "failed"
    assert (await overview.one(desk.pool, order_id)).fulfilment.error_code == "SALESFORCE_REJECTED"
    (await desk.sandbox.control.post(f"/salesforce/Order/{order_id}/undelete")).raise_for_status()
    await decide.retry(desk.context, AYA, order_id)
    assert await desk.fulfil(order_id) == "done"


async def test_the_portals_own_fault_stops_the_order_after_a_few_tries(desk: Any) -> None:
    order_id = await desk.ordered("vpn", await desk.customer())
    await desk.pool.execute("UPDATE portal.fulfilments SET facts = '{\"add_order_sent_at\": 5}'")  # no instant
    for _ in range(3):
        await desk.pool.execute("UPDATE portal.fulfilments SET next_attempt_at = now()")
        await fulfilment.run(desk.context, order_id)
    story = (await overview.one(desk.pool, order_id)).fulfilment
    assert (story.state, story.step, story.error_code) == ("failed", "whmcs_order", "INTERNAL_ERROR")
    assert (await order_in_salesforce(desk, order_id))["Activation_Error_Code__c"] == "INTERNAL_ERROR"
    await desk.pool.execute("UPDATE portal.fulfilments SET facts = '{}'")
    await decide.retry(desk.context, AYA, order_id)
    assert await desk.fulfil(order_id) == "done"
