"""Installations of a line: the ways to have it installed and paid for, and the surcharges on top of one."""

import re

PAYMENTS = {"SINGLE": "Single", "12": "12-Month", "24": "24-Month"}
"""Last part of an installation's SKU → Installation_Type__c."""
_PAYMENT = re.compile(r"[-_](SINGLE|12|24)[-_]?(?:M|MONTHS?)?$")


def payment(sku: str) -> str | None:
    """Derive how an installation is paid from the last part of its SKU; None if it does not say."""
    found = _PAYMENT.search(sku.upper())
    return PAYMENTS[found.group(1)] if found else None


def is_at_weekend(sku: str) -> bool:
    """Return whether an installation is for a weekend."""
    return "WEEKEND" in sku.upper()


def is_surcharge(sku: str) -> bool:
    """Return whether an installation comes on top of another: the SKU says when it is and not how it is paid."""
    return is_at_weekend(sku) and payment(sku) is None
