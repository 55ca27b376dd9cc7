"""The refusal of a declined charge, in words for its customer."""

from app.errors import PaymentRefused
from app.readmodels.billing.payment_attempts import DeclineReason, told


def refusal(reason: DeclineReason, card_last_four: str | None = None) -> PaymentRefused:
    """Return the error that tells the customer why the charge was declined."""
    code, sentence = told(reason, card_last_four)
    return PaymentRefused(sentence, code=code)
