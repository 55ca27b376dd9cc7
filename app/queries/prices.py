"""Prices of the catalog as somebody is billed: in their currency, with their tax, and without what is not offered.

Reads: read_model.catalog, prices, profiles, document `tax`.
"""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from app.errors import Advice, NotReady
from app.money import Money, decimal, money
from app.queries.reading.store import Store
from app.queries.reading.unready import not_ready
from app.readmodels.catalog import Bundle, Category, CategorySummary, Product
from app.readmodels.orders import CURRENCY_UNKNOWN
from app.readmodels.pricing.bundles import bundles
from app.readmodels.pricing.prices import BilledPrice, BookPrice, OwnPrice, billed_price
from app.readmodels.pricing.tax import Tax
from app.readmodels.pricing.terms import Terms, public_terms, terms_of
from app.readmodels.table import GLOBAL_ACCOUNT
from app.words.sentence import say
from app.words.worded import sentence_in

_OWN = """
SELECT c.sku, p.offered, p.amount, p.setup_fee
FROM read_model.catalog c JOIN read_model.prices p ON p.account_id = c.account_id
     AND (p.product_id, p.currency, p.billing_cycle)
         = (c.whmcs_product_id, coalesce($2, c.currency), replace(c.billing_cycle, '_', ''))
WHERE c.account_id = $1
"""
_KNOWN = """
SELECT NOT EXISTS (SELECT FROM read_model.catalog WHERE account_id = $1 AND upper(currency) <> upper($2))
       OR EXISTS (SELECT FROM read_model.prices WHERE account_id = $1)
"""

_PROFILE = "SELECT EXISTS (SELECT FROM read_model.profiles WHERE account_id = $1)"


class Pricing(Struct, frozen=True):
    """What prices depend on: the terms, and the billing system's own prices by SKU in their currency. `known` is false
    for an account whose currency is unknown: it has no prices."""

    terms: Terms
    own: Mapping[str, OwnPrice]
    known: bool = True


async def public_pricing(store: Store) -> Pricing:
    """Return the pricing of the public catalog: in the price book's currency."""
    terms = await public_terms(store.pool, store.tax_rates)
    return Pricing(terms, await _own(store, None))


async def account_pricing(store: Store, account_id: UUID) -> Pricing:
    """Return the pricing of an account.

    Raises:
        NotReady: its billing client was never read, or it is billed in a currency of the billing system, whose prices
            were never read.
    """
    terms = await terms_of(store.pool, store.tax_rates, account_id)
    if not terms.currency:
        if not await store.pool.fetchval(_PROFILE, account_id):
            raise await not_ready(store, account_id, "whmcs", "client")
        return Pricing(terms, {}, known=False)
    if not await store.pool.fetchval(_KNOWN, GLOBAL_ACCOUNT, terms.currency):
        raise NotReady
    return Pricing(terms, await _own(store, terms.currency))


async def _own(store: Store, currency: str | None) -> Mapping[str, OwnPrice]:
    rows = await store.pool.fetch(_OWN, GLOBAL_ACCOUNT, currency and currency.upper())
    return {
        row["sku"]: OwnPrice(offered=row["offered"], amount=row["amount"], setup_fee=row["setup_fee"]) for row in rows
    }


def priced(product: Product, pricing: Pricing) -> Product | None:
    """Price a product. Without a known currency there is no price. One that is not offered in the price book's currency
    cannot be ordered; one without a price in another currency is none for that account."""
    if not pricing.known:
        return None
    book = BookPrice(
        amount=decimal(product.price.amount), currency=product.price.currency, billing_cycle=product.billing_cycle
    )
    currency = pricing.terms.currency or book.currency
    billed = billed_price(book, pricing.own.get(product.sku), currency, book.billing_cycle)
    tax = pricing.terms.tax
    if isinstance(billed, BilledPrice):
        return _shown(product, billed, currency, tax)
    if currency.upper() != book.currency.upper():
        return None
    return replace(_shown(product, BilledPrice(amount=book.amount, agreed=True), currency, tax), orderable=False)


def _shown(product: Product, billed: BilledPrice, currency: str, tax: Tax) -> Product:
    fee = billed.setup_fee
    return replace(
        product,
        price=money(billed.amount, currency),
        price_with_tax=tax.with_tax(billed.amount, currency),
        setup_fee=money(fee, currency) if fee else None,
        setup_fee_with_tax=tax.with_tax(fee, currency) if fee else None,
        tax=tax.word,
        tax_rate=tax.shown_rate,
    )


def priced_category(category: Category, pricing: Pricing) -> Category:
    """Price every product of a category, and the bundles made of them."""
    lists = {
        name: [each for product in getattr(category, name) if (each := priced(product, pricing))]
        for name in ("plans", "installations", "activation_fees", "add_ons")
    }
    offered = [product for products in lists.values() for product in products]
    kept = {each.plan for each in category.bundles}
    made = [each for each in bundles(offered) if each.plan in kept]
    return replace(category, **lists, bundles=[_taxed(each, pricing.terms.tax) for each in made])


def _taxed(bundle: Bundle, tax: Tax) -> Bundle:
    return replace(
        bundle,
        monthly_with_tax=with_tax(bundle.monthly, tax),
        one_time_with_tax=with_tax(bundle.one_time, tax),
        tax=tax.word,
        tax_rate=tax.shown_rate,
    )


def left_out(category: Category, pricing: Pricing) -> Advice | None:
    """Return why products of a category are not shown to an account, if some are not."""
    if not pricing.known:
        return Advice("not_known_yet", sentence_in(CURRENCY_UNKNOWN, "message"))
    products = (*category.plans, *category.installations, *category.activation_fees, *category.add_ons)
    if all(priced(each, pricing) for each in products):
        return None
    return Advice(
        "product_not_orderable",
        say("ordering.some_unpriced", currency=pricing.terms.currency or ""),
    )


def summary_of(category: Category, tax: Tax) -> CategorySummary:
    """Summarise a priced category by its cheapest plan."""
    cheapest = min((each.price for each in category.plans), key=lambda price: Decimal(price.amount), default=None)
    return CategorySummary(
        category=category.category,
        name=category.name,
        from_price=cheapest,
        from_price_with_tax=with_tax(cheapest, tax) if cheapest else None,
        tax=tax.word,
        tax_rate=tax.shown_rate,
        plan_count=len(category.plans),
    )


def with_tax(amount: Money, tax: Tax) -> Money | None:
    """Return a shown amount with tax; None if the rate is unknown."""
    return tax.with_tax(Decimal(amount.amount), amount.currency)
