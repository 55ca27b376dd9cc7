"""The life of an order in words: a sentence and a way forward for every status, and for every reason of a pause."""

from typing import Literal

from msgspec import Struct

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

    text: str
    next_step: NextStep


class PauseReason(Struct, frozen=True):
    """What a customer reads about a pause: its status, a stable code, a sentence, and what to do next."""

    status: OrderStatus
    code: str
    text: str
    next_step: NextStep


_ADD_METHOD = Words("Awaiting payment method. Please add one and we will continue by ourselves.", "add_payment_method")
_PAY = Words("Awaiting payment. Please pay the invoice and we will continue by ourselves.", "pay_invoice")
_PAUSED = Words("Activation is paused. Our staff are looking into it; you need not do anything.", "wait")

STATES: dict[OrderStatus, Words] = {
    "in_review": Words("We received your order and are reviewing it.", "wait"),
    "approved": Words("Your order is approved. Activation starts shortly.", "wait"),
    "created": Words("Your order is set up for activation, which begins now.", "wait"),
    "activating": Words("We are activating your service.", "wait"),
    "awaiting_payment_method": _ADD_METHOD,
    "awaiting_payment": _PAY,
    "paused": _PAUSED,
    "active": Words("Your service is active.", "none"),
    "cancelled": Words("This order was cancelled. You are welcome to order again.", "order_again"),
    "rejected": Words("We could not accept this order. Please contact support.", "contact_support"),
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
    "Activation is paused because a system that we need is unavailable. We try again every minute; "
    "you need not do anything.",
    "wait",
)
_DETAIL = PauseReason(
    "paused",
    "details_unclear",
    "Activation is paused because a detail of your order is not clear. Our staff will correct it, and ask you if they "
    "have to.",
    "wait",
)
_LINE_CHECKED = PauseReason(
    "paused",
    "line_being_checked",
    "Activation is paused while our staff check your line with the mobile network. You need not do anything.",
    "wait",
)

_NOT_KNOWN = PauseReason(
    "paused",
    "account_being_read",
    "Activation is paused while we look up your account. We continue by ourselves; you need not do anything.",
    "wait",
)
_NOT_ELIGIBLE = PauseReason(
    "paused",
    "address_not_eligible",
    "Activation is paused because Internet is not confirmed for the address of this order. Our staff are checking it; "
    "you need not do anything.",
    "wait",
)
_DUPLICATE = PauseReason(
    "paused",
    "duplicate_internet",
    "Activation is paused because you already have an Internet service or an earlier order for one. "
    "Please contact support.",
    "contact_support",
)
_FAMILY = PauseReason(
    "paused",
    "no_active_sim",
    "Activation is paused because this plan is for customers who have another active SIM. Please contact support.",
    "contact_support",
)
_DOMAIN_TAKEN = PauseReason(
    "paused",
    "domain_taken",
    "Activation is paused because you already host this domain with us. Please contact support to choose another one.",
    "contact_support",
)
_DOMAIN_UNAVAILABLE = PauseReason(
    "paused",
    "domain_unavailable",
    "Activation is paused because this domain cannot be used for web hosting with us. Please contact support to choose "
    "another one.",
    "contact_support",
)
_EID = PauseReason(
    "paused",
    "eid_missing",
    "Activation is paused because the EID of your phone is missing or wrong. Please contact support and have its 32 "
    "digits ready.",
    "contact_support",
)
_TRANSFER = PauseReason(
    "paused",
    "transfer_details_missing",
    "Activation is paused because a detail of your number transfer is missing, or its reservation has expired. "
    "Please contact support.",
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
        "Activation is paused because your billing account is closed. Please contact support to have it opened again.",
        "contact_support",
    ),
    "BILLING_ACCOUNT_MISSING": PauseReason(
        "paused",
        "account_missing",
        "Activation is paused because we cannot find your billing account. Please contact support.",
        "contact_support",
    ),
    "SIM_NOT_ASSIGNED": PauseReason(
        "paused",
        "sim_not_assigned",
        "Activation is paused until our staff have chosen a SIM card for you. You need not do anything.",
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
        "Activation is paused because the invoice of this order can no longer be paid. Please contact support.",
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
        "Activation is paused while our staff transfer your number by hand. You need not do anything.",
        "wait",
    ),
    "SIM_OUTCOME_UNKNOWN": _LINE_CHECKED,
    "SIM_NUMBER_UNKNOWN": _LINE_CHECKED,
    "SIM_ACTIVATION_SLOW": PauseReason(
        "paused",
        "line_activation_slow",
        "The mobile network takes longer than usual to activate your line. Our staff are asking it; "
        "you need not do anything.",
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
