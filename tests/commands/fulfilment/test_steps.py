"""Provisioning within fulfilment: SIM lines at Freebit and hosting accounts at WHM, each made once."""

from typing import Any
from uuid import uuid4

from app.commands import fulfilment
from app.commands.fulfilment.hosting import username

MNP = {
    "reservation_number": "1234567890",
    "expires_on": "2099-01-01",
    "phone_number": "09099990001",
    "last_name": "佐藤",
    "first_name": "花",
    "last_name_kana": "サトウ",
    "first_name_kana": "ハナ",
    "gender": "female",
    "birthday": "1990-04-01",
}


async def test_an_esim_is_watched_until_it_is_in_service(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("sim", actor)

    await fulfilment.run(desk.context, order_id)
    waiting = await desk.journal(order_id)
    assert await desk.fulfil(order_id) == "done"

    assert (waiting["state"], waiting["step"]) == ("running", "sim")
    line = await desk.resources.freebit.detail(waiting["facts"]["sim_account"])
    assert line is not None
    assert line.active
    await desk.assert_whole(actor, order_id)


async def test_a_number_that_comes_along_is_found_again_after_a_lost_answer(desk: Any) -> None:
    actor = await desk.customer()
    configuration = {"sim_type": "esim", "eid": "89049032000000000000000000000077", "mnp": MNP}
    order_id = await desk.ordered("sim", actor, configuration=configuration)
    await desk.sandbox.fault("freebit", "timeout_after_write", "mvno/esim/addAcnt/")

    assert await desk.fulfil(order_id) == "done"

    await desk.assert_whole(actor, order_id)
    line = await desk.resources.freebit.detail(MNP["phone_number"])
    assert line is not None
    assert line.eid == configuration["eid"]
    asked = [call for call in await desk.sandbox.calls("freebit") if "esim/addAcnt" in call["operation"]]
    assert len(asked) == 1


async def test_a_physical_sim_waits_for_staff_to_assign_one(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("sim", actor, configuration={"sim_type": "physical"})

    assert await desk.fulfil(order_id) == "paused"
    [order] = await desk.salesforce_orders(actor)
    assert order["Activation_Error_Code__c"] == "SIM_NOT_ASSIGNED"

    fields = {"Name": "AX0000000000001", "Phone_Number__c": "08055550001", "Assigned_Order__c": order_id}
    await desk.resources.salesforce.create("SIM_Inventory__c", fields)
    await fulfilment.resume_paused(desk.pool, [actor.account_id], "SIM_NOT_ASSIGNED")
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def instant_order(desk: Any, actor: Any) -> str:
    """Place a hosting order that needs no review, and fulfil it as far as possible."""
    order_id = await desk.place(actor, await desk.basket("hosting", items=[{"sku": "HOSTING-BUSINESS"}]))
    await fulfilment.take_up(desk.pool)
    assert await desk.fulfil(order_id) == "paused"
    return str(order_id)


async def test_instant_hosting_needs_no_review_but_its_invoice_paid(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await instant_order(desk, actor)
    assert {call["operation"] for call in await desk.sandbox.calls("whm")} <= {"listaccts"}  # looks, writes nothing
    await desk.news(order_id)
    row = await desk.pool.fetchrow("SELECT status, document FROM read_model.orders WHERE order_id = $1", order_id)
    assert row["status"] == "awaiting_payment"
    assert b'"code":"payment_pending"' in row["document"]

    invoice_id = (await desk.journal(order_id))["facts"]["invoice_id"]
    (await desk.sandbox.control.post(f"/whmcs/invoices/{invoice_id}/pay")).raise_for_status()
    await fulfilment.resume_paused(desk.pool, [actor.account_id], "PAYMENT_PENDING")
    assert await desk.fulfil(order_id) == "done"

    await desk.assert_whole(actor, order_id)
    assert [call["operation"] for call in await desk.sandbox.calls("whm")].count("createacct") == 1


async def test_an_instant_order_whose_invoice_was_cancelled_goes_to_staff(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await instant_order(desk, actor)
    invoice_id = (await desk.journal(order_id))["facts"]["invoice_id"]
    body = {"status": "Cancelled"}
    (await desk.sandbox.control.patch(f"/whmcs/invoices/{invoice_id}", json=body)).raise_for_status()
    await fulfilment.resume_paused(desk.pool, [actor.account_id], "PAYMENT_PENDING")

    assert await desk.fulfil(order_id) == "failed"
    assert (await desk.journal(order_id))["error_code"] == "INVOICE_NOT_PAYABLE"


async def test_a_basket_that_is_not_all_instant_is_reviewed(desk: Any) -> None:
    actor = await desk.customer()
    items = [{"sku": "HOSTING-BUSINESS"}, {"sku": "VPN-GLOBAL"}, {"sku": "VPN-ACTIVATION-FEE"}]
    configuration = {"domain": "both.example", "vpn_region": "Global"}
    await desk.place(actor, await desk.basket("hosting", items=items, configuration=configuration))

    assert await fulfilment.take_up(desk.pool) == []


async def test_an_unanswered_hosting_account_is_found_under_its_name(desk: Any) -> None:
    actor = await desk.customer()
    basket = await desk.basket("hosting")
    order_id = await desk.place(actor, basket)
    await desk.approve(order_id)
    await desk.sandbox.fault("whm", "timeout_after_write", "createacct")

    assert await desk.fulfil(order_id) == "done"

    account = await desk.resources.whm.account(username(order_id))
    assert account is not None
    assert account.domain == basket.configuration.domain
    assert [call["operation"] for call in await desk.sandbox.calls("whm")].count("createacct") == 1
    await desk.assert_whole(actor, order_id)


def test_a_username_suits_whm_and_is_always_the_same() -> None:
    names = {username(uuid4().hex) for _ in range(200)}

    assert len(names) == 200
    assert all(len(name) == 8 and name.isalnum() and name.islower() and name[0].isalpha() for name in names)
    assert username("8015h000000000DAAQ") == username("8015h000000000DAAQ")
