"""Staff decide: try again, or cancel and have undone what was done."""

from typing import Any

import pytest

from app.audit import Operator
from app.commands import fulfilment
from app.commands.fulfilment import decide, overview
from app.errors import Conflict, NotFound

AYA = Operator(name="aya")


async def state_of(desk: Any, order_id: str) -> tuple[str, str | None]:
    story = await overview.one(desk.pool, order_id)
    return story.fulfilment.state, story.fulfilment.error_code


async def salesforce_order(desk: Any, order_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await desk.sandbox.control.get(f"/salesforce/orders/{order_id}")).json()
    return found


async def billed(desk: Any, actor: Any, order_id: str) -> list[str]:
    """Return the states of this order in WHMCS."""
    return [each["status"] for each in await desk.whmcs_orders(actor, order_id)]


async def test_the_queue_shows_step_error_and_every_attempt(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "status", operation="AcceptOrder", status=500, count=None)
    await desk.fulfil(order_id)
    [listed] = await overview.listed(desk.pool)
    assert (listed.order_id, listed.step, listed.account_id) == (order_id, "accept", actor.account_id)
    story = await overview.one(desk.pool, order_id)
    assert [each.step for each in story.tried][:5] == [
        "check_payment",
        "announce",
        "whmcs_order",
        "agreed_prices",
        "payment",
    ]
    assert story.tried[-1].outcome in ("retry", "pause")
    assert [(each.state, each.count) for each in await overview.counts(desk.pool)] == [(listed.state, 1)]
    with pytest.raises(NotFound):
        await overview.one(desk.pool, "801000000000000AAA")


async def test_staff_may_waive_the_payment_method_and_it_stands_in_the_log(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    for method in await desk.resources.whmcs.pay_methods(actor.whmcs_client_id):
        (await desk.sandbox.control.delete(f"/whmcs/pay-methods/{method.record_id}")).raise_for_status()
    assert await desk.fulfil(order_id) == "paused"
    await decide.retry(desk.context, AYA, order_id)
    assert await desk.fulfil(order_id) == "paused"

    await decide.retry(desk.context, AYA, order_id, force=True)
    assert await desk.fulfil(order_id) == "done"

    await desk.assert_whole(actor, order_id)
    details = await desk.pool.fetch("SELECT detail FROM portal.audit WHERE action = 'fulfilment.retry' ORDER BY id")
    assert [each["detail"].get("payment") for each in details] == [None, "waived"]


async def test_the_customer_gets_one_mail(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    assert await desk.fulfil(order_id) == "done"
    await desk.pool.execute("UPDATE portal.fulfilments SET state = 'running', step = 'complete'")
    assert await desk.fulfil(order_id) == "done"

    [mail] = await desk.pool.fetch("SELECT kind, recipient FROM portal.mails")
    email = await desk.pool.fetchval("SELECT email FROM portal.users WHERE id = $1", actor.user_id)
    assert (mail["kind"], mail["recipient"]) == ("service_active", email)


async def test_a_failed_order_is_tried_again_from_where_it_stopped(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "status", operation="AcceptOrder", status=500, count=None)
    await desk.fulfil(order_id)
    await desk.sandbox.clear_faults()
    desk.let_in()
    story = await decide.retry(desk.context, AYA, order_id)
    assert (story.fulfilment.state, story.fulfilment.attempt, story.fulfilment.error_code) == ("running", 0, None)
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)
    assert await billed(desk, actor, order_id) == ["Active"]
    with pytest.raises(Conflict) as over:
        await decide.retry(desk.context, AYA, order_id)
    assert over.value.code == "fulfilment_over"


@pytest.mark.parametrize("operation", ["AddOrder", "AcceptOrder"])
async def test_a_cancelled_order_leaves_nothing_in_billing(desk: Any, operation: str) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "status", operation=operation, status=500, count=None)
    await desk.fulfil(order_id)
    await desk.sandbox.clear_faults()
    await desk.hurry(order_id)  # no write can be running any more
    story = await decide.cancel(desk.context, AYA, order_id, "the customer called")
    assert story.fulfilment.state == "cancelled"
    assert set(await billed(desk, actor, order_id)) <= {"Cancelled"}
    held = await salesforce_order(desk, order_id)
    assert (held["Status"], held["Activation_Error_Message__c"]) == ("Cancelled", "the customer called")
    assert (await decide.cancel(desk.context, AYA, order_id, "again")).fulfilment.error_message == "the customer called"
    actions = await desk.pool.fetch("SELECT action, detail FROM portal.audit WHERE target = $1", order_id)
    assert [(row["action"], row["detail"]["operator"]) for row in actions] == [("fulfilment.cancel", "aya")]


async def test_a_hosting_account_made_for_the_order_is_removed(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("hosting", actor)
    await desk.sandbox.fault("whm", "timeout_after_write", operation="createacct")
    await fulfilment.run(desk.context, order_id)
    story = await overview.one(desk.pool, order_id)
    name = story.facts["hosting_username"]
    assert await desk.context.whm.account(name) is not None
    await desk.hurry(order_id)
    cancelled = await decide.cancel(desk.context, AYA, order_id, "wrong package")
    assert await desk.context.whm.account(name) is None
    undone = {each.step for each in cancelled.tried if each.outcome == "undone"}
    assert undone == {"hosting", "whmcs_order"}
    services = (await desk.sandbox.control.get("/whmcs/services", params={"clientid": actor.whmcs_client_id})).json()
    made = [each for each in services["records"] if each["id"] in story.facts["service_ids"]]
    assert {each["status"] for each in made} == {"Cancelled"}


async def test_a_line_that_was_requested_is_ended_by_the_worker(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("sim", actor)
    await fulfilment.run(desk.context, order_id)
    assert (await overview.one(desk.pool, order_id)).facts["sim_account"]
    story = await decide.cancel(desk.context, AYA, order_id, "the customer called")
    assert (story.fulfilment.state, (await salesforce_order(desk, order_id))["Status"]) == ("running", "Cancelled")
    assert await desk.fulfil(order_id) == "cancelled"
    held = await salesforce_order(desk, order_id)
    assert held["Activation_Error_Code__c"] == "CANCELLED_BY_STAFF"
    assert held["Activation_Error_Message__c"].startswith("the customer called Undone: WHMCS order ")
    assert await billed(desk, actor, order_id) == ["Active"]
    [line] = (await desk.sandbox.control.get("/freebit/lines")).json()["records"][:1]
    assert line["state"] == "cancelled"


@pytest.mark.parametrize("after_write", [True, False])
async def test_a_write_that_may_still_be_running_is_waited_for(desk: Any, after_write: bool) -> None:
    """AddOrder was not answered: WHMCS may be about to have the order, which nobody would cancel."""
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "timeout_after_write" if after_write else "timeout", operation="AddOrder")
    await fulfilment.run(desk.context, order_id)
    assert (await decide.cancel(desk.context, AYA, order_id, "early")).fulfilment.state == "running"
    await fulfilment.run(desk.context, order_id)
    assert (await state_of(desk, order_id))[0] == "running", "its absence proves nothing yet"
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "cancelled"
    assert set(await billed(desk, actor, order_id)) == ({"Cancelled"} if after_write else set())


async def test_a_cancellation_that_was_stopped_goes_on(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "status", operation="AcceptOrder", status=500, count=None)
    await desk.fulfil(order_id)
    await desk.sandbox.clear_faults()
    desk.let_in()
    await desk.sandbox.fault("salesforce", "down", count=None)
    with pytest.raises(Exception, match="salesforce"):
        await decide.cancel(desk.context, AYA, order_id, "stopped")
    assert (await state_of(desk, order_id))[0] != "cancelled"
    await desk.sandbox.clear_faults()
    desk.let_in()
    assert (await decide.cancel(desk.context, AYA, order_id, "stopped")).fulfilment.state == "cancelled"
    assert await billed(desk, actor, order_id) == ["Cancelled"]
