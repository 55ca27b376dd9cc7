"""Why a charge was declined: journaled by attempt, read from the answer or the gateway's log, else unknown."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.commands.billing import captures
from app.commands.billing.captures import Attempt
from app.commands.billing.create_payment_link import PayInvoice
from app.commands.billing.pay_invoice import pay_invoice
from app.commands.execution.context import Actor
from app.errors import OutcomeUnknown, PaymentRefused, PortalError

CARD = "4242 4242 4242 4242"
WIDE_CARD = "".join(chr(ord(each) + 0xFEE0) for each in "4242424242424242")
JAPANESE = "\u306f\u5229\u7528\u3067\u304d\u307e\u305b\u3093"
GATEWAY_TEXTS = [
    f"Card {CARD} of hana@example.com was refused",
    f"<html><script>var n='{CARD}'</script><b>Refus\u00e9</b>&nbsp;{CARD}<br>" + "x" * 10_000,
    f"{WIDE_CARD} {JAPANESE}",
    '{"error":{"message":"No card 4242-4242-4242-4242","source":{"name":"A. Person","number":"4242424242424242"}}}',
    "[cardnum] => 4242424242424242\n[message] => 42\u200b42 4242 4242 4242 was refused\n[name] => A. Person",
    "[x] => y\n" * 5_000,
    "{" * 5_000,
    "\x00\x1b[2J\u202e",
]


@pytest.fixture
async def hana(desk: Any) -> Actor:
    """A customer with a card."""
    return await desk.customer()


async def decline(desk: Any, code: str = "", **more: Any) -> None:
    (await desk.sandbox.control.post("/whmcs/declines", json={"code": code, **more})).raise_for_status()


async def tried(desk: Any, actor: Actor, invoice_id: str) -> tuple[PortalError, Attempt]:
    """Pay in vain; return the refusal and the attempt."""
    request = msgspec.structs.replace(actor, command_key=uuid4().hex)
    with pytest.raises(PortalError) as caught:
        await pay_invoice(desk.context, request, PayInvoice(invoice_id))
    attempts = await captures.attempts(desk.pool, invoice_id)
    assert attempts, f"nothing was sent: {caught.value!r}"
    return caught.value, attempts[0]


@pytest.mark.parametrize(
    ("code", "kind", "reason", "told"),
    [
        ("insufficient_funds", "soft", "insufficient_funds", "insufficient_funds"),
        ("issuer_not_available", "soft", "issuer_unavailable", "issuer_unavailable"),
        ("processing_error", "soft", "payment_gateway_error", "payment_gateway_error"),
        ("withdrawal_count_limit_exceeded", "soft", "limit_reached", "limit_reached"),
        ("stolen_card", "hard", "card_blocked", "card_blocked"),
        ("do_not_try_again", "hard", "do_not_retry", "card_blocked"),
        ("expired_card", "hard", "card_expired", "card_expired"),
        ("incorrect_cvc", "hard", "card_invalid", "card_invalid"),
        ("authentication_required", "hard", "authentication_required", "authentication_required"),
        ("generic_decline", "unknown", "", "payment_declined"),
    ],
)
async def test_the_gateways_log_tells_what_the_answer_does_not(
    desk: Any, hana: Actor, code: str, kind: str, reason: str, told: str
) -> None:
    invoice_id = await desk.bill(hana)
    await decline(desk, code)
    refused, attempt = await tried(desk, hana, invoice_id)
    assert (type(refused), refused.code) == (PaymentRefused, told)
    assert (attempt.outcome, attempt.initiator) == ("declined", "customer")
    assert (attempt.decline_kind, attempt.decline_reason) == (kind, reason)
    [card] = await desk.resources.whmcs.pay_methods(hana.whmcs_client_id)
    assert (str(attempt.amount), attempt.currency, attempt.pay_method_id) == ("1100.00", "JPY", card.record_id)
    assert await desk.payments(invoice_id) == []


async def test_of_what_nothing_tells_nothing_is_known(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    await decline(desk, "stolen_card", tells="nothing")
    refused, attempt = await tried(desk, hana, invoice_id)
    assert (refused.code, attempt.decline_kind, attempt.decline_code) == ("payment_declined", "unknown", "")
    assert attempt.decline_text == "Payment Attempt Failed"


async def test_an_answer_that_tells_is_believed_without_the_log(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    await decline(desk, "insufficient_funds", tells="answer")
    refused, attempt = await tried(desk, hana, invoice_id)
    assert (refused.code, attempt.decline_kind) == ("insufficient_funds", "soft")
    assert "PortalGatewayLog" not in {each["operation"] for each in await desk.sandbox.calls("whmcs")}


@pytest.mark.parametrize("fault", ["not permitted", "away", "slow", "another's"])
async def test_a_log_that_cannot_be_read_leaves_the_reason_unknown(
    desk: Any, hana: Actor, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice_id = await desk.bill(hana)
    await decline(desk, "insufficient_funds")
    if fault == "not permitted":
        await desk.sandbox.control.put("/whmcs/card-gateway", json={"readable": False})
    if fault == "away":
        await desk.sandbox.fault("whmcs", "status", "PortalGatewayLog", status=500, count=10)
    if fault == "slow":
        monkeypatch.setattr("app.commands.billing.declines.LOG_SECONDS", 0.2)
        await desk.sandbox.fault("whmcs", "latency", "PortalGatewayLog", seconds=1)
    if fault == "another's":
        again = {"find": '"invoiceid":', "replace": '"invoiceid":9'}
        await desk.sandbox.fault("whmcs", "rewrite", "PortalGatewayLog", **again)
    refused, attempt = await tried(desk, hana, invoice_id)
    assert (refused.code, attempt.decline_kind) == ("payment_declined", "unknown")


async def test_an_entry_explains_one_attempt(desk: Any, hana: Actor) -> None:
    """The second decline is logged nowhere: the first one's reason is not its own."""
    invoice_id = await desk.bill(hana)
    await decline(desk, "insufficient_funds", count=1)
    await decline(desk, "stolen_card", tells="nothing")
    assert (await tried(desk, hana, invoice_id))[1].decline_kind == "soft"
    assert (await tried(desk, hana, invoice_id))[1].decline_kind == "unknown"


@pytest.mark.parametrize("text", GATEWAY_TEXTS)
async def test_what_staff_read_of_it_holds_no_card_and_no_person(desk: Any, hana: Actor, text: str) -> None:
    invoice_id = await desk.bill(hana)
    first, last = await desk.pool.fetchrow(
        "SELECT first_name, last_name FROM read_model.profiles WHERE account_id = $1", hana.account_id
    )
    said = text if text.startswith("{") else f"{text} {first} {last}"
    await decline(desk, text=said)
    refused, attempt = await tried(desk, hana, invoice_id)
    kept = attempt.decline_text or ""
    assert len(kept) <= 300
    assert not [each for each in ("4242", "\uff14\uff12", "@", "<", "A. Person", first, last) if each in kept]
    assert refused.code == "payment_declined"
    assert attempt.decline_kind == "unknown"


@pytest.mark.parametrize("tells", ["log", "answer"])
async def test_the_customers_name_is_kept_nowhere_wherever_the_gateway_put_it(
    desk: Any, hana: Actor, tells: str
) -> None:
    invoice_id = await desk.bill(hana)
    names = await desk.pool.fetchrow(
        "SELECT first_name, last_name FROM read_model.profiles WHERE account_id = $1", hana.account_id
    )
    await decline(desk, text=f"Refused for {' '.join(names).upper()} today", tells=tells)
    _, attempt = await tried(desk, hana, invoice_id)
    kept = attempt.decline_text or ""
    assert "Refused for" in kept
    assert not [each for each in names if each.lower() in kept.lower()]


async def test_an_unanswered_charge_is_an_attempt_in_doubt_and_a_found_one_is_not(desk: Any, hana: Actor) -> None:
    lost, late = await desk.bill(hana), await desk.bill(hana)
    await desk.sandbox.fault("whmcs", "timeout", "CapturePayment")
    assert isinstance((await tried(desk, hana, lost))[0], OutcomeUnknown)
    [doubt] = await captures.in_doubt(desk.pool, lost)
    assert (doubt.outcome, doubt.ended_at, doubt.decline_kind) == (None, None, None)
    await desk.sandbox.fault("whmcs", "timeout_after_write", "CapturePayment")
    await pay_invoice(desk.context, hana, PayInvoice(late))
    assert [each.outcome for each in await captures.attempts(desk.pool, late)] == ["charged"]
    assert len(await desk.payments(late)) == 1


async def test_what_never_reached_a_gateway_is_no_attempt(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    await desk.sandbox.fault("whmcs", "status", "CapturePayment", status=503)
    with pytest.raises(PortalError):
        await pay_invoice(desk.context, hana, PayInvoice(invoice_id))
    assert await captures.attempts(desk.pool, invoice_id) == []


async def test_the_reason_of_an_unexplained_decline_is_the_cards_expiry_where_that_has_passed(
    desk: Any, hana: Actor
) -> None:
    invoice_id = await desk.bill(hana)
    [card] = await desk.resources.whmcs.pay_methods(hana.whmcs_client_id)
    change = {"card_last_four": "0002", "expiry_date": "01/24"}
    await desk.sandbox.control.patch(f"/whmcs/pay-methods/{card.record_id}", json=change)
    refused, attempt = await tried(desk, hana, invoice_id)
    assert (refused.code, attempt.decline_kind, attempt.decline_reason) == ("card_expired", "hard", "card_expired")


async def test_of_several_cards_one_that_is_good_leaves_the_reason_open(desk: Any, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    [card] = await desk.resources.whmcs.pay_methods(hana.whmcs_client_id)
    change = {"card_last_four": "0002", "expiry_date": "01/24"}
    await desk.sandbox.control.patch(f"/whmcs/pay-methods/{card.record_id}", json=change)
    await desk.sandbox.control.post(f"/whmcs/clients/{hana.whmcs_client_id}/pay-methods", json={})
    assert (await tried(desk, hana, invoice_id))[1].decline_kind == "unknown"
