"""The facts about an account that the order rules need: from the read models, or live if past their freshness bound.

Reads: read_model.catalog, payment_methods, freshness, profiles, and what the account's standing reads; WHMCS if those
are too old.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import asdict

from app.clock import now
from app.commands.execution.context import Actor, Context
from app.commands.orders.basket import Basket
from app.db import only_row
from app.ingest.refetch.owners import whmcs_hint
from app.integrations.whmcs.promotions import Promotion, promotion
from app.ordering.standing import Standing
from app.postal import Address
from app.readmodels.account_standing import complete, standing_of, vpn_regions

PAYMENT_METHODS_BOUND_SECONDS = 900
ADDRESS_BOUND_SECONDS = 1_800

_PRODUCTS = """
SELECT sku, name, category, item_class, billing_cycle, unit_price, currency, orderable, pricebook_entry_id,
       whmcs_product_id, facts, coalesce((d -> 'instant')::bool, false) AS instant,
       coalesce(d -> 'requires', '[]') AS requires, coalesce(d -> 'excludes', '[]') AS excludes
FROM read_model.catalog, LATERAL (SELECT convert_from(document, 'UTF8')::jsonb) AS said (d)
WHERE sku = ANY($1::text[])
"""
_AGES = """
SELECT (SELECT as_of FROM read_model.profiles WHERE account_id = $1) AS profile_as_of,
       (SELECT verified_at FROM read_model.freshness WHERE account_id = $1 AND resource = 'pay_methods')
           AS payment_methods_as_of
"""


class OrderableProduct(Struct, frozen=True, kw_only=True):
    """A product as the catalog read model has it; `price` excludes tax."""

    sku: str
    name: str
    category: str
    item_class: str
    billing_cycle: str
    price: Decimal
    currency: str
    orderable: bool
    pricebook_entry_id: str
    whmcs_product_id: str | None = None
    instant: bool = False
    requires: list[str] = []
    excludes: list[str] = []
    facts: dict[str, Any] = {}


class Facts(Standing, frozen=True, kw_only=True):
    """The input of the order rules: the account's standing, with whatever was too old read from WHMCS.

    `products` holds the products of the basket that the portal shows, by SKU.
    """

    products: dict[str, OrderableProduct]
    vpn_regions: frozenset[str] = frozenset()
    promotion: Promotion | None = None
    today: date


async def facts_for(ctx: Context, actor: Actor, basket: Basket) -> Facts:
    """Collect the facts. Those that the read model lacks, or holds past their bound, are read from WHMCS, and a
    promotion code always is.

    Raises:
        UpstreamError: WHMCS had to be read and did not answer.
    """
    account_id = actor.account_id_or_refuse()
    rows = await ctx.pool.fetch(_PRODUCTS, [item.sku for item in basket.items])
    standing = await standing_of(ctx.pool, account_id)
    ages = await only_row(ctx.pool, _AGES, account_id)
    address, client_status = await _client(ctx, actor, standing, ages["profile_as_of"])
    known = {
        **asdict(standing),
        "address": address,
        "client_status": client_status,
        "has_payment_method": await _has_payment_method(ctx, actor, standing, ages["payment_methods_as_of"]),
    }
    return Facts(
        **known,
        products={each["sku"]: _product(each) for each in rows},
        vpn_regions=await vpn_regions(ctx.pool),
        promotion=await promotion(ctx.whmcs, basket.promo_code) if basket.promo_code else None,
        today=datetime.now(ZoneInfo(ctx.settings.whmcs_time_zone)).date(),
    )


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


async def _client(ctx: Context, actor: Actor, standing: Standing, as_of: datetime | None) -> tuple[Address | None, str]:
    """Return the billing address, never a stale one because the order takes a snapshot of it, and the client's status,
    which is valid as long as the address."""
    if not _older(as_of, ADDRESS_BOUND_SECONDS):
        return standing.address, standing.client_status
    data = (await ctx.whmcs.client(actor.whmcs_client_id)).data
    address = complete(Address(**{name: data.get(name) or "" for name in Address.__struct_fields__}))
    return address, data.get("status") or ""


def _older(as_of: datetime | None, bound_seconds: int) -> bool:
    return as_of is None or (now() - as_of).total_seconds() > bound_seconds
