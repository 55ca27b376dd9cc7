"""The line of an order that staff end: cancelled where it is the order's own, left to staff where nobody knows."""

import asyncio
from datetime import date
from typing import Any

import msgspec
import pytest

from app.audit import Operator
from app.commands import fulfilment
from app.commands.fulfilment import decide, overview
from app.integrations.salesforce.orders import Porting
from tests.commands.fulfilment.test_decisions_in_salesforce import edited, order_in_salesforce, shown
from tests.commands.fulfilment.test_steps import MNP
from tests.fixtures.staff_orders import staff_order

AYA = Operator(name="aya")
NUMBER = "09000001234"


async def line(desk: Any, number: str) -> dict[str, Any] | None:
    """Return the line as Freebit has it."""
    records = (await desk.sandbox.control.get("/freebit/lines", params={"account": number})).json()["records"]
    return dict(records[0]) if records else None


async def in_service(desk: Any, number: str, state: str = "active") -> None:
    """Wait until Freebit has activated the line, or brought it into another state."""
    async with asyncio.timeout(30):
        while (await line(desk, number) or {})["state"] != state:
            await asyncio.sleep(0.05)


async def cancels(desk: Any) -> int:
    return [each["operation"] for each in await desk.sandbox.calls("freebit")].count("master/cnclAcnt")


async def requested(desk: Any, actor: Any) -> tuple[str, str]:
    """Order an eSIM, and stop when its line was requested; the order and its number."""
    order_id = await desk.ordered("sim", actor)
    await fulfilment.run(desk.context, order_id)
    return order_id, (await desk.journal(order_id))["facts"]["sim_account"]


async def physical(desk: Any, actor: Any, number: str = NUMBER) -> str:
    """Order a physical SIM, which staff assign before they approve."""
    order_id = await desk.place(actor, await desk.basket("sim", configuration={"sim_type": "physical"}))
    body = {"Assigned_Order__c": order_id, "Phone_Number__c": number}
    (await desk.sandbox.control.post("/salesforce/SIM_Inventory__c", json=body)).raise_for_status()
    await desk.approve(order_id)
    return str(order_id)


async def ended(desk: Any, order_id: str, word: str = "Cancelled") -> str:
    """Staff end the order, and the worker goes on as far as it gets."""
    await edited(desk, order_id, Status=word)
    await desk.hurry(order_id)
    return str(await desk.fulfil(order_id))


async def by_hand(desk: Any, order_id: str) -> str:
    """Assert that staff must act, with everything else undone, and nothing ended at Freebit; why."""
    story = (await overview.one(desk.pool, order_id)).fulfilment
    assert (story.state, story.error_code) == ("paused", "LINE_TO_CANCEL")
    assert await cancels(desk) == 0
    held = await order_in_salesforce(desk, order_id)
    assert (held["Activation_Status__c"], held["Activation_Error_Code__c"]) == ("Failed", "LINE_TO_CANCEL")
    await desk.settle()
    assert (await shown(desk, order_id))["status"] == "cancelled"
    assert len(story.error_message or "") <= 255
    return str(story.error_message)


async def running_services(desk: Any, actor: Any, order_id: str) -> list[str]:
    """Return the services of the order that WHMCS still bills."""
    ids = set((await desk.journal(order_id))["facts"].get("service_ids", ()))
    services = (await desk.sandbox.control.get("/whmcs/services", params={"clientid": actor.whmcs_client_id})).json()
    return [each["id"] for each in services["records"] if each["id"] in ids and each["status"] != "Cancelled"]


@pytest.mark.parametrize("word", ["Cancelled", "Rejected"])
async def test_a_line_of_the_orders_own_is_cancelled_once(desk: Any, word: str) -> None:
    actor = await desk.customer()
    order_id, number = await requested(desk, actor)
    assert await ended(desk, order_id, word) == "cancelled"
    assert (await line(desk, number) or {})["state"] == "cancelled"
    assert await cancels(desk) == 1
    assert await running_services(desk, actor, order_id) == []
    held = await order_in_salesforce(desk, order_id)
    assert (held["Status"], held["Activation_Error_Code__c"]) == (word, "CANCELLED_IN_SALESFORCE")
    assert f"line …{number[-4:]}" in held["Activation_Error_Message__c"]
    assert "WHMCS order" in held["Activation_Error_Message__c"]
    tried = [(each.step, each.outcome) for each in (await overview.one(desk.pool, order_id)).tried]
    assert [each for each in tried if each[1] in ("cancelling", "undone")] == [
        ("whmcs_order", "undone"),
        ("sim", "cancelling"),
        ("sim", "undone"),
        ("sim", "undone"),  # the order as a whole
    ]


async def test_an_end_that_takes_time_is_waited_for(desk: Any) -> None:
    (await desk.sandbox.control.put("/freebit/settings", json={"cancel_seconds": 3_600})).raise_for_status()
    order_id, number = await requested(desk, await desk.customer())
    await in_service(desk, number)
    await edited(desk, order_id, Status="Cancelled")
    for _ in range(4):
        await desk.hurry(order_id)
        await fulfilment.run(desk.context, order_id)
    assert ((await desk.journal(order_id))["state"], await cancels(desk)) == ("running", 1)
    held = await order_in_salesforce(desk, order_id)
    assert held["Status"] == "Cancelled", "the portal does not overrule staff while it waits"
    await desk.pool.execute(
        'UPDATE portal.fulfilments SET facts = facts || \'{"line_cancel_accepted_at": "2026-01-01T00:00:00+00:00"}\''
    )
    assert await desk.fulfil(order_id) == "paused"
    story = (await overview.one(desk.pool, order_id)).fulfilment
    assert (story.error_code, "keeps it in service" in (story.error_message or "")) == ("LINE_TO_CANCEL", True)


@pytest.mark.parametrize("mode", ["timeout_after_write", "timeout"])
async def test_an_end_that_was_not_answered_is_looked_for_before_it_is_sent_again(desk: Any, mode: str) -> None:
    order_id, number = await requested(desk, await desk.customer())
    await in_service(desk, number)
    await desk.sandbox.fault("freebit", mode, operation="master/cnclAcnt", count=1)
    await edited(desk, order_id, Status="Cancelled")
    await desk.hurry(order_id)
    await fulfilment.run(desk.context, order_id)
    await desk.pool.execute("UPDATE portal.fulfilments SET next_attempt_at = now()")
    await fulfilment.run(desk.context, order_id)
    assert await cancels(desk) == 1, "it may still be carried out"
    await desk.sandbox.clear_faults()
    assert await desk.fulfil(order_id) == "cancelled"
    assert (await line(desk, number) or {})["state"] == "cancelled"
    assert await cancels(desk) == (1 if mode == "timeout_after_write" else 2)


async def test_while_freebit_is_away_the_rest_is_undone_and_the_line_when_it_is_back(desk: Any) -> None:
    actor = await desk.customer()
    order_id, number = await requested(desk, actor)
    await desk.sandbox.fault("freebit", "down", count=None)
    assert await ended(desk, order_id) == "paused"
    assert (await desk.journal(order_id))["error_code"] == "FREEBIT_UNAVAILABLE"
    assert await running_services(desk, actor, order_id) == []
    await desk.sandbox.clear_faults()
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "cancelled"
    assert (await line(desk, number) or {})["state"] == "cancelled"
    assert (await order_in_salesforce(desk, order_id))["Status"] == "Cancelled"


async def test_while_whmcs_is_away_the_line_is_ended_already(desk: Any) -> None:
    order_id, number = await requested(desk, await desk.customer())
    await in_service(desk, number)
    await desk.sandbox.fault("whmcs", "down", count=None)
    assert await ended(desk, order_id) == "paused"
    assert await cancels(desk) == 1
    await in_service(desk, number, "cancelled")
    await desk.sandbox.clear_faults()
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "cancelled"


async def test_a_refused_end_is_left_to_staff(desk: Any) -> None:
    actor = await desk.customer()
    order_id, number = await requested(desk, actor)
    path = f"/freebit/lines/{number}"
    (await desk.sandbox.control.patch(path, json={"master": True})).raise_for_status()
    assert await ended(desk, order_id) == "paused"
    story = (await overview.one(desk.pool, order_id)).fulfilment
    assert (story.error_code, "refused to end" in (story.error_message or "")) == ("LINE_TO_CANCEL", True)
    (await desk.sandbox.control.patch(path, json={"master": False})).raise_for_status()
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "cancelled", "it is tried again with every look"


async def test_a_line_that_nobody_knows_waits_for_its_number(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("sim", actor)
    await desk.sandbox.fault("freebit", "timeout_after_write", operation="mvno/esim/addAcnt", count=1)
    await desk.fulfil(order_id)
    assert await ended(desk, order_id) == "paused"
    assert "nobody knows its number" in await by_hand(desk, order_id)
    assert await running_services(desk, actor, order_id) == [], "billing ended already"

    [made] = [each for each in (await desk.sandbox.control.get("/freebit/lines")).json()["records"] if each["eid"]]
    body = {"Assigned_Order__c": order_id, "Phone_Number__c": made["account"]}
    (await desk.sandbox.control.post("/salesforce/SIM_Inventory__c", json=body)).raise_for_status()
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "cancelled"
    assert (await line(desk, made["account"]) or {})["state"] == "cancelled"


async def test_staff_say_that_there_is_no_line(desk: Any) -> None:
    order_id = await desk.ordered("sim", await desk.customer())
    await desk.sandbox.fault("freebit", "timeout", operation="mvno/esim/addAcnt", count=1)
    await desk.fulfil(order_id)
    assert await ended(desk, order_id) == "paused"
    await by_hand(desk, order_id)
    story = await decide.cancel(desk.context, AYA, order_id, "there is no line")
    assert (story.fulfilment.state, story.fulfilment.error_code) == ("cancelled", "CANCELLED_BY_STAFF")
    assert (await order_in_salesforce(desk, order_id))["Activation_Error_Code__c"] == "CANCELLED_BY_STAFF"


async def test_a_wrong_number_is_no_proof_that_there_is_no_line(desk: Any) -> None:
    order_id = await desk.ordered("sim", await desk.customer())
    await desk.sandbox.fault("freebit", "timeout_after_write", operation="mvno/esim/addAcnt", count=1)
    await desk.fulfil(order_id)
    body = {"Assigned_Order__c": order_id, "Phone_Number__c": "09099999999"}
    (await desk.sandbox.control.post("/salesforce/SIM_Inventory__c", json=body)).raise_for_status()
    for _ in range(4):
        await desk.hurry(order_id)  # twenty minutes
    assert await ended(desk, order_id) == "paused"
    assert "does not show …9999" in await by_hand(desk, order_id)


async def test_the_customers_own_number_is_never_ended_and_the_task_ends_with_it(desk: Any) -> None:
    actor = await desk.customer()
    porting = msgspec.convert({**MNP, "gender": "Female"}, Porting)
    esim = {"sim_type": "eSIM", "eid": "89049032000000000000000000000001"}
    order_id = await staff_order(desk, actor, "SIM-DATA-5GB", "SIM-ACTIVATION-FEE", porting=porting, **esim)
    await desk.approve(order_id)
    await fulfilment.run(desk.context, order_id)
    number = (await desk.journal(order_id))["facts"]["sim_account"]
    assert number == porting.phone_number
    assert await ended(desk, order_id) == "paused"
    assert "the customer's own number" in await by_hand(desk, order_id)
    assert (await line(desk, number) or {})["state"] != "cancelled"

    await desk.context.freebit.cancel_line(number, date(2026, 1, 1))
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "cancelled", "staff cancelled it, and the portal noticed"
    assert (await order_in_salesforce(desk, order_id))["Activation_Error_Code__c"] == "CANCELLED_IN_SALESFORCE"


async def test_a_line_from_before_the_order_is_left_to_staff(desk: Any) -> None:
    """Staff assigned a number that is in use: its line may be another customer's."""
    await desk.context.freebit.register_sim(NUMBER, "PASI_5G")
    order_id = await physical(desk, await desk.customer())
    await fulfilment.run(desk.context, order_id)
    assert (await desk.journal(order_id))["facts"]["sim_account"] == NUMBER
    assert await ended(desk, order_id) == "paused"
    assert "was there before" in await by_hand(desk, order_id)
    assert (await line(desk, NUMBER) or {})["state"] != "cancelled"


async def test_a_line_with_another_eid_is_left_to_staff(desk: Any) -> None:
    order_id, _ = await requested(desk, await desk.customer())
    await desk.resources.salesforce.update("Order", order_id, {"EID__c": "89049032000000000000000000000002"})
    assert await ended(desk, order_id) == "paused"
    assert "is not as this order requested it" in await by_hand(desk, order_id)


async def test_a_physical_sims_request_without_an_answer_that_was_not_made_is_no_line(desk: Any) -> None:
    order_id = await physical(desk, await desk.customer())
    await desk.sandbox.fault("freebit", "timeout", operation="master/addAcnt", count=1)
    await fulfilment.run(desk.context, order_id)
    await edited(desk, order_id, Status="Cancelled")
    await desk.hurry(order_id)
    await fulfilment.run(desk.context, order_id)
    assert (await desk.journal(order_id))["state"] == "running", "it may still appear"
    assert await desk.fulfil(order_id) == "cancelled"
    assert await line(desk, NUMBER) is None
    assert await cancels(desk) == 0


async def test_a_physical_sims_line_that_appears_late_is_ended(desk: Any) -> None:
    order_id = await physical(desk, await desk.customer())
    await desk.sandbox.fault("freebit", "timeout_after_write", operation="master/addAcnt", count=1)
    await fulfilment.run(desk.context, order_id)
    assert await ended(desk, order_id) == "cancelled"
    assert (await line(desk, NUMBER) or {})["state"] == "cancelled"


async def test_a_line_that_never_comes_into_service_is_left_to_staff(desk: Any) -> None:
    order_id, number = await requested(desk, await desk.customer())
    path = f"/freebit/lines/{number}"
    (await desk.sandbox.control.patch(path, json={"state": "activating"})).raise_for_status()
    assert await ended(desk, order_id) == "paused"
    assert "not in service after two hours" in await by_hand(desk, order_id)


async def test_an_order_approved_again_keeps_a_line_that_was_not_cancelled(desk: Any) -> None:
    actor = await desk.customer()
    order_id, number = await requested(desk, actor)
    await desk.resources.salesforce.update("Order", order_id, {"EID__c": "89049032000000000000000000000002"})
    assert await ended(desk, order_id) == "paused"
    await by_hand(desk, order_id)
    await desk.resources.salesforce.update("Order", order_id, {"EID__c": "89049032000000000000000000000001"})
    await edited(desk, order_id, Status="Approved")
    assert await desk.fulfil(order_id) == "done"
    states = sorted(each["status"] for each in await desk.whmcs_orders(actor, order_id))
    assert len(states) == 2, "billing begins again, because the first order was undone"
    assert (await line(desk, number) or {})["state"] == "active"
    lines = (await desk.sandbox.control.get("/freebit/lines")).json()["records"]
    assert len([each for each in lines if each["eid"]]) == 1


@pytest.mark.parametrize("sim", ["esim", "physical"])
async def test_an_order_approved_while_its_line_ends_gets_a_new_line_afterwards(desk: Any, sim: str) -> None:
    (await desk.sandbox.control.put("/freebit/settings", json={"cancel_seconds": 2})).raise_for_status()
    actor = await desk.customer()
    order_id = await physical(desk, actor) if sim == "physical" else (await requested(desk, actor))[0]
    await fulfilment.run(desk.context, order_id)
    await edited(desk, order_id, Status="Cancelled")
    while not await cancels(desk):
        await desk.hurry(order_id)
        await fulfilment.run(desk.context, order_id)
    await edited(desk, order_id, Status="Approved")
    assert await desk.fulfil(order_id, tries=200) == "done"
    lines = (await desk.sandbox.control.get("/freebit/lines")).json()["records"]
    states = [each["state"] for each in lines if each["eid"] or each["account"] == NUMBER]
    assert states.count("active") == 1
    assert len(await running_services(desk, actor, order_id)) == 2, "the plan and its fee, of the second order alone"


async def test_an_order_approved_in_the_middle_of_undoing_is_activated_without_a_gap(desk: Any) -> None:
    """Its account was removed before billing answered: it must not be activated without one."""
    actor = await desk.customer()
    order_id = await desk.ordered("hosting", actor)
    await desk.sandbox.fault("whm", "timeout_after_write", operation="createacct")
    await fulfilment.run(desk.context, order_id)
    await desk.sandbox.fault("whmcs", "down", count=None)
    await edited(desk, order_id, Status="Cancelled")
    await desk.hurry(order_id)
    await fulfilment.run(desk.context, order_id)
    name = (await desk.journal(order_id))["facts"]["hosting_username"]
    assert await desk.context.whm.account(name) is None
    await desk.sandbox.clear_faults()
    await edited(desk, order_id, Status="Approved")
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"
    assert (await desk.hosted(order_id))["user"]
    await desk.settle()
    statuses = sorted(each["status"] for each in await desk.whmcs_orders(actor, order_id))
    assert len(statuses) == 2
    assert len(await running_services(desk, actor, order_id)) == 1
