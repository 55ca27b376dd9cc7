"""Eligibility stays with the address that was checked when the address on file changes."""

from typing import Any

from app.commands.account.change_address import ChangeAddress, change_address
from app.commands.account.checked_address import record_missing
from app.commands.identity.enrolment.sign_up import SignUpAddress
from app.commands.orders.check_order import check_order

MOVED = SignUpAddress(address1="4-5-6 Sakae", city="Naka-ku", state="Aichi", postcode="460-0008", country="JP")
FIELD = "Internet_Eligibility_Address__c"


async def checked_address(desk: Any, actor: Any) -> str:
    """Return the checked address as Salesforce has it."""
    return str((await desk.resources.salesforce.get("Account", actor.salesforce_account_id))[FIELD] or "")


async def codes(desk: Any, actor: Any, **more: Any) -> list[str]:
    """Return the codes that an Internet order is refused with."""
    result = (await check_order(desk.context, actor, await desk.basket("internet", **more))).result
    return [each.code for each in result.violations]


async def record(desk: Any) -> int:
    """Run the chore."""
    done = await record_missing(desk.pool, desk.resources.inbox, desk.resources.salesforce)
    await desk.settle()
    return done


async def test_a_customer_who_moves_is_not_eligible_at_the_new_address(desk: Any) -> None:
    actor = await desk.customer(internet="Home 1G")
    assert await codes(desk, actor) == []
    before = (await desk.resources.whmcs.client(actor.whmcs_client_id)).data
    await change_address(desk.context, actor, ChangeAddress(MOVED))
    await desk.settle()
    assert before["address1"] in await checked_address(desk, actor)
    assert await codes(desk, actor) == ["not_eligible"]
    names = ("address1", "address2", "city", "state", "postcode", "country")
    assert await codes(desk, actor, address={name: before[name] for name in names}) == []


async def test_an_address_that_was_recorded_is_not_replaced_by_a_move(desk: Any) -> None:
    actor = await desk.customer(internet="Home 1G")
    await desk.resources.salesforce.update("Account", actor.salesforce_account_id, {FIELD: "somewhere else 1"})
    await change_address(desk.context, actor, ChangeAddress(MOVED))
    assert await checked_address(desk, actor) == "somewhere else 1"


async def test_who_is_not_eligible_may_move_while_salesforce_is_away(desk: Any) -> None:
    actor = await desk.customer()
    await desk.sandbox.fault("salesforce", "down", count=100)
    await change_address(desk.context, actor, ChangeAddress(MOVED))
    await desk.sandbox.clear_faults()
    desk.let_in()
    assert await checked_address(desk, actor) == ""


async def test_a_worker_records_what_staff_left_out_once(desk: Any) -> None:
    actor, other = await desk.customer(internet="Home 1G"), await desk.customer(number=1)
    assert await record(desk) == 1
    address1 = (await desk.resources.whmcs.client(actor.whmcs_client_id)).data["address1"]
    assert address1 in await checked_address(desk, actor)
    assert await checked_address(desk, other) == ""
    assert await record(desk) == 0
    assert await codes(desk, actor) == []


async def test_an_outage_of_salesforce_ends_the_run_and_the_next_one_goes_on(desk: Any) -> None:
    await desk.customer(internet="Home 1G")
    await desk.sandbox.fault("salesforce", "down", count=100)
    assert await record(desk) == 0
    await desk.sandbox.clear_faults()
    desk.let_in()
    assert await record(desk) == 1
