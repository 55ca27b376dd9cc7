"""The facts about an account that the order rules need: from the read models, or live if past their freshness bound.

Reads: read_model.catalog, prices, subscriptions, orders, eligibility, payment_methods, freshness, profiles; document
`tax`; the marker that an account's orders were read; WHMCS if those are too old.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.clock import now
from app.commands.execution.context import Actor, Context
from app.commands.orders.basket import Basket
from app.commands.orders.promotion_standing import Standing, standing_for
from app.db import Db, only_row
from app.ingest.refetch.owners import whmcs_hint
from app.intake.billing_cycles import cycle_of
from app.integrations.whmcs.promotions import Promotion, promotion
from app.postal import Address
from app.readmodels.order_life import OPEN
from app.readmodels.pricing.prices import BilledPrice, BookPrice, billed_price, own_prices, tax_treatment
from app.readmodels.pricing.tax import UNKNOWN, tax_for, tax_rates
from app.readmodels.pricing.terms import Terms
from app.readmodels.services import ACTIVE_SIMS, HOLDS_INTERNET, PLAN

PAYMENT_METHODS_BOUND_SECONDS = 900
ADDRESS_BOUND_SECONDS = 1_800

_PRODUCTS = """
SELECT sku, name, category, item_class, billing_cycle, unit_price, currency, orderable, pricebook_entry_id,
       whmcs_product_id, facts, coalesce((d -> 'instant')::bool, false) AS instant,
       coalesce(d -> 'requires', '[]') AS requires, coalesce(d -> 'excludes', '[]') AS excludes
FROM read_model.catalog, LATERAL (SELECT convert_from(document, 'UTF8')::jsonb) AS said (d)
WHERE sku = ANY($1::text[])
"""
_ACCOUNT = f"""
SELECT e.internet_status, e.internet_offering, p.document AS profile, p.as_of AS profile_as_of,
       p.status AS client_status, p.currency, p.country, p.tax_exempt,
       EXISTS (SELECT FROM read_model.freshness WHERE account_id = $1 AND resource = 'client_services')
           AS services_known,
       EXISTS (SELECT FROM mirror.records WHERE source = 'salesforce' AND object = 'account_history'
               AND record_id = $3 AND NOT deleted) AS orders_known,
       EXISTS (SELECT FROM read_model.payment_methods WHERE account_id = $1) AS has_payment_method,
       (SELECT verified_at FROM read_model.freshness WHERE account_id = $1 AND resource = 'pay_methods')
           AS payment_methods_as_of,
       {ACTIVE_SIMS} > 0 AS has_active_sim, {HOLDS_INTERNET} AS has_internet_service,
       EXISTS (SELECT FROM read_model.orders o,
                      jsonb_array_elements(convert_from(o.document, 'UTF8')::jsonb -> 'items') AS item
               JOIN read_model.catalog c ON c.sku = item ->> 'sku'
               WHERE o.account_id = $1 AND o.status = ANY($2::text[])
               AND c.category = 'internet' AND c.item_class = '{PLAN}')
           AS has_internet_order
FROM (SELECT $1::uuid AS account_id) AS a
LEFT JOIN read_model.eligibility e USING (account_id)
LEFT JOIN read_model.profiles p USING (account_id)
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


class OrderProfile(Struct, frozen=True):
    """The part of the profile document that orders use."""

    address: Address


class Facts(Struct, frozen=True, kw_only=True):
    """The input of the order rules. `products` holds the products of the basket that the portal shows, by SKU.

    A list that was never read must not count as empty: `services_known` and `orders_known` are false then.
    `client_status` is WHMCS's word. `terms`: the currency and tax of this account.
    """

    products: dict[str, OrderableProduct]
    has_payment_method: bool
    has_active_sim: bool
    has_internet: bool
    internet_status: str | None
    internet_offering: str | None
    services_known: bool
    orders_known: bool
    client_status: str
    address: Address | None
    promotion: Promotion | None = None
    standing: Standing | None = None
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
    row = await only_row(ctx.pool, _ACCOUNT, account_id, list(OPEN), actor.salesforce_account_id)
    client = await _client(ctx, actor, row)
    products = {each["sku"]: _product(each) for each in rows}
    given = await promotion(ctx.whmcs, basket.promo_code) if basket.promo_code else None
    return Facts(
        products=await billed_products(ctx.pool, products, client.terms.currency),
        has_payment_method=await _has_payment_method(ctx, actor, row),
        has_active_sim=row["has_active_sim"],
        has_internet=row["has_internet_service"] or row["has_internet_order"],
        internet_status=row["internet_status"],
        internet_offering=row["internet_offering"],
        services_known=row["services_known"],
        orders_known=row["orders_known"],
        client_status=client.status,
        address=client.address,
        promotion=given,
        standing=await standing_for(ctx, actor, given, OPEN, services_known=row["services_known"]) if given else None,
        today=datetime.now(ZoneInfo(ctx.settings.whmcs_time_zone)).date(),
        terms=client.terms,
    )


async def billed_products(
    db: Db, products: Mapping[str, OrderableProduct], currency: str | None
) -> dict[str, OrderableProduct]:
    """Price products as somebody is billed who pays in this currency; without a price they are not orderable."""
    if currency is None:
        return {sku: replace(each, is_priced=False, orderable=False) for sku, each in products.items()}
    numbers = [each.whmcs_product_id for each in products.values() if each.whmcs_product_id]
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


async def _has_payment_method(ctx: Context, actor: Actor, row: Any) -> bool:
    """Trust the read model if it is positive and fresh; otherwise read WHMCS, and queue a refetch if they differ."""
    if row["has_payment_method"] and not _older(row["payment_methods_as_of"], PAYMENT_METHODS_BOUND_SECONDS):
        return True
    found = bool(await ctx.whmcs.pay_methods(actor.whmcs_client_id))
    if found != row["has_payment_method"]:
        reason = f"order:{actor.request_id or actor.command_key}"
        await ctx.inbox.submit([whmcs_hint("pay_methods", actor.whmcs_client_id, reason)])
    return found


async def _client(ctx: Context, actor: Actor, row: Any) -> OrderingClient:
    """Return the billing client: never a stale address, because the order takes a snapshot of it; the rest is valid as
    long as the address."""
    treatment, rates = await tax_treatment(ctx.pool), tax_rates(ctx.settings.tax_rates)
    if row["profile"] is not None and not _older(row["profile_as_of"], ADDRESS_BOUND_SECONDS):
        address = msgspec.json.decode(row["profile"], type=OrderProfile).address
        status, currency, exempt = row["client_status"], row["currency"], row["tax_exempt"]
    else:
        data = (await ctx.whmcs.client(actor.whmcs_client_id)).data
        address = Address(**{name: data.get(name) or "" for name in Address.__struct_fields__})
        status, currency, exempt = data.get("status"), data.get("currency_code"), data.get("taxexempt")
    tax = tax_for(treatment, rates, address.country, exempt)
    return OrderingClient(_usable(address), status or "", Terms(currency=currency or None, tax=tax))


def _usable(address: Address) -> Address | None:
    return address if address.address1 and address.city and address.country else None


def _older(as_of: datetime | None, bound_seconds: int) -> bool:
    return as_of is None or (now() - as_of).total_seconds() > bound_seconds
