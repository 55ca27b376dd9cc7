"""Prices of the billing system, by product, currency and billing cycle, and the rule of what a customer is billed."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import Struct

from app.db import Db
from app.intake.billing_cycles import FREE, MONTHS, ONETIME, UNKNOWN, cycle_of
from app.money import exponent, rounded
from app.readmodels.pricing.tax import DOCUMENT, TaxTreatment
from app.readmodels.table import GLOBAL_ACCOUNT, Table

TABLE = Table(
    "prices",
    "price_id",
    {
        "account_id": "uuid",
        "price_id": "text",
        "product_id": "text",
        "product_name": "text",
        "currency": "text",
        "billing_cycle": "text",
        "offered": "bool",
        "amount": "numeric",
        "setup_fee": "numeric",
        "version": "bigint",
        "as_of": "timestamptz",
    },
)
BILLED_DECIMALS = 2
"""WHMCS stores two decimals of every currency."""
CYCLES = (*MONTHS, ONETIME, FREE)
"""Billing cycles that may have a price."""

_PRICES = """
SELECT product_id, billing_cycle, offered, amount, setup_fee FROM read_model.prices
WHERE account_id = $1 AND currency = $2 AND ($3::text[] IS NULL OR product_id = ANY($3::text[]))
"""
_TAX = """
SELECT d.body FROM read_model.documents d JOIN read_model.generations g USING (slice, generation)
WHERE g.state = 'serving' AND d.account_id = $1 AND d.name = $2 AND d.body <> ''
"""


class OwnPrice(Struct, frozen=True, kw_only=True):
    """A price of the billing system. `amount` and `setup_fee` are None unless it is offered."""

    offered: bool
    amount: Decimal | None
    setup_fee: Decimal | None


class BookPrice(Struct, frozen=True, kw_only=True):
    """A price of the portal's price book."""

    amount: Decimal
    currency: str
    billing_cycle: str


class BilledPrice(Struct, frozen=True, kw_only=True):
    """What a customer is billed per period, or once. `agreed`: it is the price book's, which the portal sets in the
    billing system wherever that has another."""

    amount: Decimal
    setup_fee: Decimal = Decimal(0)
    agreed: bool


NoPrice = Literal["not_offered", "unknown"]
OwnPrices = Mapping[tuple[str, str], OwnPrice]
"""(product, billing cycle) → price, in one currency."""


def billed_price(book: BookPrice, own: OwnPrice | None, currency: str, billing_cycle: str) -> BilledPrice | NoPrice:
    """Decide what somebody is billed for a product, in their currency and cycle: the one rule for what is shown and
    what is ordered.

    In the price book's currency and cycle it is the price book's price. WHMCS has its own price for any other; none is
    converted. What WHMCS does not offer cannot be billed at all.
    """
    if own is not None and not own.offered:
        return "not_offered"
    wanted = cycle_of(billing_cycle)
    if wanted == UNKNOWN:
        return "unknown"
    if same_currency(currency, book.currency) and wanted == cycle_of(book.billing_cycle):
        return BilledPrice(amount=billable(book.amount, currency), agreed=True)
    if own is None or own.amount is None:
        return "unknown"
    fee = billable(own.setup_fee or Decimal(0), currency)
    return BilledPrice(amount=billable(own.amount, currency), setup_fee=fee, agreed=False)


def billable(amount: Decimal, currency: str) -> Decimal:
    """Round an amount to what can be billed: whole units of the smallest coin, of at most two decimals."""
    found = rounded(amount, currency)
    return found if exponent(currency) <= BILLED_DECIMALS else rounded(found, "")


async def own_prices(db: Db, currency: str, product_ids: Sequence[str] | None = None) -> OwnPrices:
    """Read the billing system's prices in a currency, of these products or of all."""
    rows = await db.fetch(_PRICES, GLOBAL_ACCOUNT, currency_code(currency), product_ids)
    return {
        (row["product_id"], row["billing_cycle"]): OwnPrice(
            offered=row["offered"], amount=row["amount"], setup_fee=row["setup_fee"]
        )
        for row in rows
    }


async def tax_treatment(db: Db) -> TaxTreatment | None:
    """Read how the billing system treats tax; None if that was never read."""
    body = await db.fetchval(_TAX, GLOBAL_ACCOUNT, DOCUMENT)
    return None if body is None else msgspec.json.decode(body, type=TaxTreatment)


def currency_code(stated: str | None) -> str:
    """Normalise a currency as an upstream spells it, such as `usd `; empty if there is none."""
    return (stated or "").strip().upper()


def same_currency(one: str | None, other: str | None) -> bool:
    """Tell if both are one currency. An unknown one is no other's."""
    return bool(currency_code(one)) and currency_code(one) == currency_code(other)
