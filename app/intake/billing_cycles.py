"""Billing cycles: one vocabulary for catalog, orders, subscriptions and plan changes, whatever an upstream writes.

The words are those of WHMCS's requests (`AddOrder`, `UpgradeProduct`, the prices of `GetProducts`). Its answers have
others (`Semi-Annually`, `Free Account`, `One Time` or `One-Time`), and Salesforce's picklist has `Monthly` and
`Onetime`.
"""

import re
from typing import Annotated, Literal

from msgspec import Meta

from app.intake.words import folded

BillingCycle = Literal[
    "free",
    "onetime",
    "monthly",
    "quarterly",
    "semiannually",
    "annually",
    "biennially",
    "triennially",
    "unknown",
]
FREE: BillingCycle = "free"
ONETIME: BillingCycle = "onetime"
MONTHLY: BillingCycle = "monthly"
UNKNOWN: BillingCycle = "unknown"
MONTHS: dict[BillingCycle, int] = {
    MONTHLY: 1,
    "quarterly": 3,
    "semiannually": 6,
    "annually": 12,
    "biennially": 24,
    "triennially": 36,
}
"""Recurring cycle → its calendar months. Due dates come from WHMCS and are never computed from these."""

CycleWord = Annotated[str, Meta(extra_json_schema={"extra": {"enum": [FREE, ONETIME, *MONTHS, UNKNOWN]}})]
"""A cycle in a document. Documents of the release before may hold other words, so it is not checked when read."""

_SEPARATORS = re.compile(r"[\W_]+")
_WORDS: dict[str, BillingCycle] = {"freeaccount": FREE, **{word: word for word in (FREE, ONETIME, *MONTHS)}}


def cycle_of(word: object) -> BillingCycle:
    """Map an upstream's word: case, width, blanks, hyphens and underscores do not matter. Any other is `unknown`."""
    return _WORDS.get(_SEPARATORS.sub("", folded(word)), UNKNOWN)
