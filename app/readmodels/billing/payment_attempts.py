"""The vocabulary of attempts to charge an invoice: kinds and reasons of declines, and what customers are told of them.

Customers are never told more than is known, and never what only the bank may say.
"""

from collections.abc import Mapping
from typing import Literal

from app.errors import PaymentRefused
from app.words.sentence import Sentence, say

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
    say("billing.card_blocked"),
)
REASONS: Mapping[str, tuple[str, Sentence]] = {
    "insufficient_funds": (
        "insufficient_funds",
        say("billing.insufficient_funds"),
    ),
    "issuer_unavailable": (
        "issuer_unavailable",
        say("billing.issuer_unavailable"),
    ),
    "payment_gateway_error": (
        "payment_gateway_error",
        say("billing.payment_gateway_error"),
    ),
    "limit_reached": (
        "limit_reached",
        say("billing.limit_reached"),
    ),
    "card_expired": (
        "card_expired",
        say("billing.card_expired"),
    ),
    "card_invalid": (
        "card_invalid",
        say("billing.card_invalid"),
    ),
    "card_blocked": BLOCKED,
    "do_not_retry": BLOCKED,
    "authentication_required": (
        "authentication_required",
        say("billing.authentication_required"),
    ),
}
"""Reason → code and sentence. That a card was reported stolen is the bank's to say, and never ours."""


def told(reason: str, card_last_four: str | None = None) -> tuple[str, str]:
    """Return the code and the sentence for a reason; those of a plain decline for an unknown one."""
    if reason == "card_expired" and card_last_four:
        return reason, say("billing.card_expired_ending_in", last_four=card_last_four)
    return REASONS.get(reason, (PaymentRefused.code, PaymentRefused.detail))
