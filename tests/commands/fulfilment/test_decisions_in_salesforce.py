"""Staff work in Salesforce alone: what they approve, mend, continue and cancel there, fulfilment follows, once each."""

from typing import Any

import msgspec
import pytest

from app.commands import fulfilment


async def edited(desk: Any, order_id: str, **fields: Any) -> None:
    """Staff edit the order in Salesforce, and the news of it arrives."""
    (await desk.sandbox.control.patch(f"/salesforce/orders/{order_id}", json=fields)).raise_for_status()
    await desk.news(order_id)
    await fulfilment.take_up(desk.pool)


async def order_in_salesforce(desk: Any, order_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await desk.sandbox.control.get(f"/salesforce/orders/{order_id}")).json()
    return found


async def shown(desk: Any, order_id: str) -> dict[str, Any]:
    """Return the order as its customer sees it."""
    document = await desk.pool.fetchval("SELECT document FROM read_model.orders WHERE order_id = $1", order_id)
    return dict(msgspec.json.decode(document))


async def plan_product(desk: Any, order_id: str) -> str:
    rows = await desk.resources.salesforce.query(
        f"SELECT Product2Id FROM OrderItem WHERE OrderId = '{order_id}' AND Product2.Item_Class__c = 'Service'"
    )
    return str(rows[0]["Product2Id"])


async def without_product(desk: Any, order_id: str) -> None:
    """The plan's product in WHMCS is not known."""
    product_id = await plan_product(desk, order_id)
    await desk.sandbox.control.patch(f"/salesforce/Product2/{product_id}", json={"WH_Product_ID__c": None})


async def with_product(desk: Any, order_id: str, number: Any) -> None:
    product_id = await plan_product(desk, order_id)
    await desk.sandbox.control.patch(f"/salesforce/Product2/{product_id}", json={"WH_Product_ID__c": number})


async def whmcs_number(desk: Any, order_id: str) -> Any:
    product_id = await plan_product(desk, order_id)
    return (await desk.sandbox.control.get(f"/salesforce/Product2/{product_id}")).json()["WH_Product_ID__c"]


async def failed(desk: Any, actor: Any) -> tuple[str, Any]:
    """An order that failed because its product is not mapped, and the number that it lacks."""
    order_id = await desk.place(actor, await desk.basket("vpn"))
    number = await whmcs_number(desk, order_id)
    await without_product(desk, order_id)
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "failed"
    await desk.settle()
    return order_id, number


async def test_created_is_a_state_of_its_own(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    states = [each["state"] for each in (await shown(desk, order_id))["timeline"]]
    assert states == ["in_review", "approved", "created", "activating", "active"]
    kinds = await desk.pool.fetch(
        "SELECT kind FROM read_model.timeline WHERE account_id = $1 AND area = 'orders' ORDER BY at", actor.account_id
    )
    told = [row["kind"] for row in kinds if row["kind"] != "order_active"]
    assert told[-4:] == [f"order_{state}" for state in states[:4]]


async def test_a_pause_is_shown_without_any_change_event(desk: Any) -> None:
    order_id, _ = await failed(desk, await desk.customer())
    order = await shown(desk, order_id)
    assert (order["status"], order["reason"]["code"], order["next_step"]) == ("paused", "activation_failed", "wait")


@pytest.mark.parametrize("again", [["Reactivate"], ["Pending Review", "Approved"]])
async def test_a_mended_order_is_continued_from_salesforce(desk: Any, again: list[str]) -> None:
    actor = await desk.customer()
    order_id, number = await failed(desk, actor)
    await with_product(desk, order_id, number)
    for status in again:
        await edited(desk, order_id, Status=status)
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_a_continued_order_says_so_at_once_and_may_be_continued_again(desk: Any) -> None:
    actor = await desk.customer()
    order_id, number = await failed(desk, actor)
    await edited(desk, order_id, Status="Reactivate")
    assert (await shown(desk, order_id))["status"] == "approved"
    assert await desk.fulfil(order_id) == "failed"
    held = await order_in_salesforce(desk, order_id)
    assert (held["Status"], held["Activation_Error_Code__c"]) == ("Approved", "PRODUCT_NOT_MAPPED")
    assert await fulfilment.take_up(desk.pool) == []
    await desk.news(order_id)
    assert await fulfilment.take_up(desk.pool) == [], "what the portal writes itself is no approval"

    await with_product(desk, order_id, number)
    await edited(desk, order_id, Status="Reactivate")
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_a_paused_order_that_is_continued_without_its_cause_gone_says_why_again(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    for method in await desk.resources.whmcs.pay_methods(actor.whmcs_client_id):
        (await desk.sandbox.control.delete(f"/whmcs/pay-methods/{method.record_id}")).raise_for_status()
    assert await desk.fulfil(order_id) == "paused"
    await edited(desk, order_id, Status="Reactivate")
    assert await desk.fulfil(order_id) == "paused"
    await desk.settle()
    held = await order_in_salesforce(desk, order_id)
    assert (held["Status"], held["Activation_Error_Code__c"]) == ("Approved", "PAYMENT_METHOD_MISSING")
    assert (await shown(desk, order_id))["status"] == "awaiting_payment_method"


async def test_reactivate_on_an_order_that_was_never_approved_starts_it(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.place(actor, await desk.basket("vpn"))
    await edited(desk, order_id, Status="Reactivate")
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_a_pause_ends_for_the_customer_as_soon_as_its_cause_is_gone(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.place(actor, await desk.basket("sim", configuration={"sim_type": "physical"}))
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "paused"
    await desk.settle()
    assert (await shown(desk, order_id))["reason"]["code"] == "sim_not_assigned"
    body = {"Assigned_Order__c": order_id, "Phone_Number__c": "09000001234"}
    (await desk.sandbox.control.post("/salesforce/SIM_Inventory__c", json=body)).raise_for_status()
    await desk.hurry(order_id)
    await fulfilment.run(desk.context, order_id)
    await desk.settle()
    assert (await desk.journal(order_id))["state"] == "running", "the line is requested and not in service yet"
    order = await shown(desk, order_id)
    assert (order["status"], order["reason"]) == ("activating", None)
    assert await desk.fulfil(order_id) == "done"


@pytest.mark.parametrize("word", ["Cancelled", "Rejected"])
async def test_an_order_that_staff_end_before_anything_was_done_ends(desk: Any, word: str) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await edited(desk, order_id, Status=word)
    assert await desk.fulfil(order_id) == "cancelled"
    assert await desk.whmcs_orders(actor, order_id) == []
    await desk.settle()
    held, order = await order_in_salesforce(desk, order_id), await shown(desk, order_id)
    assert (held["Status"], held["Activation_Error_Code__c"]) == (word, "CANCELLED_IN_SALESFORCE")
    assert (order["status"], order["reason"]) == (word.lower(), None)


@pytest.mark.parametrize("category", ["vpn", "hosting"])
async def test_an_order_that_staff_cancel_in_salesforce_is_undone(desk: Any, category: str) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered(category, actor)
    operation = {"vpn": ("whmcs", "AcceptOrder"), "hosting": ("salesforce", "composite")}[category]
    if category == "vpn":
        await desk.sandbox.fault("whmcs", "status", operation=operation[1], status=500, count=None)
        await desk.fulfil(order_id)
        await desk.sandbox.clear_faults()
        desk.let_in()
    else:
        await desk.sandbox.fault("whm", "timeout_after_write", operation="createacct")
        await fulfilment.run(desk.context, order_id)
    await edited(desk, order_id, Status="Cancelled")
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "cancelled"
    facts = (await desk.journal(order_id))["facts"]
    assert facts["former_whmcs_orders"]
    if category == "hosting":
        assert await desk.context.whm.account(facts["hosting_username"]) is None
    services = (await desk.sandbox.control.get("/whmcs/services", params={"clientid": actor.whmcs_client_id})).json()
    made = [each for each in services["records"] if each["id"] in facts["service_ids"]]
    assert {each["status"] for each in made} == {"Cancelled"}
    assert (await order_in_salesforce(desk, order_id))["Status"] == "Cancelled", "the portal does not overrule staff"
    await fulfilment.take_up(desk.pool)
    assert (await desk.journal(order_id))["state"] == "cancelled"


async def test_what_billing_refuses_to_undo_is_looked_at_again(desk: Any) -> None:
    """Such as an order with a payment. Staff do it there, and the portal closes the order."""
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "status", operation="AcceptOrder", status=500, count=None)
    await desk.fulfil(order_id)
    await desk.sandbox.clear_faults()
    refusal = {"find": "success", "replace": "error", "operation": "CancelOrder", "count": 1}
    await desk.sandbox.fault("whmcs", "rewrite", **refusal)
    await edited(desk, order_id, Status="Cancelled")
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "paused"
    held = await order_in_salesforce(desk, order_id)
    assert (held["Status"], held["Activation_Error_Code__c"]) == ("Cancelled", "WHMCS_REJECTED")
    assert "Undoing was refused: CancelOrder" in held["Activation_Error_Message__c"]
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "cancelled", "WHMCS has cancelled it meanwhile"
    await edited(desk, order_id, Status="Approved")
    assert await desk.fulfil(order_id) == "done", "its order in WHMCS is not taken for the new one"


async def test_a_cancelled_order_that_is_approved_again_begins_anew(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "status", operation="AcceptOrder", status=500, count=None)
    await desk.fulfil(order_id)
    await desk.sandbox.clear_faults()
    desk.let_in()
    await edited(desk, order_id, Status="Cancelled")
    assert await desk.fulfil(order_id) == "cancelled"
    await desk.settle()
    await edited(desk, order_id, Status="Approved")
    assert await desk.fulfil(order_id) == "done"
    states = sorted(each["status"] for each in await desk.whmcs_orders(actor, order_id))
    assert states == ["Active", "Cancelled"]
    assert (await order_in_salesforce(desk, order_id))["Activation_Status__c"] == "Activated"


@pytest.mark.parametrize("category", ["vpn", "internet", "sim", "hosting"])
async def test_a_customer_comes_back_after_a_cancellation(desk: Any, category: str) -> None:
    actor = await desk.customer(internet="Home 1G")
    basket = await desk.basket(category)
    first = await desk.place(actor, basket)
    await desk.approve(first)
    if category != "sim":
        operation = "AcceptOrder"
        await desk.sandbox.fault("whmcs", "status", operation=operation, status=500, count=None)
        await desk.fulfil(first)
        await desk.sandbox.clear_faults()
        desk.let_in()
    await edited(desk, first, Status="Cancelled")
    await desk.hurry(first)
    assert await desk.fulfil(first) == "cancelled"
    await desk.settle()

    again = msgspec.structs.replace(actor, command_key="another request")
    second = await desk.place(again, basket)
    assert second != first
    await desk.approve(second)
    assert await desk.fulfil(second) == "done"
    await desk.assert_whole(actor, second)


async def test_a_closed_billing_account_pauses_the_order_until_it_is_open_again(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.resources.whmcs.update_client(actor.whmcs_client_id, {"status": "Closed"})
    assert await desk.fulfil(order_id) == "paused"
    await desk.settle()
    order = await shown(desk, order_id)
    assert (order["reason"]["code"], order["next_step"]) == ("account_closed", "contact_support")
    profile = "SELECT status FROM read_model.profiles WHERE account_id = $1"
    assert await desk.pool.fetchval(profile, actor.account_id) == "Closed", "the read model learned of it at once"

    await desk.resources.whmcs.update_client(actor.whmcs_client_id, {"status": "Active"})
    await desk.resources.inbox.submit([desk.whmcs_news("client", actor.whmcs_client_id)])
    await desk.settle()
    code = fulfilment.RESUMED_BY["profiles"]
    await fulfilment.resume_paused(desk.pool, [actor.account_id], code)
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


@pytest.mark.parametrize("where", ["whmcs", "portal"])
async def test_an_order_without_a_billing_account_says_so_and_goes_on_when_there_is_one(desk: Any, where: str) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    if where == "whmcs":
        change = "UPDATE portal.id_mappings SET whmcs_client_id = '999999' WHERE account_id = $1"
    else:
        change = "DELETE FROM portal.id_mappings WHERE account_id = $1"
    kept = await desk.pool.fetchrow("SELECT * FROM portal.id_mappings WHERE account_id = $1", actor.account_id)
    await desk.pool.execute(change, actor.account_id)
    assert await desk.fulfil(order_id) == "failed"
    held = await order_in_salesforce(desk, order_id)
    assert held["Activation_Error_Code__c"] == "BILLING_ACCOUNT_MISSING"
    assert held["Activation_Status__c"] == "Failed"

    await desk.pool.execute("DELETE FROM portal.id_mappings WHERE account_id = $1", actor.account_id)
    names = ", ".join(kept.keys())
    slots = ", ".join(f"${number}" for number in range(1, len(kept) + 1))
    await desk.pool.execute(f"INSERT INTO portal.id_mappings ({names}) VALUES ({slots})", *kept.values())
    await edited(desk, order_id, Status="Reactivate")
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_a_line_that_freebit_made_without_an_answer_is_adopted_from_salesforce(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("sim", actor)
    await desk.sandbox.fault("freebit", "timeout_after_write", operation="mvno/esim/addAcnt", count=1)
    await desk.fulfil(order_id)
    assert (await desk.journal(order_id))["error_code"] == "SIM_OUTCOME_UNKNOWN"
    lines = (await desk.sandbox.control.get("/freebit/lines")).json()["records"]
    [line] = [each for each in lines if each.get("eid")]
    body = {"Assigned_Order__c": order_id, "Phone_Number__c": line["account"]}
    (await desk.sandbox.control.post("/salesforce/SIM_Inventory__c", json=body)).raise_for_status()
    await edited(desk, order_id, Status="Reactivate")
    assert await desk.fulfil(order_id) == "done"
    after = (await desk.sandbox.control.get("/freebit/lines")).json()["records"]
    assert len(after) == len(lines), "no second line"
    await desk.assert_whole(actor, order_id)


async def test_an_approval_from_before_the_failure_requests_no_second_line(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("sim", actor)
    await desk.sandbox.fault("freebit", "timeout_after_write", operation="mvno/esim/addAcnt", count=1)
    reactivated = {"Status": "Reactivate"}
    (await desk.sandbox.control.patch(f"/salesforce/orders/{order_id}", json=reactivated)).raise_for_status()
    await desk.news(order_id)
    await desk.pool.execute("UPDATE portal.fulfilments SET approval = 'the one before'")  # as if not taken up yet
    assert await desk.fulfil(order_id) == "failed"
    assert await fulfilment.take_up(desk.pool) == [order_id], "staff continued it, without having seen how it ended"
    assert await desk.fulfil(order_id) == "failed"
    assert (await desk.journal(order_id))["error_code"] == "SIM_OUTCOME_UNKNOWN"
    lines = (await desk.sandbox.control.get("/freebit/lines")).json()["records"]
    assert len([each for each in lines if each.get("eid")]) == 1


async def test_an_order_continued_between_two_checks_keeps_its_code(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    for method in await desk.resources.whmcs.pay_methods(actor.whmcs_client_id):
        (await desk.sandbox.control.delete(f"/whmcs/pay-methods/{method.record_id}")).raise_for_status()
    assert await desk.fulfil(order_id) == "paused"
    reactivated = {"Status": "Reactivate"}
    (await desk.sandbox.control.patch(f"/salesforce/orders/{order_id}", json=reactivated)).raise_for_status()
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "paused"
    held = await order_in_salesforce(desk, order_id)
    assert (held["Status"], held["Activation_Error_Code__c"]) == ("Approved", "PAYMENT_METHOD_MISSING")
