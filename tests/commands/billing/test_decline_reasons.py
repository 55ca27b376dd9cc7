"""Reasons of failed charges: as precise as the gateway's answer, and never less than that nothing was charged."""

from datetime import date
from typing import Any

import pytest

from app.commands.billing.decline_reasons import refusal
from app.errors import PaymentRefused, UpstreamRejected
from app.integrations.whmcs.faults import of_message
from app.integrations.whmcs.records import WhmcsRecord

TODAY = date(2026, 2, 15)


def card(**data: Any) -> WhmcsRecord:
    return WhmcsRecord("pay_method", "3", "1001", {"card_last_four": "4242", "expiry_date": "02/26", **data})


def said(sentence: str, *methods: WhmcsRecord) -> PaymentRefused:
    error = of_message("CapturePayment", sentence)
    assert type(error) is UpstreamRejected, "not one that says it may be repeated"
    return refusal(error, methods or [card()], TODAY)


@pytest.mark.parametrize(
    ("sentence", "code"),
    [
        ("Payment Attempt Failed", "payment_declined"),
        ("Payment Attempt Failed. Please try again", "payment_declined"),
        ("Payment Attempt Failed: Your card has insufficient funds.", "insufficient_funds"),
        ("Payment Attempt Failed: Your card number is incorrect.", "card_invalid"),
        ("Payment Attempt Failed - card expired", "card_invalid"),
        ("Payment Attempt Failed: Gateway Module Not Activated", "payment_gateway_error"),
        ("Payment Attempt Failed: invalid credentials", "payment_gateway_error"),
    ],
)
def test_what_whmcs_says_is_told_in_words_of_ours(sentence: str, code: str) -> None:
    told = said(sentence)
    assert told.code == code
    assert "nothing was charged" in told.detail.lower()
    assert "gateway module" not in told.detail.lower()


def test_a_card_is_good_to_the_end_of_its_month() -> None:
    assert said("Payment Attempt Failed", card(expiry_date="02/26")).code == "payment_declined"
    assert said("Payment Attempt Failed", card(expiry_date="01/26")).code == "card_expired"
    assert said("Payment Attempt Failed", card(expiry_date="12/25")).code == "card_expired"


def test_only_when_every_method_has_expired_is_that_the_reason() -> None:
    old, new, account = card(expiry_date="01/26"), card(expiry_date="03/27"), card(expiry_date=None)
    assert said("Payment Attempt Failed", old, new).code == "payment_declined"
    assert said("Payment Attempt Failed", old, account).code == "payment_declined"
    assert said("Payment Attempt Failed", old, old).code == "card_expired"
    assert said("Payment Attempt Failed: insufficient funds", old).code == "insufficient_funds"
