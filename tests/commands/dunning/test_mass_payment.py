"""Invoices that a customer pays together with others: WHMCS leaves them unpaid until the mass payment has arrived."""

from datetime import date, timedelta

import pytest

from app.commands.billing.create_payment_link import PayInvoices, create_payments_link
from app.commands.execution.context import Actor
from tests.commands.billing.test_create_payment_link import browser
from tests.commands.dunning.collecting import DECLINED, GOOD, MONDAY, Collecting


@pytest.fixture
async def aya(collecting: Collecting) -> Actor:
    """A customer whose only card is declined."""
    actor = await collecting.desk.customer()
    await collecting.card(actor, DECLINED, only=True)
    return actor


async def mass_payment(c: Collecting, actor: Actor, *invoices: str) -> str:
    """Let a customer choose to pay invoices together; the invoice that collects them."""
    done = await create_payments_link(c.desk.context, actor, PayInvoices(list(invoices)))
    async with browser(c.desk) as visitor:
        page = await visitor.get(done.result.url)
        await visitor.post(str(page.url), data={"geninvoice": "true"})
    await c.desk.reread("client_invoices", actor.whmcs_client_id)
    found = await c.desk.pool.fetchval("SELECT max(sort_id) FROM read_model.invoices WHERE collective")
    return str(found)


async def becomes(c: Collecting, collecting: str, status: str, *, heard: bool = True) -> None:
    """The state of the mass payment changes in WHMCS, and the portal may hear of it."""
    body = {"status": status, "silent": True}
    (await c.desk.sandbox.control.patch(f"/whmcs/invoices/{collecting}", json=body)).raise_for_status()
    if heard:
        await c.desk.reread("invoice", collecting)


@pytest.mark.parametrize("heard", [True, False], ids=["known", "unheard of"])
@pytest.mark.parametrize("begun", [0, 9], ids=["before its dunning", "in its grace"])
async def test_nothing_happens_while_a_mass_payment_is_on_its_way(
    collecting: Collecting, aya: Actor, begun: int, heard: bool
) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice, other = await c.bill(aya, MONDAY, service), await c.bill(aya, date(2027, 6, 1))
    await c.days(MONDAY, begun)
    collective = await mass_payment(c, aya, invoice, other)
    await becomes(c, collective, "Payment Pending", heard=heard)
    await c.card(aya, GOOD, only=True)
    tries = await c.tries()
    await c.days(MONDAY + timedelta(days=begun), 12)
    assert (await c.tries(), await c.status(service)) == (tries, "Active")
    await c.pay(collective, gateway="banktransfer")
    await c.desk.reread("invoice", invoice)
    await c.day(MONDAY + timedelta(days=begun + 12))
    assert (await c.whmcs("invoices", invoice))["status"] == "Paid"
    assert (await c.tries(), await c.state(invoice), len(await c.desk.payments(invoice))) == (tries, "settled", 0)
    assert (await c.whmcs("clients", aya.whmcs_client_id))["credit"] == "0.00"


@pytest.mark.parametrize("status", ["Unpaid", "Cancelled"])
async def test_a_mass_payment_that_came_to_nothing_is_no_obstacle(
    collecting: Collecting, aya: Actor, status: str
) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice, other = await c.bill(aya, MONDAY, service), await c.bill(aya, date(2027, 6, 1))
    collective = await mass_payment(c, aya, invoice, other)
    await becomes(c, collective, "Payment Pending")
    await c.days(MONDAY, 2)
    assert await c.tries() == 0
    await becomes(c, collective, status)
    await c.day(MONDAY + timedelta(days=2))
    assert await c.tries() == 1


async def test_a_mass_payment_brings_back_what_each_invoice_suspended(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice, other = await c.bill(aya, MONDAY, service), await c.bill(aya, date(2027, 6, 1))
    await c.days(MONDAY, 15)
    assert await c.status(service) == "Suspended"
    collective = await mass_payment(c, aya, invoice, other)
    await c.pay(collective, gateway="banktransfer")
    await c.later(minutes=6)
    for _ in range(2):  # the first run asks for suspended invoices again
        await c.follow()
    assert (await c.state(invoice), await c.status(service)) == ("settled", "Active")
