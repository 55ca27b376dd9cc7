"""What must not be charged, suspended or lifted, and what must, where a simple rule would do the opposite."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from msgspec import structs

from app.audit import Operator
from app.commands.billing.create_payment_link import PayInvoice
from app.commands.billing.pay_invoice import pay_invoice
from app.commands.dunning.grace import permit
from app.commands.dunning.staff.adopt import adopt, left_alone
from app.commands.execution.context import Actor
from app.errors import Conflict, NotFound, PaymentRefused
from tests.commands.dunning.collecting import DECLINED, GOOD, MONDAY, Collecting

SUSPENSION = MONDAY + timedelta(days=14)


@pytest.fixture
async def aya(collecting: Collecting) -> Actor:
    """A customer whose only card is declined."""
    actor = await collecting.desk.customer()
    await collecting.card(actor, DECLINED, only=True)
    return actor


async def test_a_customers_own_attempts_use_up_nothing(collecting: Collecting, aya: Actor) -> None:
    c = collecting
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await c.days(MONDAY, 2)
    before = await c.row(invoice)
    for _ in range(4):
        with pytest.raises(PaymentRefused):
            await pay_invoice(c.desk.context, aya, PayInvoice(invoice))
    assert await c.row(invoice) == before
    await c.days(MONDAY + timedelta(days=2), 2)
    row = await c.row(invoice)
    assert row is not None
    assert (row.attempts, row.slot) == (2, 2)


async def test_what_is_left_of_a_partial_payment_is_charged_and_suspends(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service, "1000")
    await c.day(MONDAY)
    await c.pay(invoice, amount="600")
    await c.days(MONDAY + timedelta(days=1), 14)
    assert await c.status(service) == "Suspended"
    await c.card(aya, GOOD, only=True)
    await c.captures()
    payments = [each["amountin"] for each in await c.desk.payments(invoice)]
    total = (await c.whmcs("invoices", invoice))["total"]
    assert sorted(map(float, payments)) == sorted([600.0, float(total) - 600.0])
    await c.follow()
    assert await c.status(service) == "Active"


@pytest.mark.parametrize("begun", [0, 15], ids=["before its due date", "suspended"])
async def test_what_is_less_than_a_coin_is_not_owed(collecting: Collecting, aya: Actor, begun: int) -> None:
    """WHMCS reckons in hundredths of a yen. The customer has paid what the invoice shows."""
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service, "1000")
    await c.days(MONDAY, begun)
    tries = await c.tries()
    total = Decimal((await c.whmcs("invoices", invoice))["total"])
    await c.pay(invoice, amount=str(total - Decimal("0.40")), gateway="banktransfer")
    assert (await c.whmcs("invoices", invoice))["status"] == "Unpaid"
    await c.follow()
    await c.days(MONDAY + timedelta(days=begun), 16)
    assert (await c.tries(), await c.status(service)) == (tries, "Active")
    assert await c.state(invoice) == ("settled" if begun else "")


async def test_a_pending_payment_stops_the_clock(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 9)  # in grace, one day of it is over
    await c.staff("invoices", invoice, reread="invoice", status="Payment Pending")
    await c.days(MONDAY + timedelta(days=9), 10)
    row = await c.row(invoice)
    assert row is not None
    assert (row.state, row.grace_seen, await c.status(service)) == ("grace", 1, "Active")
    await c.staff("invoices", invoice, reread="invoice", status="Unpaid")  # the bank has returned it
    again = MONDAY + timedelta(days=19)
    await c.days(again, 5)
    assert await c.status(service) == "Active"  # it has got six days more, and the sixth is a holiday
    await c.days(again + timedelta(days=5), 2)
    assert await c.status(service) == "Suspended"


async def test_a_due_date_that_staff_moved_begins_anew(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 15)
    assert await c.status(service) == "Suspended"
    later = date(2027, 3, 1)
    await c.staff("invoices", invoice, reread="invoice", duedate=str(later))
    await c.follow()
    assert (await c.state(invoice), await c.status(service)) == ("settled", "Active")
    await c.days(later, 9)
    row = await c.row(invoice)
    assert row is not None
    assert (row.state, row.round, row.attempts, await c.status(service)) == ("grace", 1, 3, "Active")
    told = await c.told(invoice)
    assert told.count("payment_failed 1") == 2  # once in each round


async def test_of_two_overdue_invoices_of_a_service_both_must_be_paid(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    first = await c.bill(aya, MONDAY, service)
    second = await c.bill(aya, MONDAY + timedelta(days=4), service)
    await c.days(MONDAY, 15)
    assert await c.status(service) == "Suspended"
    await c.pay(first)
    await c.follow()
    assert (await c.state(first), await c.status(service)) == ("settled", "Suspended")
    await c.pay(second)
    await c.follow()
    assert (await c.state(second), await c.status(service)) == ("settled", "Active")


async def test_the_second_invoice_joins_the_suspension_and_holds_it(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    first = await c.bill(aya, MONDAY, service)
    second = await c.bill(aya, MONDAY + timedelta(days=2), service)
    await c.days(MONDAY, 18)
    assert (await c.state(first), await c.state(second)) == ("suspended", "suspended")
    await c.pay(second)
    await c.follow()
    assert await c.status(service) == "Suspended"
    await c.pay(first)
    await c.follow()
    assert await c.status(service) == "Active"


@pytest.mark.parametrize("reason", ["Abuse", "Abuse: overdue on payment too", ""])
async def test_a_suspension_for_another_reason_is_never_lifted(collecting: Collecting, aya: Actor, reason: str) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 15)
    await c.staff("services", service, reread="service", suspensionreason=reason)
    await c.pay(invoice)
    await c.follow()
    assert (await c.state(invoice), await c.status(service)) == ("settled", "Suspended")
    outcome = await c.desk.pool.fetchval("SELECT outcome FROM portal.dunning_suspensions")
    assert outcome == "left"
    assert "restored 0" not in await c.told(invoice)


async def test_a_service_that_staff_suspended_before_is_left_alone(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.staff("services", service, reread="service", status="Suspended", suspensionreason="Abuse")
    await c.days(MONDAY, 17)
    assert await c.state(invoice) == "grace"
    await c.pay(invoice)
    await c.follow()
    assert ((await c.whmcs("services", service))["suspensionreason"], await c.status(service)) == ("Abuse", "Suspended")


async def test_what_is_paid_between_the_list_and_the_deed_is_not_charged(collecting: Collecting, aya: Actor) -> None:
    """The read model does not know of the payment yet."""
    c = collecting
    await c.card(aya, GOOD, only=True)
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await c.desk.sandbox.control.post(f"/whmcs/invoices/{invoice}/pay", json={"silent": True})
    await c.day(MONDAY)
    assert (await c.tries(), len(await c.desk.payments(invoice)), await c.state(invoice)) == (0, 1, "")


async def test_what_is_paid_before_its_suspension_is_not_suspended(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 14)
    await c.move_to(SUSPENSION)
    await c.desk.sandbox.control.post(f"/whmcs/invoices/{invoice}/pay", json={"silent": True})
    await c.suspension()
    assert (await c.status(service), await c.state(invoice)) == ("Active", "settled")


async def test_a_cancelled_invoice_brings_its_service_back(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 15)
    await c.staff("invoices", invoice, reread="invoice", status="Cancelled")
    await c.follow()
    assert (await c.state(invoice), await c.status(service)) == ("settled", "Active")


async def test_an_ended_service_is_not_suspended_and_the_debt_is_given_up(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 10)
    await c.staff("services", service, reread="service", status="Cancelled")
    await c.days(MONDAY + timedelta(days=10), 7)
    row = await c.row(invoice)
    assert row is not None
    assert (row.state, row.ended_reason, await c.status(service)) == ("abandoned", "nothing_to_suspend", "Cancelled")


async def test_a_customer_who_pays_by_transfer_is_not_charged_and_is_suspended_all_the_same(
    collecting: Collecting, aya: Actor
) -> None:
    c, service = collecting, await collecting.service(aya)
    await c.card(aya, GOOD, only=True)
    invoice = await c.bill(aya, MONDAY, service)
    await c.staff("invoices", invoice, reread="invoice", paymentmethod="banktransfer")
    await c.days(MONDAY, 15)
    assert (await c.tries(), await c.status(service)) == (0, "Suspended")
    await c.pay(invoice, gateway="banktransfer")
    await c.follow()
    assert await c.status(service) == "Active"


async def test_a_missed_month_suspends_nobody_at_once_and_charges_once(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 9)
    tries = await c.tries()
    back = MONDAY + timedelta(days=45)
    await c.day(back)
    row = await c.row(invoice)
    assert row is not None
    assert (await c.status(service), await c.tries(), row.grace_seen) == ("Active", tries, 2)
    await c.days(back + timedelta(days=1), 4)
    assert await c.status(service) == "Active"
    await c.days(back + timedelta(days=5), 3)
    assert await c.status(service) == "Suspended"


async def test_repetitions_that_were_missed_are_one(collecting: Collecting, aya: Actor) -> None:
    c = collecting
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await c.day(MONDAY)
    await c.day(MONDAY + timedelta(days=30))
    row = await c.row(invoice)
    assert row is not None
    assert (row.attempts, row.slot, row.state) == (1, 1, "trying")
    await c.day(MONDAY + timedelta(days=31))
    assert (await c.row(invoice)) == row  # the next one is two days after this one


async def test_what_was_overdue_before_the_hand_over_is_left_alone(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    await c.begin(since=MONDAY + timedelta(days=30))
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY + timedelta(days=30), 20)
    assert (await c.state(invoice), await c.tries(), await c.status(service), c.said) == ("", 0, "Active", [])


async def test_what_is_left_alone_is_listed_and_can_be_adopted(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    handed_over = date.today()
    await c.begin(since=handed_over)
    invoice = await c.bill(aya, handed_over - timedelta(days=900), service)
    said = await left_alone(c.desk.context, "captures")
    assert f"Leaves invoice {invoice} of client {aya.whmcs_client_id} alone" in " ".join(said)
    assert "clients without a portal account" in said[-1]
    assert await c.tries() == 0
    operator = Operator(name="aya")
    await adopt(c.desk.context, operator, int(invoice), "agreed with the customer")
    with pytest.raises(Conflict, match="dunning_begun"):
        await adopt(c.desk.context, operator, int(invoice), "again")
    with pytest.raises(NotFound):
        await adopt(c.desk.context, operator, 1, "no such invoice")
    assert invoice not in " ".join(await left_alone(c.desk.context, "captures"))
    first = handed_over + timedelta(days=1)
    tried_on: list[int] = []
    for number in range(22):
        before = await c.tries()
        await c.day(first + timedelta(days=number))
        tried_on += [number] * (await c.tries() - before)
        assert number >= 13 or await c.status(service) == "Active"
    assert tried_on == [0, 2, 6]
    assert await c.status(service) == "Suspended"


async def test_more_suspensions_than_a_day_allows_are_asked_about(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = collecting
    bound = structs.replace(c.desk.resources.settings, suspensions_per_day_percent=0.001)
    c.desk.resources = structs.replace(c.desk.resources, settings=bound)
    services = []
    for number in range(4):
        actor = await c.desk.customer(number=number)
        await c.card(actor, DECLINED, only=True)
        services.append(await c.service(actor))
        await c.bill(actor, MONDAY, services[-1])
    await c.days(MONDAY, 15)
    assert [await c.status(each) for each in services] == ["Active"] * 4
    assert c.said[-1].startswith("Nobody is suspended: 4 of ")
    for day, most in ((SUSPENSION - timedelta(days=1), 4), (SUSPENSION + timedelta(days=1), 4), (SUSPENSION, 3)):
        await permit(c.desk.pool, Operator(name="aya"), day, most)
        await c.suspension()
    assert [await c.status(each) for each in services] == ["Active"] * 4
    await permit(c.desk.pool, Operator(name="aya"), SUSPENSION, 4)
    await c.suspension()
    assert [await c.status(each) for each in services] == ["Suspended"] * 4


async def test_read_models_that_are_not_fresh_suspend_nobody(collecting: Collecting, aya: Actor) -> None:
    """As after the restore of a backup: the first run reads everything again."""
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 14)
    await c.move_to(SUSPENSION)
    await c.desk.pool.execute("UPDATE read_model.invoices SET as_of = as_of - interval '2 days'")
    await c.suspension()
    assert (await c.status(service), await c.state(invoice)) == ("Active", "grace")
    await c.day(SUSPENSION + timedelta(days=1))
    assert await c.status(service) == "Suspended"


async def test_an_invoice_that_was_seen_paid_and_is_unpaid_again_is_for_staff(
    collecting: Collecting, aya: Actor
) -> None:
    """WHMCS was restored from a backup of before the payment."""
    c = collecting
    await c.card(aya, GOOD, only=True)
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await c.day(MONDAY)
    assert len(await c.desk.payments(invoice)) == 1
    await c.staff("invoices", invoice, reread="invoice", status="Unpaid")
    payment = (await c.desk.payments(invoice))[0]
    await c.desk.sandbox.control.delete(f"/whmcs/transactions/{payment['id']}")
    await c.desk.reread("invoice", invoice)
    await c.days(MONDAY + timedelta(days=1), 8)
    assert (await c.tries(), await c.state(invoice)) == (1, "settled")


async def test_a_merged_client_keeps_its_dunning(collecting: Collecting, aya: Actor) -> None:
    """The invoice goes on under the account of the client that has it now, and its payment brings the service back."""
    c, service = collecting, await collecting.service(aya)
    other = await c.desk.customer(number=1)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 15)
    assert await c.status(service) == "Suspended"
    path = f"/whmcs/clients/{aya.whmcs_client_id}/merge"
    (await c.desk.sandbox.control.post(path, json={"into": other.whmcs_client_id})).raise_for_status()
    for resource in ("client_invoices", "client_services"):
        await c.desk.reread(resource, other.whmcs_client_id)
    await c.desk.reread("invoice", invoice)
    await c.follow()
    row = await c.row(invoice)
    assert row is not None
    assert (row.state, row.account_id) == ("suspended", str(other.account_id))
    await c.pay(invoice)
    await c.follow()
    assert (await c.state(invoice), await c.status(service)) == ("settled", "Active")


async def test_a_closed_client_is_let_go(collecting: Collecting, aya: Actor) -> None:
    c = collecting
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    await c.days(MONDAY, 2)
    await c.staff("clients", aya.whmcs_client_id, reread="client", status="Closed")
    await c.days(MONDAY + timedelta(days=2), 3)
    row = await c.row(invoice)
    assert row is not None
    assert (row.state, row.ended_reason, await c.tries()) == ("abandoned", "client_closed", 2)


async def test_a_hold_stops_everything_and_brings_a_service_back(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 15)
    assert await c.status(service) == "Suspended"
    until = MONDAY + timedelta(days=20)
    await c.desk.pool.execute(
        "INSERT INTO portal.dunning_holds (account_id, reason, until, placed_by) VALUES ($1, 'ill', $2, 'aya')",
        str(aya.account_id),
        until,
    )
    await c.follow()
    await c.follow()
    assert (await c.state(invoice), await c.status(service)) == ("grace", "Active")
    await c.days(MONDAY + timedelta(days=15), 6)
    assert await c.status(service) == "Active"
    await c.day(MONDAY + timedelta(days=21))  # no grace is left, so the first day after the hold is one for it
    assert await c.status(service) == "Suspended"
    assert (await c.told(invoice))[-3:] == ["suspended 0", "restored 0", "suspended 1"]


async def test_another_saved_method_is_tried_and_the_first_stays_the_default(
    collecting: Collecting, aya: Actor
) -> None:
    c = collecting
    await c.card(aya, DECLINED)
    invoice = await c.bill(aya, MONDAY, await c.service(aya))
    first = (await c.desk.resources.whmcs.pay_methods(aya.whmcs_client_id))[0].record_id
    await c.day(MONDAY)
    assert await c.tries() == 2
    assert (await c.desk.resources.whmcs.pay_methods(aya.whmcs_client_id))[0].record_id == first
    await c.card(aya, GOOD)
    await c.captures()
    assert (await c.whmcs("invoices", invoice))["status"] == "Paid"
