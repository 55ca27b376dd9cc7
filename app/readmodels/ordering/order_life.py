"""The life of an order in words: a sentence and a way forward for every status, and for every reason of a pause."""

from typing import Literal

from msgspec import Struct

from app.words.sentence import Sentence, say

OrderStatus = Literal[
    "in_review",
    "approved",
    "created",
    "activating",
    "awaiting_payment_method",
    "awaiting_payment",
    "paused",
    "active",
    "cancelled",
    "rejected",
]
"""The statuses of an order that a customer sees."""
NextStep = Literal["wait", "add_payment_method", "pay_invoice", "contact_support", "order_again", "none"]
"""What the customer does next about an order."""


class Words(Struct, frozen=True):
    """What a customer reads about a status, and does next."""

    text: Sentence
    next_step: NextStep


class PauseReason(Struct, frozen=True):
    """What a customer reads about a pause: its status, a stable code, a sentence, and what to do next."""

    status: OrderStatus
    code: str
    text: Sentence
    next_step: NextStep


_ADD_METHOD = Words(say("orders.add_method"), "add_payment_method")
_PAY = Words(say("orders.pay"), "pay_invoice")
_PAUSED = Words(say("orders.paused"), "wait")

STATES: dict[OrderStatus, Words] = {
    "in_review": Words(say("orders.in_review"), "wait"),
    "approved": Words(say("orders.approved"), "wait"),
    "created": Words(say("orders.created"), "wait"),
    "activating": Words(say("orders.activating"), "wait"),
    "awaiting_payment_method": _ADD_METHOD,
    "awaiting_payment": _PAY,
    "paused": _PAUSED,
    "active": Words(say("orders.active"), "none"),
    "cancelled": Words(say("orders.cancelled"), "order_again"),
    "rejected": Words(say("orders.rejected"), "contact_support"),
}
CLOSED: tuple[OrderStatus, ...] = ("active", "cancelled", "rejected")
OPEN: tuple[OrderStatus, ...] = tuple(status for status in STATES if status not in CLOSED)
"""Statuses of orders that are in progress. No other order stands in the way of a new one."""

PauseCode = Literal[
    "PAYMENT_METHOD_MISSING",
    "PAYMENT_PENDING",
    "BILLING_ACCOUNT_CLOSED",
    "BILLING_ACCOUNT_MISSING",
    "SIM_NOT_ASSIGNED",
    "SALESFORCE_UNAVAILABLE",
    "WHMCS_UNAVAILABLE",
    "FREEBIT_UNAVAILABLE",
    "WHM_UNAVAILABLE",
    "SALESFORCE_REJECTED",
    "WHMCS_REJECTED",
    "FREEBIT_REJECTED",
    "WHM_REJECTED",
    "INVOICE_NOT_PAYABLE",
    "NOT_KNOWN_YET",
    "PRODUCT_NOT_ORDERABLE",
    "NOT_ELIGIBLE",
    "DUPLICATE_INTERNET",
    "SKU_REPEATED",
    "QUANTITY_NOT_ONE",
    "PLAN_REQUIRED",
    "INTERNET_PLAN_REQUIRED",
    "SIM_PLAN_REQUIRED",
    "ONE_PLAN_ONLY",
    "INSTALLATION_REQUIRED",
    "ACTIVATION_FEE_REQUIRED",
    "VPN_ACTIVATION_FEE_REQUIRED",
    "REQUIRED_PRODUCT_MISSING",
    "PRODUCTS_EXCLUDE_EACH_OTHER",
    "VPN_REGION_REQUIRED",
    "DOMAIN_REQUIRED",
    "DOMAIN_INVALID",
    "DOMAIN_TAKEN",
    "DOMAIN_UNAVAILABLE",
    "EID_REQUIRED",
    "MNP_DETAILS_REQUIRED",
    "PRODUCT_NOT_MAPPED",
    "PRODUCT_UNCLEAR",
    "QUANTITY_NOT_WHOLE",
    "PRICE_MISSING",
    "PRICE_NOT_AGREED",
    "WHMCS_ORDER_NOT_ACTIVE",
    "WHMCS_ORDER_INCOMPLETE",
    "SIM_PLAN_CODE_MISSING",
    "SIM_PLAN_TYPE_UNKNOWN",
    "SIM_TYPE_UNKNOWN",
    "PORTING_GENDER_UNKNOWN",
    "SIM_TRANSFER_BY_HAND",
    "SIM_OUTCOME_UNKNOWN",
    "SIM_NUMBER_UNKNOWN",
    "SIM_ACTIVATION_SLOW",
    "HOSTING_NAME_TAKEN",
    "ORDER_NOT_APPROVED",
    "INTERNAL_ERROR",
    "CANCELLED_BY_STAFF",
    "CANCELLED_IN_SALESFORCE",
    "LINE_TO_CANCEL",
]
"""Every code that fulfilment gives an order; all but `ORDER_NOT_APPROVED` are written to Activation_Error_Code__c."""

CHECKED_BY_STAFF = PauseReason("paused", "activation_failed", _PAUSED.text, _PAUSED.next_step)
"""Also what the customer reads about a code that staff made up."""
_AWAY = PauseReason(
    "paused",
    "system_unavailable",
    say("orders.system_unavailable"),
    "wait",
)
_DETAIL = PauseReason(
    "paused",
    "details_unclear",
    say("orders.details_unclear"),
    "wait",
)
_LINE_CHECKED = PauseReason(
    "paused",
    "line_being_checked",
    say("orders.line_checked"),
    "wait",
)

_NOT_KNOWN = PauseReason(
    "paused",
    "account_being_read",
    say("orders.account_read"),
    "wait",
)
_NOT_ELIGIBLE = PauseReason(
    "paused",
    "address_not_eligible",
    say("orders.address_not_eligible"),
    "wait",
)
_DUPLICATE = PauseReason(
    "paused",
    "duplicate_internet",
    say("orders.duplicate_internet"),
    "contact_support",
)
_FAMILY = PauseReason(
    "paused",
    "no_active_sim",
    say("orders.no_active_sim"),
    "contact_support",
)
_DOMAIN_TAKEN = PauseReason(
    "paused",
    "domain_taken",
    say("orders.domain_taken"),
    "contact_support",
)
_DOMAIN_UNAVAILABLE = PauseReason(
    "paused",
    "domain_unavailable",
    say("orders.domain_unavailable"),
    "contact_support",
)
_EID = PauseReason(
    "paused",
    "eid_missing",
    say("orders.eid_missing"),
    "contact_support",
)
_TRANSFER = PauseReason(
    "paused",
    "transfer_details_missing",
    say("orders.transfer_details_missing"),
    "contact_support",
)

PAUSES: dict[PauseCode, PauseReason] = {
    "PAYMENT_METHOD_MISSING": PauseReason(
        "awaiting_payment_method", "payment_method_missing", _ADD_METHOD.text, _ADD_METHOD.next_step
    ),
    "PAYMENT_PENDING": PauseReason("awaiting_payment", "payment_pending", _PAY.text, _PAY.next_step),
    "BILLING_ACCOUNT_CLOSED": PauseReason(
        "paused",
        "account_closed",
        say("orders.account_closed"),
        "contact_support",
    ),
    "BILLING_ACCOUNT_MISSING": PauseReason(
        "paused",
        "account_missing",
        say("orders.account_missing"),
        "contact_support",
    ),
    "SIM_NOT_ASSIGNED": PauseReason(
        "paused",
        "sim_not_assigned",
        say("orders.sim_not_assigned"),
        "wait",
    ),
    "SALESFORCE_UNAVAILABLE": _AWAY,
    "WHMCS_UNAVAILABLE": _AWAY,
    "FREEBIT_UNAVAILABLE": _AWAY,
    "WHM_UNAVAILABLE": _AWAY,
    "SALESFORCE_REJECTED": CHECKED_BY_STAFF,
    "WHMCS_REJECTED": CHECKED_BY_STAFF,
    "FREEBIT_REJECTED": CHECKED_BY_STAFF,
    "WHM_REJECTED": CHECKED_BY_STAFF,
    "INVOICE_NOT_PAYABLE": PauseReason(
        "paused",
        "invoice_not_payable",
        say("orders.invoice_not_payable"),
        "contact_support",
    ),
    "NOT_KNOWN_YET": _NOT_KNOWN,
    "PRODUCT_NOT_ORDERABLE": _FAMILY,
    "NOT_ELIGIBLE": _NOT_ELIGIBLE,
    "DUPLICATE_INTERNET": _DUPLICATE,
    "SKU_REPEATED": _DETAIL,
    "QUANTITY_NOT_ONE": _DETAIL,
    "PLAN_REQUIRED": _DETAIL,
    "INTERNET_PLAN_REQUIRED": _DETAIL,
    "SIM_PLAN_REQUIRED": _DETAIL,
    "ONE_PLAN_ONLY": _DETAIL,
    "INSTALLATION_REQUIRED": _DETAIL,
    "ACTIVATION_FEE_REQUIRED": _DETAIL,
    "VPN_ACTIVATION_FEE_REQUIRED": _DETAIL,
    "REQUIRED_PRODUCT_MISSING": _DETAIL,
    "PRODUCTS_EXCLUDE_EACH_OTHER": _DETAIL,
    "VPN_REGION_REQUIRED": _DETAIL,
    "DOMAIN_REQUIRED": _DETAIL,
    "DOMAIN_INVALID": _DETAIL,
    "DOMAIN_TAKEN": _DOMAIN_TAKEN,
    "DOMAIN_UNAVAILABLE": _DOMAIN_UNAVAILABLE,
    "EID_REQUIRED": _EID,
    "MNP_DETAILS_REQUIRED": _TRANSFER,
    "PRODUCT_NOT_MAPPED": CHECKED_BY_STAFF,
    "PRODUCT_UNCLEAR": CHECKED_BY_STAFF,
    "QUANTITY_NOT_WHOLE": _DETAIL,
    "PRICE_MISSING": CHECKED_BY_STAFF,
    "PRICE_NOT_AGREED": CHECKED_BY_STAFF,
    "WHMCS_ORDER_NOT_ACTIVE": CHECKED_BY_STAFF,
    "WHMCS_ORDER_INCOMPLETE": CHECKED_BY_STAFF,
    "SIM_PLAN_CODE_MISSING": CHECKED_BY_STAFF,
    "SIM_PLAN_TYPE_UNKNOWN": CHECKED_BY_STAFF,
    "SIM_TYPE_UNKNOWN": _DETAIL,
    "PORTING_GENDER_UNKNOWN": _DETAIL,
    "SIM_TRANSFER_BY_HAND": PauseReason(
        "paused",
        "number_transferred_by_hand",
        say("orders.transferred_by_hand"),
        "wait",
    ),
    "SIM_OUTCOME_UNKNOWN": _LINE_CHECKED,
    "SIM_NUMBER_UNKNOWN": _LINE_CHECKED,
    "SIM_ACTIVATION_SLOW": PauseReason(
        "paused",
        "line_activation_slow",
        say("orders.line_slow"),
        "wait",
    ),
    "HOSTING_NAME_TAKEN": CHECKED_BY_STAFF,
    "ORDER_NOT_APPROVED": CHECKED_BY_STAFF,
    "INTERNAL_ERROR": CHECKED_BY_STAFF,
    "CANCELLED_BY_STAFF": CHECKED_BY_STAFF,
    "CANCELLED_IN_SALESFORCE": CHECKED_BY_STAFF,
    "LINE_TO_CANCEL": CHECKED_BY_STAFF,
}
"""Activation_Error_Code__c → what the customer reads. The sentence of an order that is cancelled is its status's."""


def pause_of(error_code: str | None) -> PauseReason | None:
    """Return what a code on an order means to its customer; None without one."""
    code = (error_code or "").strip()
    return next((pause for known, pause in PAUSES.items() if known == code), CHECKED_BY_STAFF) if code else None
