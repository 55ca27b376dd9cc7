"""What somebody is billed: the price book's price in its currency and cycle, else WHMCS's own, else nothing."""

from decimal import Decimal
from typing import Any

import pytest

from app.readmodels.pricing.prices import BilledPrice, BookPrice, OwnPrice, billed_price

BOOK = BookPrice(amount=Decimal(1_500), currency="JPY", billing_cycle="monthly")
OWN = OwnPrice(offered=True, amount=Decimal(1_800), setup_fee=Decimal(99))
WITHDRAWN = OwnPrice(offered=False, amount=None, setup_fee=None)
AGREED = BilledPrice(amount=Decimal(1_500), agreed=True)
ITS_OWN = BilledPrice(amount=Decimal(1_800), setup_fee=Decimal(99), agreed=False)


@pytest.mark.parametrize(
    ("own", "currency", "billing_cycle", "expected"),
    [
        (OWN, "JPY", "monthly", AGREED),
        (OWN, "jpy ", "Monthly", AGREED),
        (None, "JPY", "monthly", AGREED),
        (WITHDRAWN, "JPY", "monthly", "not_offered"),
        (OWN, "USD", "monthly", ITS_OWN),
        (OWN, "JPY", "quarterly", ITS_OWN),
        (OWN, "USD", "annually", ITS_OWN),
        (None, "USD", "monthly", "unknown"),
        (None, "JPY", "annually", "unknown"),
        (WITHDRAWN, "USD", "quarterly", "not_offered"),
        (OwnPrice(offered=True, amount=None, setup_fee=None), "USD", "monthly", "unknown"),
        (
            OwnPrice(offered=True, amount=Decimal(0), setup_fee=Decimal(0)),
            "USD",
            "monthly",
            BilledPrice(amount=Decimal(0), agreed=False),
        ),
    ],
)
def test_who_is_billed_what(own: OwnPrice | None, currency: str, billing_cycle: str, expected: Any) -> None:
    assert billed_price(BOOK, own, currency, billing_cycle) == expected
