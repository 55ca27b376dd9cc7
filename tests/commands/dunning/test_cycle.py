"""From the due date to suspension and back, with the days that the policy names."""

from datetime import date, timedelta

import pytest

from app.commands.execution.context import Actor
from tests.commands.dunning.collecting import DECLINED, GOOD, MONDAY, Collecting


@pytest.fixture
async def aya(collecting: Collecting) -> Actor:
    """A customer whose only card is declined."""
    actor = await collecting.desk.customer()
    await collecting.card(actor, DECLINED, only=True)
    return actor


async def test_an_unpaid_invoice_is_charged_four_times_and_suspended_after_its_grace(
    collecting: Collecting, aya: Actor
) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    tried_on: list[int] = []
    for number in range(-2, 16):
        before = await c.tries()
        await c.day(MONDAY + timedelta(days=number))
        await c.run()  # a second run on the same day does nothing more
        tried_on += [number] * (await c.tries() - before)
        suspended = await c.status(service) == "Suspended"
        assert suspended == (number >= 14)
    assert tried_on == [0, 1, 3, 7]
    assert await c.told(invoice) == [
        "payment_failed 0",
        "payment_failed 1",
        "payment_failed 2",
        "payment_failed 3",
        "suspension_announced 0",
        "suspended 0",
    ]
    row = await c.row(invoice)
    assert row is not None
    assert (row.state, row.attempts, row.max_attempts) == ("suspended", 3, 3)
    assert (await c.whmcs("services", service))["suspensionreason"] == "Overdue on Payment"


async def test_a_payment_by_whomever_brings_the_service_back(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 15)
    assert await c.status(service) == "Suspended"
    await c.pay(invoice, gateway="banktransfer")
    await c.follow()
    assert await c.status(service) == "Active"
    assert await c.state(invoice) == "settled"
    assert (await c.told(invoice))[-2:] == ["settled 0", "restored 0"]


async def test_an_accepted_charge_ends_it(collecting: Collecting, aya: Actor) -> None:
    c = collecting
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await c.days(MONDAY, 2)
    await c.card(aya, GOOD, only=True)
    await c.captures()  # a new card is charged at once
    assert await c.state(invoice) == "settled"
    assert (await c.whmcs("invoices", invoice))["status"] == "Paid"
    assert len(await c.desk.payments(invoice)) == 1


async def test_the_last_day_of_grace_may_be_no_day_for_it(collecting: Collecting, aya: Actor) -> None:
    """Two weeks after 28 January is National Foundation Day, a Thursday; the day after it is not."""
    c, service = collecting, await collecting.service(aya)
    due_on = date(2027, 1, 28)
    invoice = await c.bill(aya, due_on, service)
    await c.days(due_on, 15)
    row = await c.row(invoice)
    assert row is not None
    assert (await c.status(service), row.suspend_on) == ("Active", date(2027, 2, 12))
    await c.day(date(2027, 2, 12))
    assert await c.status(service) == "Suspended"
