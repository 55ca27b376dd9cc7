"""Reasons of failed charges: as precise as the gateway's answer, and never less than that nothing was charged."""

import pytest

from app.commands.billing import decline_kinds
from app.commands.billing.decline_kinds import Decline, classified
from app.commands.billing.decline_reasons import refusal
from app.errors import UpstreamRejected
from app.integrations.whmcs.charging.decline_texts import read
from app.integrations.whmcs.faults import of_message
from app.readmodels.billing.payment_attempts import KINDS, REASONS, told


def kind_of(sentence: str) -> tuple[str, str]:
    """Return kind and reason of what WHMCS answers to CapturePayment."""
    error = of_message("CapturePayment", sentence)
    assert type(error) is UpstreamRejected, "not one that says it may be repeated"
    found = classified(read(sentence).codes)
    return found.kind, found.reason


@pytest.mark.parametrize(
    ("sentence", "kind", "reason"),
    [
        ("Payment Attempt Failed", "unknown", ""),
        ("Payment Attempt Failed. Please try again", "unknown", ""),
        ("Payment Attempt Failed: Your card was declined.", "unknown", ""),
        ("Payment Attempt Failed: Your card has insufficient funds.", "soft", "insufficient_funds"),
        ("Payment Attempt Failed: Your card number is incorrect.", "hard", "card_invalid"),
        ("Payment Attempt Failed: Your card's security code is incorrect.", "hard", "card_invalid"),
        ("Payment Attempt Failed - card expired", "hard", "card_expired"),
        ("Payment Attempt Failed: Gateway Module Not Activated", "soft", "payment_gateway_error"),
        ("Payment Attempt Failed: invalid credentials", "soft", "payment_gateway_error"),
        ("Payment Attempt Failed: do_not_honor (05)", "unknown", ""),
        ("Payment Attempt Failed: Response code: 51", "soft", "insufficient_funds"),
        ("Payment Attempt Failed: Declined (43)", "hard", "card_blocked"),
        ("Payment Attempt Failed: <b>lost_card</b>", "hard", "card_blocked"),
        ("Payment Attempt Failed: R1", "unknown", ""),
        ("Payment Attempt Failed: PayPal INSTRUMENT_DECLINED", "unknown", ""),
        ("Payment Attempt Failed: PAYER_CANNOT_PAY", "soft", "insufficient_funds"),
        ("Payment Attempt Failed: Ihre Karte wurde abgelehnt.", "unknown", ""),
        ("Payment Attempt Failed: \u6b8b\u9ad8\u4e0d\u8db3", "unknown", ""),
        ("Payment Attempt Failed: your session expired", "unknown", ""),
        ("Payment Attempt Failed: order 51 of 2026", "unknown", ""),
    ],
)
def test_an_answer_means_what_its_codes_mean_and_else_nothing(sentence: str, kind: str, reason: str) -> None:
    assert kind_of(sentence) == (kind, reason)


@pytest.mark.parametrize(
    ("codes", "kind", "reason"),
    [
        (["card_declined", "stolen_card"], "hard", "card_blocked"),
        (["insufficient_funds", "do_not_try_again"], "hard", "do_not_retry"),
        (["STOLEN_CARD"], "hard", "card_blocked"),
        (["card_declined", "generic_decline"], "unknown", ""),
        (["new_code_of_2027"], "unknown", ""),
        ([], "unknown", ""),
        (["", " "], "unknown", ""),
    ],
)
def test_of_several_codes_a_hard_one_decides_and_a_new_one_is_unknown(codes: list[str], kind: str, reason: str) -> None:
    found = classified(codes)
    assert (found.kind, found.reason) == (kind, reason)


def test_an_unknown_code_is_kept_for_staff() -> None:
    assert classified(["new_code_of_2027"]) == Decline("unknown", "", "new_code_of_2027")


def test_every_reason_has_a_kind_and_a_sentence_that_says_that_nothing_was_charged() -> None:
    assert set(decline_kinds.CODES) == set(KINDS) == set(REASONS)
    codes = [code for line in decline_kinds.CODES.values() for code in line.split()]
    assert len(codes) == len(set(codes)), "a code means one thing"
    for reason in ("", *REASONS):
        _, sentence = told(reason)
        assert "nothing was charged" in sentence.lower()
        assert not {"stolen", "lost", "fraud"} & set(sentence.lower().split()), "that is the bank's to say"


def test_an_expired_card_is_named_where_it_is_known() -> None:
    assert "ending in 4242 has expired" in refusal("card_expired", "4242").detail
    assert "Your card has expired" in refusal("card_expired").detail
