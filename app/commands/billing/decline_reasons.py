"""The reasons for a declined charge. WHMCS rarely gives one, but it knows when a card expires."""

from collections.abc import Sequence
from datetime import date

from app.errors import PaymentRefused, UpstreamRejected
from app.integrations.whmcs.faults import CARD_INVALID, GATEWAY_ERROR, INSUFFICIENT_FUNDS
from app.integrations.whmcs.records import WhmcsRecord

REASONS = {
    INSUFFICIENT_FUNDS: (
        "insufficient_funds",
        "Your bank declined the payment because there are not enough funds. Nothing was charged. Please use another "
        "payment method, or try again later.",
    ),
    CARD_INVALID: (
        "card_invalid",
        "Your card was not accepted, so nothing was charged. Please check or replace it under payment methods.",
    ),
    GATEWAY_ERROR: (
        "payment_gateway_error",
        "The payment service could not take the payment, so nothing was charged. Please try again later.",
    ),
}
"""WHMCS's reason → code and sentence."""
EXPIRED = "Your card ending in {last_four} has expired, so nothing was charged. Please add a new one."


def refusal(error: UpstreamRejected, methods: Sequence[WhmcsRecord], today: date) -> PaymentRefused:
    """Return the error that tells the customer why the charge was declined."""
    reason = error.vendor_code
    if reason not in (INSUFFICIENT_FUNDS, GATEWAY_ERROR) and methods and all(_expired(each, today) for each in methods):
        sentence = EXPIRED.format(last_four=methods[0].data.get("card_last_four"))
        return PaymentRefused(sentence, code="card_expired")
    if reason in REASONS:
        code, sentence = REASONS[reason]
        return PaymentRefused(sentence, code=code)
    return PaymentRefused()


def _expired(method: WhmcsRecord, today: date) -> bool:
    """Tell if the expiry, `MM/YY`, has passed; a method without one never expires."""
    month, _, year = (method.data.get("expiry_date") or "").partition("/")
    dated = month.isdecimal() and year.isdecimal()
    return dated and (2000 + int(year) % 100, int(month)) < (today.year, today.month)
