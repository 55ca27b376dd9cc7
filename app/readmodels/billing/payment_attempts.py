"""The vocabulary of attempts to charge an invoice: kinds and reasons of declines, and what customers are told of them.

Customers are never told more than is known, and never what only the bank may say.
"""

from collections.abc import Mapping
from typing import Literal

from app.errors import PaymentRefused

SETTLE_SECONDS = 300
"""How long a charge without an answer may still take effect. PHP, web server and gateway let none run longer."""

DeclineKind = Literal["hard", "soft", "unknown"]
DeclineReason = Literal[
    "",
    "insufficient_funds",
    "issuer_unavailable",
    "payment_gateway_error",
    "limit_reached",
    "card_expired",
    "card_invalid",
    "card_blocked",
    "do_not_retry",
    "authentication_required",
]
"""The portal's words for reasons; empty: unknown, as is the kind of a decline without one."""

KINDS: Mapping[DeclineReason, DeclineKind] = {
    "insufficient_funds": "soft",
    "issuer_unavailable": "soft",
    "payment_gateway_error": "soft",
    "limit_reached": "soft",
    "card_expired": "hard",
    "card_invalid": "hard",
    "card_blocked": "hard",
    "do_not_retry": "hard",
    "authentication_required": "hard",
}
BLOCKED = (
    "card_blocked",
    "Your bank does not accept payments with this card any more, so nothing was charged. Please add another card, or "
    "ask your bank.",
)
REASONS: Mapping[str, tuple[str, str]] = {
    "insufficient_funds": (
        "insufficient_funds",
        "Your bank declined the payment because there are not enough funds. Nothing was charged. Please use another "
        "payment method, or try again later.",
    ),
    "issuer_unavailable": (
        "issuer_unavailable",
        "Your bank could not be reached, so nothing was charged. Please try again later.",
    ),
    "payment_gateway_error": (
        "payment_gateway_error",
        "The payment service could not take the payment, so nothing was charged. Please try again later.",
    ),
    "limit_reached": (
        "limit_reached",
        "Your card has reached a limit that your bank sets, so nothing was charged. Please use another payment method, "
        "or try again later.",
    ),
    "card_expired": (
        "card_expired",
        "Your card has expired, so nothing was charged. Please add a new one.",
    ),
    "card_invalid": (
        "card_invalid",
        "Your card was not accepted, so nothing was charged. Please check or replace it under payment methods.",
    ),
    "card_blocked": BLOCKED,
    "do_not_retry": BLOCKED,
    "authentication_required": (
        "authentication_required",
        "Your bank wants you to confirm this payment yourself, so nothing was charged. Please pay on the payment page.",
    ),
}
"""Reason → code and sentence. That a card was reported stolen is the bank's to say, and never ours."""
EXPIRED = "Your card ending in {last_four} has expired, so nothing was charged. Please add a new one."


def told(reason: str, card_last_four: str | None = None) -> tuple[str, str]:
    """Return the code and the sentence for a reason; those of a plain decline for an unknown one."""
    if reason == "card_expired" and card_last_four:
        return reason, EXPIRED.format(last_four=card_last_four)
    return REASONS.get(reason, (PaymentRefused.code, PaymentRefused.detail))
