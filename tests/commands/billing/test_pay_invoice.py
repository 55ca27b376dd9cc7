"""Paying with the method on file: charged once, whatever the network does, and a refusal says why."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.commands.billing import captures
from app.commands.billing import charge_invoice as charge_module
from app.commands.billing.captures import NewAttempt
from app.commands.billing.charge_invoice import PaidInvoice
from app.commands.billing.create_payment_link import PayInvoice, create_payment_link
from app.commands.billing.pay_invoice import pay_invoice
from app.commands.execution.context import Actor
from app.concurrency_limit import ConcurrencyLimit
from app.errors import (
    Conflict,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    PaymentRefused,
    PortalError,
    RuleViolated,
)
from app.money import Money
from app.readmodels.billing.payment_attempts import SETTLE_SECONDS

FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "away": {"kind": "down", "count": 100},
    "charged and not answered": {"kind": "timeout_after_write"},
    "not answered and not charged": {"kind": "timeout"},
    "charged after we gave up": {"kind": "latency", "seconds": 2.0},
    "cut off": {"kind": "reset"},
    "500 before the work": {"kind": "status", "status": 500},
    "503 before the work": {"kind": "status", "status": 503},
    "charged, and the answer spoiled": {"kind": "garbage"},
    "charged, and the answer empty": {"kind": "empty"},
}


@pytest.fixture
async def hana(desk: Any) -> Actor:
    """A customer with a card."""
    return await desk.customer()


def again(actor: Actor) -> Actor:
    """Return the same customer with another request."""
    return msgspec.structs.replace(actor, command_key=uuid4().hex)


async def pay(desk: Any, actor: Actor, invoice_id: str) -> PaidInvoice:
    done = await pay_invoice(desk.context, actor, PayInvoice(invoice_id))
    await desk.settle()
    assert isinstance(done.result, PaidInvoice)
    return done.result


async def outcome(desk: Any, actor: Actor, invoice_id: str) -> PaidInvoice | PortalError:
    """Return the paid invoice or the error."""
    try:
        return await pay(desk, actor, invoice_id)
    except PortalError as error:
        await desk.settle()
        return error


async def refusal(desk: Any, actor: Actor, invoice_id: str) -> PortalError:
    found = await outcome(desk, actor, invoice_id)
    assert isinstance(found, PortalError)
    return found


async def held(desk: Any, invoice_id: str) -> Any:
    return await desk.pool.fetchrow("SELECT * FROM portal.captures WHERE invoice_id = $1", invoice_id)


async def test_the_card_on_file_is_charged_and_the_invoice_shows_it(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    paid = await pay(desk, hana, invoice_id)
    assert paid == PaidInvoice(invoice_id=invoice_id, status="paid", amount=Money("1100", "JPY"))
    [payment] = await desk.payments(invoice_id)
    assert payment["amountin"] == "1100.00"
    row = await desk.pool.fetchrow(
        "SELECT status, balance, paid FROM read_model.invoices WHERE invoice_id = $1", invoice_id
    )
    assert (row["status"], str(row["balance"]), str(row["paid"])) == ("paid", "0", "1100")


async def test_a_second_payment_is_refused_and_a_repetition_of_the_first_is_not(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    first = await pay(desk, hana, invoice_id)
    refused = await refusal(desk, again(hana), invoice_id)
    assert (refused.code, [each.code for each in refused.errors]) == ("invoice_not_payable", ["invoice_paid"])
    assert await pay(desk, hana, invoice_id) == first
    assert len(await desk.payments(invoice_id)) == 1


async def test_of_many_at_once_one_charges(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    await desk.sandbox.fault("whmcs", "latency", "CapturePayment", seconds=0.3)
    requests = (pay_invoice(desk.context, again(hana), PayInvoice(invoice_id)) for _ in range(8))
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, Conflict)]
    assert (len(refused), len(outcomes)) == (7, 8)
    assert {each.code for each in refused} <= {"payment_in_progress", "invoice_not_payable"}
    assert len(await desk.payments(invoice_id)) == 1


@pytest.mark.parametrize("name", FAULTS)
async def test_whatever_happens_to_the_charge_it_is_made_once(desk: Any, hana: Actor, name: str) -> None:
    """The customer asks, asks again in every way there is, and gives time its time; then the invoice is paid, once."""
    invoice_id = await desk.bill(hana)
    if FAULTS[name]:
        await desk.sandbox.fault("whmcs", operation="CapturePayment", **FAULTS[name])
    for actor in (hana, hana, again(hana)):
        found = await outcome(desk, actor, invoice_id)
        assert not isinstance(found, PaymentRefused), "nobody declined anything"
        assert len(await desk.payments(invoice_id)) <= 1
    await desk.sandbox.clear_faults()
    desk.let_in()
    await asyncio.sleep(FAULTS[name].get("seconds", 0))
    await desk.pool.execute("UPDATE portal.captures SET sent_at = sent_at - $1 * interval '1 second'", SETTLE_SECONDS)
    found = await outcome(desk, again(hana), invoice_id)
    if isinstance(found, PortalError):
        assert [each.code for each in found.errors] == ["invoice_paid"]
    assert len(await desk.payments(invoice_id)) == 1
    assert (
        await desk.pool.fetchval("SELECT status FROM read_model.invoices WHERE invoice_id = $1", invoice_id) == "paid"
    )


async def test_while_the_outcome_of_a_charge_is_unknown_there_is_no_other_charge_and_no_link(
    desk: Any, hana: Actor
) -> None:
    invoice_id = await desk.bill(hana)
    await desk.sandbox.fault("whmcs", "timeout", "CapturePayment")
    assert isinstance(await refusal(desk, hana, invoice_id), OutcomeUnknown)
    for actor in (hana, again(hana)):
        refused = await refusal(desk, actor, invoice_id)
        assert refused.code == "payment_in_progress"
        assert 0 < (refused.retry_after_seconds or 0) <= SETTLE_SECONDS
    with pytest.raises(Conflict) as no_link:
        await create_payment_link(desk.context, again(hana), PayInvoice(invoice_id))
    assert no_link.value.code == "payment_in_progress"
    assert await desk.payments(invoice_id) == []


async def test_a_charge_that_takes_effect_late_is_found_by_the_same_request(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    await desk.sandbox.fault("whmcs", "latency", "CapturePayment", seconds=7.0)
    assert isinstance(await refusal(desk, hana, invoice_id), OutcomeUnknown)
    await asyncio.sleep(2.5)
    await desk.sandbox.control.delete("/calls")
    assert (await pay(desk, hana, invoice_id)).status == "paid"
    assert "CapturePayment" not in {each["operation"] for each in await desk.sandbox.calls("whmcs")}
    assert len(await desk.payments(invoice_id)) == 1


async def test_a_process_that_died_after_charging_leaves_no_second_charge(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    amount = await desk.pool.fetchval("SELECT balance FROM read_model.invoices WHERE invoice_id = $1", invoice_id)
    sent = NewAttempt(
        invoice_id=invoice_id,
        account_id=hana.account_id_or_refuse(),
        command_key=hana.command_key,
        initiator="customer",
        amount=amount,
        currency="JPY",
    )
    await captures.record_sent(desk.pool, sent)
    await desk.resources.whmcs.charge(invoice_id)  # the answer went to nobody
    assert (await pay(desk, hana, invoice_id)).amount == Money("1100", "JPY")
    assert (await held(desk, invoice_id))["charged_at"] is not None
    assert len(await desk.payments(invoice_id)) == 1


async def test_a_declined_card_is_reported_and_may_be_tried_again_at_once(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    [card] = await desk.resources.whmcs.pay_methods(hana.whmcs_client_id)
    await desk.sandbox.control.patch(f"/whmcs/pay-methods/{card.record_id}", json={"card_last_four": "0002"})
    for _ in range(2):
        refused = await refusal(desk, again(hana), invoice_id)
        assert (type(refused), refused.code) == (PaymentRefused, "payment_declined")
        assert "nothing was charged" in refused.detail
    assert await held(desk, invoice_id) is None
    document = await desk.pool.fetchval("SELECT document FROM read_model.invoices WHERE invoice_id = $1", invoice_id)
    assert msgspec.json.decode(document)["charge_attempted_at"], "the invoice shows when it was tried"
    await desk.sandbox.control.patch(f"/whmcs/pay-methods/{card.record_id}", json={"card_last_four": "4242"})
    assert (await pay(desk, again(hana), invoice_id)).status == "paid"


async def test_of_an_expired_card_it_is_said_that_it_has_expired(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    [card] = await desk.resources.whmcs.pay_methods(hana.whmcs_client_id)
    change = {"card_last_four": "0002", "expiry_date": "01/24"}
    await desk.sandbox.control.patch(f"/whmcs/pay-methods/{card.record_id}", json=change)
    refused = await refusal(desk, hana, invoice_id)
    assert refused.code == "card_expired"
    assert "ending in 0002 has expired" in refused.detail


async def test_without_a_method_on_file_nothing_is_tried(desk: Any) -> None:
    poor = await desk.customer(with_card=False)
    invoice_id = await desk.bill(poor)
    refused = await refusal(desk, poor, invoice_id)
    assert (type(refused), refused.code) == (RuleViolated, "payment_method_missing")
    assert "CapturePayment" not in {each["operation"] for each in await desk.sandbox.calls("whmcs")}


async def test_an_invoice_that_would_go_by_bank_transfer_is_charged_to_the_card_all_the_same(
    desk: Any, hana: Actor
) -> None:
    invoice_id = await desk.bill(hana, gateway="mailin")
    assert (await pay(desk, hana, invoice_id)).status == "paid"
    [payment] = await desk.payments(invoice_id)
    assert payment["gateway"] == "stripe"


async def test_a_method_that_no_gateway_charges_leads_to_the_payment_page(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana, gateway="mailin")
    [card] = await desk.resources.whmcs.pay_methods(hana.whmcs_client_id)
    await desk.sandbox.control.patch(f"/whmcs/pay-methods/{card.record_id}", json={"gateway_name": ""})
    assert (await refusal(desk, hana, invoice_id)).code == "invoice_not_chargeable"


async def test_what_was_paid_elsewhere_meanwhile_is_not_charged(desk: Any, hana: Actor) -> None:
    """The webhook of it is lost, so that the read model still says unpaid."""
    invoice_id = await desk.bill(hana)
    await desk.sandbox.control.post(f"/whmcs/invoices/{invoice_id}/pay", json={"silent": True})
    refused = await refusal(desk, hana, invoice_id)
    assert [each.code for each in refused.errors] == ["invoice_paid"]
    assert (
        await desk.pool.fetchval("SELECT status FROM read_model.invoices WHERE invoice_id = $1", invoice_id) == "paid"
    )
    assert len(await desk.payments(invoice_id)) == 1


async def test_a_strangers_invoice_is_as_absent_as_none(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    stranger = await desk.customer(number=1)
    problems = []
    for number in (invoice_id, "99999999", "x"):
        with pytest.raises(NotFound) as caught:
            await pay(desk, stranger, number)
        problems.append((caught.value.code, caught.value.detail))
    assert set(problems) == {("invoice_not_found", "Invoice not found.")}
    assert await desk.payments(invoice_id) == []


async def test_slow_charges_of_one_customer_hold_up_nothing_else_and_nobody_else(
    desk: Any, hana: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All permitted charges of one account hang at the gateway; links and reads continue, another customer pays, and
    one more charge of that account gets a retry-after."""
    ken = await desk.customer(number=1)
    await desk.sandbox.fault("whmcs", "latency", "CapturePayment", seconds=5, count=2)
    *slow, last = [await desk.bill(hana) for _ in range(3)]
    another = await desk.bill(ken)
    monkeypatch.setattr(charge_module, "_CHARGES", ConcurrencyLimit(3, 2, wait_seconds=0.05))
    charges = [asyncio.create_task(pay_invoice(desk.context, again(hana), PayInvoice(each))) for each in slow]
    await asyncio.sleep(0.4)
    await create_payment_link(desk.context, hana, PayInvoice(last))
    busy = await refusal(desk, again(hana), last)
    assert (type(busy), busy.code, busy.retry_after_seconds) == (Overloaded, "server_busy", 5)
    assert (await pay(desk, ken, another)).status == "paid"
    assert not any(each.done() for each in charges)
    assert {(await each).result.status for each in charges} == {"paid"}
    assert [len(await desk.payments(each)) for each in (*slow, last, another)] == [1, 1, 0, 1]
