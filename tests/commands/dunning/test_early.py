"""Nothing comes earlier than planned, whatever an invoice was looked at for; and what is exempt does not come."""

import asyncio
from collections.abc import Coroutine
from datetime import date, timedelta
from typing import Any

import pytest

from app.commands.execution.context import Actor
from tests.commands.dunning.collecting import DECLINED, GOOD, MONDAY, Collecting

SUSPENSION = MONDAY + timedelta(days=14)


@pytest.fixture
async def aya(collecting: Collecting) -> Actor:
    """A customer whose only card is declined."""
    actor = await collecting.desk.customer()
    await collecting.card(actor, DECLINED, only=True)
    return actor


async def hold(c: Collecting, invoice: str, actor: Actor, until: date) -> None:
    await c.desk.pool.execute(
        "INSERT INTO portal.dunning_holds (account_id, whmcs_invoice_id, reason, until, placed_by) "
        "VALUES ($1, $2, 'ill', $3, 'mika')",
        str(actor.account_id),
        int(invoice),
        until,
    )


async def lift(c: Collecting) -> None:
    await c.desk.pool.execute("UPDATE portal.dunning_holds SET lifted_at = now()")


async def test_a_new_card_during_a_hold_brings_no_planned_charge_forward(collecting: Collecting, aya: Actor) -> None:
    c, tuesday = collecting, MONDAY + timedelta(days=1)
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await c.days(MONDAY, 2)
    planned = await c.row(invoice)
    assert planned is not None
    await hold(c, invoice, aya, tuesday)
    await c.card(aya, DECLINED)
    await c.later(minutes=15)
    await c.captures()
    await lift(c)
    for _ in range(2):
        await c.later(minutes=61)
        await c.captures()
    row = await c.row(invoice)
    assert row is not None
    assert (row.slot, row.next_step_at, row.next_attempt_at) == (1, planned.next_step_at, planned.next_step_at)
    assert "new_method_failed 0" in await c.told(invoice)  # the new card itself was charged at once


async def test_a_hold_on_the_due_date_uses_no_repetition(collecting: Collecting, aya: Actor) -> None:
    c = collecting
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await hold(c, invoice, aya, MONDAY)
    await c.day(MONDAY)
    await lift(c)
    await c.later(minutes=61)
    await c.captures()
    row = await c.row(invoice)
    assert row is not None
    assert (row.slot, await c.tries()) == (0, 0)
    await c.day(MONDAY + timedelta(days=1))
    assert (await c.tries(), (await c.told(invoice))[0]) == (1, "payment_failed 1")


async def test_a_charge_in_doubt_on_the_due_date_uses_no_repetition(collecting: Collecting, aya: Actor) -> None:
    c = collecting
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await c.move_to(MONDAY)
    await c.desk.sandbox.fault("whmcs", kind="reset", operation="CapturePayment")
    await c.run()
    row = await c.row(invoice)
    assert row is not None
    for _ in range(3):
        await c.later(minutes=20)
        await c.run()
    row = await c.row(invoice)
    assert row is not None
    assert row.slot == 0


async def test_what_is_paid_between_its_last_two_reads_is_not_suspended(collecting: Collecting, aya: Actor) -> None:
    """WHMCS takes a second to tell of the service; the customer pays within it."""
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 14)
    await c.move_to(SUSPENSION)
    await paid_during(c, invoice, "GetClientsProducts", c.suspension())
    assert (await c.status(service), await calls(c, "ModuleSuspend")) == ("Active", 0)
    await c.follow()
    assert await c.state(invoice) == "settled"


async def test_what_is_paid_after_it_was_looked_at_is_not_charged(collecting: Collecting, aya: Actor) -> None:
    """WHMCS takes a second to tell of the cards, after it told that the invoice is unpaid."""
    c = collecting
    await c.card(aya, GOOD, only=True)
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await c.move_to(MONDAY)
    await paid_during(c, invoice, "GetPayMethods", c.captures())
    assert (await c.tries(), len(await c.desk.payments(invoice))) == (0, 1)
    await c.follow()
    assert await c.state(invoice) in ("", "settled")


async def paid_during(c: Collecting, invoice: str, operation: str, job: Coroutine[Any, Any, None]) -> None:
    """Run a job, and let the customer pay while it waits for WHMCS to answer a call."""
    before = await calls(c, operation)
    await c.desk.sandbox.fault("whmcs", kind="latency", seconds=1.5, operation=operation)
    running = asyncio.create_task(job)
    async with asyncio.timeout(60):
        while await calls(c, operation) == before:
            await asyncio.sleep(0.02)
    await c.desk.sandbox.control.post(f"/whmcs/invoices/{invoice}/pay", json={"silent": True})
    await running


async def calls(c: Collecting, operation: str) -> int:
    return [each["operation"] for each in await c.desk.sandbox.calls("whmcs")].count(operation)


async def test_a_group_that_is_exempt_is_charged_and_never_suspended(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    group = (
        await c.desk.sandbox.control.post("/whmcs/client-groups", json={"groupname": "Staff", "susptermexempt": True})
    ).json()
    await c.staff("clients", aya.whmcs_client_id, reread="client", groupid=group["id"])
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 22)
    row = await c.row(invoice)
    assert row is not None
    assert (await c.tries(), row.state, row.suspend_on, await c.status(service)) == (4, "grace", None, "Active")
    assert "suspension_announced 0" not in await c.told(invoice)
    await c.staff("clients", aya.whmcs_client_id, reread="client", groupid=0)
    await c.days(MONDAY + timedelta(days=22), 14)
    assert await c.status(service) == "Suspended"


@pytest.mark.parametrize(
    ("exempt", "first_day"),
    [
        ({"overideautosuspend": True}, None),
        ({"overideautosuspend": True, "overidesuspenduntil": "0000-00-00"}, None),
        ({"overideautosuspend": True, "overidesuspenduntil": str(SUSPENSION + timedelta(days=2))}, 16),
        ({"overideautosuspend": True, "overidesuspenduntil": str(SUSPENSION - timedelta(days=2))}, 14),
        ({"overideautosuspend": False, "overidesuspenduntil": str(SUSPENSION + timedelta(days=2))}, 14),
    ],
)
async def test_a_service_that_staff_exempt_until_a_day_is_suspended_on_it(
    collecting: Collecting, aya: Actor, exempt: dict[str, Any], first_day: int | None
) -> None:
    c, service = collecting, await collecting.service(aya)
    await c.bill(aya, MONDAY, service)
    await c.staff("services", service, reread="service", **exempt)
    await c.days(MONDAY, 13)
    suspended_on = None
    for number in range(13, 19):
        await c.day(MONDAY + timedelta(days=number))
        if suspended_on is None and await c.status(service) == "Suspended":
            suspended_on = number
    assert suspended_on == first_day
