"""What WHMCS's own run suspended while it led comes back with a payment after the hand-over, and only that."""

from datetime import date, timedelta
from typing import Any

import pytest

from app.commands.execution.context import Actor
from tests.commands.dunning.collecting import DECLINED, MONDAY, Collecting

HANDED_OVER = MONDAY + timedelta(days=10)
OVERDUE = {"status": "Suspended", "suspensionreason": "Overdue on Payment"}


@pytest.fixture
async def aya(collecting: Collecting) -> Actor:
    """A customer whose only card is declined, of an installation that was handed over lately."""
    await collecting.begin(since=HANDED_OVER)
    actor = await collecting.desk.customer()
    await collecting.card(actor, DECLINED, only=True)
    return actor


async def suspended_by_whmcs(c: Collecting, actor: Actor, **changed: Any) -> tuple[str, str]:
    """Let WHMCS have suspended a service for an invoice; its number and the service's."""
    service = await c.service(actor)
    invoice = await c.bill(actor, MONDAY, service)
    await c.staff("services", service, reread="service", **{**OVERDUE, **changed})
    return invoice, service


async def paid_on(c: Collecting, invoice: str, day: date) -> None:
    await c.move_to(day)
    await c.pay(invoice, gateway="banktransfer")
    await c.follow()


async def test_a_payment_lifts_it_and_the_customer_is_told(collecting: Collecting, aya: Actor) -> None:
    c = collecting
    invoice, service = await suspended_by_whmcs(c, aya)
    await c.day(HANDED_OVER + timedelta(days=1))
    assert (await c.status(service), await c.tries(), await c.state(invoice)) == ("Suspended", 0, "")
    await paid_on(c, invoice, HANDED_OVER + timedelta(days=2))
    assert (await c.status(service), await c.state(invoice)) == ("Active", "settled")
    assert await c.told(invoice) == ["restored 0"]
    await c.staff("services", service, reread="service", **OVERDUE)  # staff suspend it again themselves
    await c.later(minutes=10)
    await c.follow()
    assert await c.status(service) == "Suspended"


@pytest.mark.parametrize("reason", ["Abuse", "", "Overdue on Payment, and abuse"])
async def test_another_reason_stays(collecting: Collecting, aya: Actor, reason: str) -> None:
    c = collecting
    invoice, service = await suspended_by_whmcs(c, aya, suspensionreason=reason)
    await paid_on(c, invoice, HANDED_OVER + timedelta(days=2))
    assert await c.status(service) == "Suspended"


async def test_a_reason_that_staff_changed_unheard_stays(collecting: Collecting, aya: Actor) -> None:
    c = collecting
    invoice, service = await suspended_by_whmcs(c, aya)
    changed = {"suspensionreason": "Abuse", "silent": True}
    (await c.desk.sandbox.control.patch(f"/whmcs/services/{service}", json=changed)).raise_for_status()
    await paid_on(c, invoice, HANDED_OVER + timedelta(days=2))
    assert ((await c.whmcs("services", service))["suspensionreason"], await c.status(service)) == ("Abuse", "Suspended")


@pytest.mark.parametrize("heard", [True, False], ids=["known", "unheard of"])
async def test_another_overdue_invoice_of_the_service_holds_it(collecting: Collecting, aya: Actor, heard: bool) -> None:
    c = collecting
    invoice, service = await suspended_by_whmcs(c, aya)
    other = await c.bill(aya, MONDAY + timedelta(days=1), service)
    if not heard:
        await c.desk.pool.execute("DELETE FROM read_model.invoices WHERE invoice_id = $1", other)
    await paid_on(c, invoice, HANDED_OVER + timedelta(days=2))
    assert await c.status(service) == "Suspended"
    await c.desk.reread("invoice", other)
    await c.pay(other)
    await c.later(minutes=10)
    await c.follow()
    assert await c.status(service) == "Active"


async def test_what_was_paid_before_the_hand_over_is_left_as_it_is(collecting: Collecting, aya: Actor) -> None:
    """WHMCS led, and whether it lifts a suspension is its own setting."""
    c = collecting
    invoice, service = await suspended_by_whmcs(c, aya)
    await paid_on(c, invoice, HANDED_OVER - timedelta(days=2))
    await c.day(HANDED_OVER + timedelta(days=1))
    assert await c.status(service) == "Suspended"


async def test_what_was_paid_days_ago_is_not_lifted(collecting: Collecting, aya: Actor) -> None:
    """Staff suspend by hand, with the same reason, what was paid long before."""
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await paid_on(c, invoice, HANDED_OVER + timedelta(days=2))
    await c.staff("services", service, reread="service", **OVERDUE)
    await c.day(HANDED_OVER + timedelta(days=6))
    assert await c.status(service) == "Suspended"


async def test_a_payment_that_was_taken_back_lifts_nothing(collecting: Collecting, aya: Actor) -> None:
    """The read models say paid, and WHMCS says otherwise by now."""
    c = collecting
    invoice, service = await suspended_by_whmcs(c, aya)
    await c.move_to(HANDED_OVER + timedelta(days=2))
    await c.pay(invoice)
    unpaid = {"status": "Unpaid", "silent": True}
    (await c.desk.sandbox.control.patch(f"/whmcs/invoices/{invoice}", json=unpaid)).raise_for_status()
    for payment in await c.desk.payments(invoice):
        await c.desk.sandbox.control.delete(f"/whmcs/transactions/{payment['id']}")
    await c.follow()
    assert await c.status(service) == "Suspended"
