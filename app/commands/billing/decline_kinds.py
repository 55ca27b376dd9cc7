"""What a gateway's code means: whether a declined charge may succeed when it is repeated.

A soft decline may succeed later with the same card, a hard one never does. A code that is not listed, and one that says
nothing (`card_declined`, `generic_decline`, `do_not_honor`), is unknown, and never counts as soft.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from app.readmodels.billing.payment_attempts import KINDS, DeclineKind, DeclineReason

CODES: Mapping[DeclineReason, str] = {
    "insufficient_funds": """
        insufficient_funds not_sufficient_funds nsf 51 5120 payer_cannot_pay insufficient_balance
        bank_insufficient_funds
    """,
    "issuer_unavailable": """
        issuer_not_available issuer_unavailable issuer_or_switch_inoperative 91 92 9100 try_again_later
        reenter_transaction reissue_transaction 5920 19
    """,
    "payment_gateway_error": """
        processing_error gateway_error gateway_rejected api_error api_connection_error rate_limit
        system_error 96 internal_service_error internal_server_error system_malfunction lock_timeout 10001
        5990
    """,
    "limit_reached": """
        card_velocity_exceeded withdrawal_count_limit_exceeded exceeds_withdrawal_limit limit_exceeded 61 65
        transaction_limit_exceeded max_number_of_payment_attempts_exceeded 5710
    """,
    "card_expired": """
        expired_card card_expired expired 54 5400 invalid_expiry_month invalid_expiry_year 10508
    """,
    "card_invalid": """
        incorrect_number invalid_number incorrect_cvc invalid_cvc incorrect_zip invalid_account invalid_card
        card_invalid card_not_supported currency_not_supported not_permitted transaction_not_allowed
        service_not_allowed 12 14 15 57 1330 1335 5110 10502 10504 10527 10535 no_such_issuer payment_method_invalid
        token_already_used resource_missing invalid_or_restricted_card 5180 instrument_not_supported
    """,
    "card_blocked": """
        stolen_card lost_card pickup_card pick_up_card restricted_card merchant_blacklist fraudulent
        security_violation suspected_fraud 04 07 41 43 59 62 63 9500 9510 9520 9540 card_closed closed_account
        account_closed 46 payer_account_locked_or_closed payer_account_restricted lost_or_stolen
    """,
    "do_not_retry": """
        do_not_try_again do_not_retry stop_payment_order revocation_of_authorization
        revocation_of_all_authorizations r0 r1 r3 agreement_already_cancelled billing_agreement_not_found
        10201 agreement_canceled mandate_invalid 5910
    """,
    "authentication_required": """
        authentication_required authentication_not_handled offline_pin_required
        online_or_offline_pin_required 1a 5650 declined_sca_required payer_action_required
        3d_secure_required
    """,
}
"""Reason → codes of Stripe, PayPal (names and processor codes) and ISO 8583, in lower case. Those that ask the customer
to prove something are hard: nothing that is charged without the customer gets past them."""

REASON_OF = {code: reason for reason, codes in CODES.items() for code in codes.split()}


class Decline(Struct, frozen=True):
    """Why a charge was declined. `code` is the gateway's, `text` is for staff; both are empty where nothing tells.

    `entry_id` is the entry of WHMCS's gateway log that told it.
    """

    kind: DeclineKind = "unknown"
    reason: DeclineReason = ""
    code: str = ""
    text: str = ""
    entry_id: int | None = None


def classified(codes: Iterable[str], text: str = "") -> Decline:
    """Return what the codes of one answer mean together.

    An answer often has a general code and a particular one; of several that are known, a hard one decides.
    """
    given = [code.strip().lower() for code in codes if code.strip()]
    known = sorted(((REASON_OF[code], code) for code in given if code in REASON_OF), key=lambda each: _rank(each[0]))
    if not known:
        return Decline(code=given[0] if given else "", text=text)
    reason, code = known[0]
    return Decline(KINDS[reason], reason, code, text)


def _rank(reason: DeclineReason) -> int:
    return ("hard", "soft", "unknown").index(KINDS[reason])
