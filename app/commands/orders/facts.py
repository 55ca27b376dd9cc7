"""The facts about an account that the order rules need: from the read models, or live if past their freshness bound.

Reads: read_model.catalog, prices, payment_methods, freshness, profiles, document `tax`, and what the account's standing
reads; WHMCS if those are too old.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import asdict, replace

from app.clock import now
from app.commands.execution.context import Actor, Context
from app.commands.orders.basket import Basket
from app.commands.orders.promotion_history import PromotionHistory, history_for
from app.db import Db, only_row
from app.ingest.refetch.owners import whmcs_hint
from app.intake.billing_cycles import cycle_of
from app.integrations.whmcs.catalog.promotions import Promotion, promotion
from app.ordering.standing import Standing
from app.postal import Address
from app.readmodels.ordering.account_standing import complete, standing_of, vpn_regions
from app.readmodels.ordering.domains import is_hosted_elsewhere
from app.readmodels.ordering.order_life import OPEN
from app.readmodels.pricing.prices import BilledPrice, BookPrice, billed_price, currency_code, own_prices, tax_treatment
from app.readmodels.pricing.tax import UNKNOWN, tax_for, tax_rates
from app.readmodels.pricing.terms import Terms

PAYMENT_METHODS_BOUND_SECONDS = 900
ADDRESS_BOUND_SECONDS = 1_800

_PRODUCTS = """
SELECT sku, name, category, item_class, billing_cycle, unit_price, currency, orderable, pricebook_entry_id,
       whmcs_product_id, facts, coalesce((d -> 'instant')::bool, false) AS instant,
       coalesce(d -> 'requires', '[]') AS requires, coalesce(d -> 'excludes', '[]') AS excludes
FROM read_model.catalog, LATERAL (SELECT convert_from(document, 'UTF8')::jsonb) AS said (d)
WHERE sku = ANY($1::text[])
"""
_CLIENT = """
SELECT p.as_of AS profile_as_of, p.currency, p.country, p.tax_exempt,
       (SELECT verified_at FROM read_model.freshness WHERE account_id = $1 AND resource = 'pay_methods')
           AS payment_methods_as_of
FROM (SELECT $1::uuid AS account_id) AS a LEFT JOIN read_model.profiles p USING (account_id)
"""


UNKNOWN_TERMS = Terms(currency=None, tax=UNKNOWN)


class OrderableProduct(Struct, frozen=True, kw_only=True):
    """A product as the catalog read model has it, at the price that this account is billed, before what tax adds.

    `is_priced` is false where there is no such price: then it is not orderable, and `price` is the price book's.
    """

    sku: str
    name: str
    category: str
    item_class: str
    billing_cycle: str
    price: Decimal
    setup_fee: Decimal = Decimal(0)
    currency: str
    is_priced: bool = True
    orderable: bool
    pricebook_entry_id: str
    whmcs_product_id: str | None = None
    instant: bool = False
    requires: list[str] = []
    excludes: list[str] = []
    facts: dict[str, Any] = {}


class OrderingClient(Struct, frozen=True):
    """The part of the billing client that orders depend on."""

    address: Address | None
    status: str
    terms: Terms


class Facts(Standing, frozen=True, kw_only=True):
    """The input of the order rules: the account's standing, with whatever was too old read from WHMCS.

    `products` holds the products of the basket that the portal shows, by SKU. `terms`: the currency and tax of this
    account. `is_domain_elsewhere`: the basket's domain is in use, and not by a service of this account.
    """

    products: dict[str, OrderableProduct]
    vpn_regions: frozenset[str] = frozenset()
    is_domain_elsewhere: bool = False
    promotion: Promotion | None = None
    promotion_history: PromotionHistory | None = None
    today: date
    terms: Terms = UNKNOWN_TERMS


async def facts_for(ctx: Context, actor: Actor, basket: Basket) -> Facts:
    """Collect the facts. Those that the read model lacks, or holds past their bound, are read from WHMCS, and a
    promotion code always is.

    Raises:
        UpstreamError: WHMCS had to be read and did not answer.
    """
    account_id = actor.account_id_or_refuse()
    rows = await ctx.pool.fetch(_PRODUCTS, [item.sku for item in basket.items])
    standing = await standing_of(ctx.pool, account_id)
    row = await only_row(ctx.pool, _CLIENT, account_id)
    client = await _client(ctx, actor, standing, row)
    products = {each["sku"]: _product(each) for each in rows}
    given = await promotion(ctx.whmcs, basket.promo_code) if basket.promo_code else None
    known = {
        **asdict(standing),
        "address": client.address,
        "client_status": client.status,
        "has_payment_method": await _has_payment_method(ctx, actor, standing, row["payment_methods_as_of"]),
    }
    return Facts(
        **known,
        products=await billed_products(ctx.pool, products, client.terms.currency),
        vpn_regions=await vpn_regions(ctx.pool),
        is_domain_elsewhere=await _is_elsewhere(ctx.pool, account_id, basket),
        promotion=given,
        promotion_history=await history_for(ctx, actor, given, OPEN, services_known=standing.services_known)
        if given
        else None,
        today=datetime.now(ZoneInfo(ctx.settings.whmcs_time_zone)).date(),
        terms=client.terms,
    )


async def _is_elsewhere(db: Db, account_id: UUID, basket: Basket) -> bool:
    domain = basket.configuration.domain
    return bool(domain) and await is_hosted_elsewhere(db, account_id, domain or "")


async def billed_products(
    db: Db, products: Mapping[str, OrderableProduct], currency: str | None
) -> dict[str, OrderableProduct]:
    """Price products as somebody is billed who pays in this currency; without a price they are not orderable."""
    if not currency_code(currency):
        return {sku: replace(each, is_priced=False, orderable=False) for sku, each in products.items()}
    numbers = [each.whmcs_product_id for each in products.values() if each.whmcs_product_id]
    currency = currency_code(currency)
    own = await own_prices(db, currency, numbers)
    found = {}
    for sku, each in products.items():
        book = BookPrice(amount=each.price, currency=each.currency, billing_cycle=each.billing_cycle)
        listed = own.get((each.whmcs_product_id or "", cycle_of(each.billing_cycle)))
        billed = billed_price(book, listed, currency, each.billing_cycle)
        found[sku] = (
            replace(each, price=billed.amount, setup_fee=billed.setup_fee, currency=currency)
            if isinstance(billed, BilledPrice)
            else replace(each, is_priced=False, orderable=False)
        )
    return found


def _product(row: Any) -> OrderableProduct:
    fields = dict(row)
    return OrderableProduct(price=fields.pop("unit_price"), **fields)


async def _has_payment_method(ctx: Context, actor: Actor, standing: Standing, as_of: datetime | None) -> bool:
    """Trust the read model if it is positive and fresh; otherwise read WHMCS, and queue a refetch if they differ."""
    if standing.has_payment_method and not _older(as_of, PAYMENT_METHODS_BOUND_SECONDS):
        return True
    found = bool(await ctx.whmcs.pay_methods(actor.whmcs_client_id))
    if found != bool(standing.has_payment_method):
        reason = f"order:{actor.request_id or actor.command_key}"
        await ctx.inbox.submit([whmcs_hint("pay_methods", actor.whmcs_client_id, reason)])
    return found


async def _client(ctx: Context, actor: Actor, standing: Standing, row: Any) -> OrderingClient:
    """Return the billing client: never a stale address, because the order takes a snapshot of it; the rest is valid as
    long as the address."""
    treatment, rates = await tax_treatment(ctx.pool), tax_rates(ctx.settings.tax_rates)
    if not _older(row["profile_as_of"], ADDRESS_BOUND_SECONDS):
        tax = tax_for(treatment, rates, row["country"], row["tax_exempt"])
        return OrderingClient(
            standing.address, standing.client_status, Terms(currency=currency_code(row["currency"]) or None, tax=tax)
        )
    data = (await ctx.whmcs.client(actor.whmcs_client_id)).data
    address = Address(**{name: data.get(name) or "" for name in Address.__struct_fields__})
    tax = tax_for(treatment, rates, address.country, data.get("taxexempt"))
    terms = Terms(currency=currency_code(data.get("currency_code")) or None, tax=tax)
    return OrderingClient(complete(address), data.get("status") or "", terms)


def _older(as_of: datetime | None, bound_seconds: int) -> bool:
    return as_of is None or (now() - as_of).total_seconds() > bound_seconds
