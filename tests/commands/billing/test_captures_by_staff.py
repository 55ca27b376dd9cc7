"""Charges in doubt are settled by what WHMCS shows, else by staff; whoever charges again, it is charged once."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.audit import Operator
from app.commands.billing import captures
from app.commands.billing.capture_looks import look_at_capture, look_at_due
from app.commands.billing.captures import Attempt
from app.commands.billing.captures_by_staff import CaptureRetry, CaptureStatement, retry_capture, state_capture
from app.commands.billing.create_payment_link import PayInvoice, create_payment_link
from app.commands.billing.pay_invoice import pay_invoice
from app.commands.execution.context import Actor
from app.errors import Conflict, NotFound, OutcomeUnknown, PaymentRefused, PortalError, RuleViolated
from app.queries import payment_attempts
from app.readmodels.billing.payment_attempts import SETTLE_SECONDS

AYA = Operator(name="aya")
SEEN = "Stripe's list of payments"


@pytest.fixture
async def hana(desk: Any) -> Actor:
    """A customer with a card."""
    return await desk.customer()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a payment that was not answered."""
    monkeypatch.setattr("app.commands.billing.charge_invoice.LOOK_AGAIN_SECONDS", ())


async def unanswered(desk: Any, hana: Actor, kind: str) -> Attempt:
    """Return an attempt of which the portal got no answer; it is old enough to be settled."""
    invoice_id = await desk.bill(hana)
    await desk.sandbox.fault("whmcs", kind, "CapturePayment")
    with pytest.raises(OutcomeUnknown):
        await pay_invoice(desk.context, hana, PayInvoice(invoice_id))
    await grow_old(desk)
    [attempt] = await captures.in_doubt(desk.pool, invoice_id)
    return attempt


async def grow_old(desk: Any) -> None:
    for table in ("captures", "capture_attempts"):
        await desk.pool.execute(f"UPDATE portal.{table} SET sent_at = sent_at - $1 * interval '1 s'", SETTLE_SECONDS)


async def retry(desk: Any, invoice_id: str, key: str = "", **more: Any) -> Attempt:
    wanted = CaptureRetry(invoice_id=invoice_id, reason="asked by phone", key=key or uuid4().hex, **more)
    return await retry_capture(desk.context, AYA, wanted)


async def refusal(work: Any) -> str:
    with pytest.raises(PortalError) as caught:
        await work
    return caught.value.code


async def state(desk: Any, attempt: Attempt, outcome: Any, evidence: str = SEEN, payment: str | None = None) -> Attempt:
    statement = CaptureStatement(outcome=outcome, evidence=evidence, transaction_id=payment)
    return await state_capture(desk.context, AYA, attempt.attempt_id, statement)


async def test_a_charge_whose_answer_was_lost_is_found_and_never_made_again(desk: Any, hana: Actor) -> None:
    attempt = await unanswered(desk, hana, "timeout_after_write")
    found = await look_at_capture(desk.context, AYA, attempt.attempt_id)
    [payment] = await desk.payments(attempt.invoice_id)
    assert (found.outcome, found.transaction_id, found.resolved_by) == ("charged", str(payment["id"]), None)
    assert str(payment["transid"]) in (found.evidence or "")
    assert await refusal(retry(desk, attempt.invoice_id)) == "invoice_not_payable"
    assert await refusal(state(desk, attempt, "not_charged")) == "capture_not_in_doubt"
    assert len(await desk.payments(attempt.invoice_id)) == 1


async def test_a_charge_that_whmcs_never_began_was_not_made_and_may_be_made_now(desk: Any, hana: Actor) -> None:
    attempt = await unanswered(desk, hana, "timeout")
    found = await look_at_capture(desk.context, AYA, attempt.attempt_id)
    assert (found.outcome, found.evidence) == ("not_charged", "WHMCS made no attempt, and booked no payment.")
    assert (await retry(desk, attempt.invoice_id)).outcome == "charged"
    assert len(await desk.payments(attempt.invoice_id)) == 1


async def test_a_decline_whose_answer_was_lost_is_explained_by_the_log(desk: Any, hana: Actor) -> None:
    await desk.sandbox.control.post("/whmcs/declines", json={"code": "stolen_card"})
    attempt = await unanswered(desk, hana, "timeout_after_write")
    found = await look_at_capture(desk.context, AYA, attempt.attempt_id)
    assert (found.outcome, found.decline_kind, found.decline_reason) == ("declined", "hard", "card_blocked")
    assert "gateway log" in (found.evidence or "")


async def test_what_nothing_decides_stays_in_doubt_until_staff_say_so_and_is_not_charged_before(
    desk: Any, hana: Actor
) -> None:
    await desk.sandbox.control.put("/whmcs/card-gateway", json={"readable": False})
    await desk.sandbox.control.post("/whmcs/declines", json={"code": "stolen_card", "count": 1})
    attempt = await unanswered(desk, hana, "timeout_after_write")
    assert (await look_at_capture(desk.context, AYA, attempt.attempt_id)).outcome is None
    assert await refusal(retry(desk, attempt.invoice_id)) == "payment_in_doubt"
    assert (await payment_attempts.doubts(desk.pool)).count == 1
    assert await desk.payments(attempt.invoice_id) == []
    stated = await state(desk, attempt, "not_charged", "No such payment; asked for card 4242 4242 4242 4242")
    assert (stated.outcome, stated.resolved_by) == ("not_charged", "aya")
    assert "4242" not in (stated.evidence or "")
    assert (await retry(desk, attempt.invoice_id)).outcome == "charged"
    assert len(await desk.payments(attempt.invoice_id)) == 1
    actions = await desk.pool.fetch("SELECT action, detail FROM portal.audit ORDER BY id")
    assert [each["action"] for each in actions] == ["capture.look", "capture.retry", "capture.state", "capture.retry"]
    assert [each["detail"]["result"] for each in actions] == ["in_doubt", "payment_in_doubt", "not_charged", "charged"]
    assert actions[1]["detail"]["reason"] == "asked by phone"


async def test_a_gateway_that_took_money_which_whmcs_did_not_book_is_no_decline(desk: Any, hana: Actor) -> None:
    """The log has an older decline, and a success that is newer."""
    await desk.sandbox.control.put("/whmcs/card-gateway", json={"pending": True})
    attempt = await unanswered(desk, hana, "timeout_after_write")
    await desk.sandbox.control.patch(f"/whmcs/invoices/{attempt.invoice_id}", json={"status": "Unpaid", "silent": True})
    assert (await look_at_capture(desk.context, AYA, attempt.attempt_id)).outcome is None
    assert await refusal(retry(desk, attempt.invoice_id)) == "payment_in_doubt"


async def test_what_staff_know_to_be_charged_is_charged_by_nobody_until_it_is_booked(desk: Any, hana: Actor) -> None:
    await desk.sandbox.control.put("/whmcs/card-gateway", json={"readable": False})
    await desk.sandbox.control.post("/whmcs/declines", json={"code": "stolen_card", "count": 1})
    attempt = await unanswered(desk, hana, "timeout_after_write")
    await state(desk, attempt, "charged")
    again = msgspec.structs.replace(hana, command_key=uuid4().hex)
    for work in (
        pay_invoice(desk.context, again, PayInvoice(attempt.invoice_id)),
        create_payment_link(desk.context, again, PayInvoice(attempt.invoice_id)),
        retry(desk, attempt.invoice_id),
    ):
        with pytest.raises(Conflict) as caught:
            await work
        assert [each.code for each in caught.value.errors] == ["invoice_payment_pending"]
    with pytest.raises(RuleViolated) as caught_rule:
        await state(desk, attempt, "charged", payment="999999")
    assert caught_rule.value.code == "transaction_unknown"
    assert (await state(desk, attempt, "not_charged")).outcome == "not_charged", "a statement may be corrected"
    await pay_invoice(desk.context, again, PayInvoice(attempt.invoice_id))
    assert len(await desk.payments(attempt.invoice_id)) == 1


async def test_while_a_charge_may_still_take_effect_nobody_decides_on_it(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    await desk.sandbox.fault("whmcs", "timeout", "CapturePayment")
    with pytest.raises(OutcomeUnknown):
        await pay_invoice(desk.context, hana, PayInvoice(invoice_id))
    [attempt] = await captures.in_doubt(desk.pool, invoice_id)
    assert (await look_at_capture(desk.context, AYA, attempt.attempt_id)).outcome is None
    assert await refusal(state(desk, attempt, "not_charged")) == "payment_in_progress"
    assert await refusal(retry(desk, invoice_id)) == "payment_in_progress"
    assert (await payment_attempts.doubts(desk.pool)).count == 0, "not yet"


async def test_of_two_members_of_staff_at_once_one_charges(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    await desk.sandbox.fault("whmcs", "latency", "CapturePayment", seconds=0.5)
    done = await asyncio.gather(*(retry(desk, invoice_id) for _ in range(2)), return_exceptions=True)
    assert sorted(type(each) for each in done if isinstance(each, Exception)) == [Conflict]
    assert len(await desk.payments(invoice_id)) == 1


async def test_one_key_charges_once_however_often_it_comes(desk: Any, hana: Actor) -> None:
    paid, refused = await desk.bill(hana), await desk.bill(hana)
    first = await retry(desk, paid, "phone call 17")
    assert await retry(desk, paid, "phone call 17") == first
    await desk.sandbox.control.post("/whmcs/declines", json={"code": "insufficient_funds", "count": 1})
    for _ in range(2):
        assert await refusal(retry(desk, refused, "phone call 18")) == "insufficient_funds"
    assert len(await captures.attempts(desk.pool, refused)) == 1
    assert (len(await desk.payments(paid)), len(await desk.payments(refused))) == (1, 0)
    assert (await retry(desk, refused, "phone call 19")).initiator == "staff"


async def test_a_paid_invoice_and_one_of_another_account_are_not_charged(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    stranger = await desk.customer(number=1)
    with pytest.raises(NotFound):
        await retry(desk, invoice_id, account_id=stranger.account_id)
    with pytest.raises(NotFound):
        await retry(desk, "99999999")
    await desk.sandbox.control.post(f"/whmcs/invoices/{invoice_id}/pay", json={"silent": True})
    assert await refusal(retry(desk, invoice_id, account_id=hana.account_id)) == "invoice_not_payable"
    assert len(await desk.payments(invoice_id)) == 1
    assert await captures.attempts(desk.pool, invoice_id) == []
    with pytest.raises(NotFound) as absent:
        await look_at_capture(desk.context, AYA, 999_999)
    assert absent.value.code == "capture_not_found"


async def test_the_clock_looks_at_every_doubt_and_one_that_fails_stops_no_other(desk: Any, hana: Actor) -> None:
    gone = await unanswered(desk, hana, "timeout")
    other = msgspec.structs.replace(hana, command_key=uuid4().hex)
    found = await unanswered(desk, other, "timeout_after_write")
    await desk.sandbox.control.delete(f"/whmcs/invoices/{gone.invoice_id}")
    assert await look_at_due(desk.context) == "2 looked at, 1 no longer in doubt"
    assert await look_at_due(desk.context) == "0 looked at, 0 no longer in doubt", "not again at once"
    assert [each.outcome for each in await captures.attempts(desk.pool, found.invoice_id)] == ["charged"]
    assert (await state(desk, gone, "not_charged")).outcome == "not_charged", "staff decide on what is deleted"


async def test_customers_read_what_happened_and_no_word_of_the_gateway(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    await desk.sandbox.control.post("/whmcs/declines", json={"code": "stolen_card", "count": 1})
    with pytest.raises(PaymentRefused):
        await pay_invoice(desk.context, hana, PayInvoice(invoice_id))
    await retry(desk, invoice_id)
    assert hana.account_id is not None
    paid, declined = (await payment_attempts.attempts_of_invoice(desk.pool, hana.account_id, invoice_id)).items
    assert (paid.outcome, paid.by, paid.reason) == ("paid", "us", None)
    assert (declined.outcome, declined.by, declined.reason) == ("declined", "you", "card_blocked")
    assert "nothing was charged" in declined.message
    assert "stolen" not in msgspec.json.encode([paid, declined]).decode()
    [newest, oldest] = (await payment_attempts.attempts(desk.pool, invoice_id=invoice_id)).items
    assert (newest.outcome, oldest.decline_code, oldest.decline_kind) == ("charged", "stolen_card", "hard")
    stranger = await desk.customer(number=1)
    with pytest.raises(NotFound):
        await payment_attempts.attempts_of_invoice(desk.pool, stranger.account_id, invoice_id)
