"""What the order rules need to know of an account, from the read models; what is past its bound is asked live.

Reads: read_model.catalog, subscriptions, orders, eligibility, payment_methods, freshness, profiles; the marker that an
account's orders were read; WHMCS when those are too old to order by.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from app.commands.execution.context import Actor, Context
from app.commands.orders.basket import Basket
from app.ingest.refetch.owners import whmcs_hint
from app.integrations.whmcs.promotions import Promotion, promotion
from app.postal import Address

PAYMENT_METHODS_BOUND_SECONDS = 900
ADDRESS_BOUND_SECONDS = 1_800
OPEN = ("in_review", "approved", "activating", "awaiting_payment_method", "awaiting_payment", "paused")
"""Customer statuses of orders that are still on their way."""

_PRODUCTS = """
SELECT sku, name, category, item_class, billing_cycle, unit_price, currency, orderable, pricebook_entry_id,
       whmcs_product_id, facts, coalesce((d -> 'instant')::bool, false) AS instant,
       coalesce(d -> 'requires', '[]') AS requires, coalesce(d -> 'excludes', '[]') AS excludes
FROM read_model.catalog, LATERAL (SELECT convert_from(document, 'UTF8')::jsonb) AS said (d)
WHERE sku = ANY($1::text[])
"""
_ACCOUNT = """
SELECT e.internet_status, e.internet_offering, p.document AS profile, p.as_of AS profile_as_of,
       p.status AS client_status,
       EXISTS (SELECT FROM read_model.freshness WHERE account_id = $1 AND resource = 'client_services')
           AS services_known,
       EXISTS (SELECT FROM mirror.records WHERE source = 'salesforce' AND object = 'account_history'
               AND record_id = $3 AND NOT deleted) AS orders_known,
       EXISTS (SELECT FROM read_model.payment_methods WHERE account_id = $1) AS has_payment_method,
       (SELECT verified_at FROM read_model.freshness WHERE account_id = $1 AND resource = 'pay_methods')
           AS payment_methods_as_of,
       EXISTS (SELECT FROM read_model.subscriptions s WHERE s.account_id = $1 AND s.category = 'sim'
               AND s.status = 'active') AS has_active_sim,
       EXISTS (SELECT FROM read_model.subscriptions s WHERE s.account_id = $1 AND s.category = 'internet'
               AND s.status IN ('active', 'pending', 'suspended')) AS has_internet_service,
       EXISTS (SELECT FROM read_model.orders o,
                      jsonb_array_elements(convert_from(o.document, 'UTF8')::jsonb -> 'items') AS item
               JOIN read_model.catalog c ON c.sku = item ->> 'sku'
               WHERE o.account_id = $1 AND o.status = ANY($2::text[]) AND c.category = 'internet')
           AS has_internet_order
FROM (SELECT $1::uuid AS account_id) AS a
LEFT JOIN read_model.eligibility e USING (account_id)
LEFT JOIN read_model.profiles p USING (account_id)
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


class OrderProfile(Struct, frozen=True):
    """The part of the profile document that orders need."""

    address: Address


class Facts(Struct, frozen=True, kw_only=True):
    """Everything the rules look at. `products` holds those of the basket that the portal shows, by SKU.

    A list that was never read is not empty: `services_known` and `orders_known` say whether it was. `client_status` is
    WHMCS's word.
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
    today: date


async def facts_for(ctx: Context, actor: Actor, basket: Basket) -> Facts:
    """The facts, verified with WHMCS where the read model has none or is past its bound; a promotion code always.

    Raises:
        UpstreamError: WHMCS had to be asked and could not answer.
    """
    account_id = actor.account_id_or_refuse()
    rows = await ctx.pool.fetch(_PRODUCTS, [item.sku for item in basket.items])
    row = await ctx.pool.fetchrow(_ACCOUNT, account_id, list(OPEN), actor.salesforce_account_id)
    address, client_status = await _client(ctx, actor, row)
    return Facts(
        products={each["sku"]: _product(each) for each in rows},
        has_payment_method=await _has_payment_method(ctx, actor, row),
        has_active_sim=row["has_active_sim"],
        has_internet=row["has_internet_service"] or row["has_internet_order"],
        internet_status=row["internet_status"],
        internet_offering=row["internet_offering"],
        services_known=row["services_known"],
        orders_known=row["orders_known"],
        client_status=client_status,
        address=address,
        promotion=await promotion(ctx.whmcs, basket.promo_code) if basket.promo_code else None,
        today=datetime.now(ZoneInfo(ctx.settings.whmcs_time_zone)).date(),
    )


def _product(row: Any) -> OrderableProduct:
    fields = dict(row)
    return OrderableProduct(price=fields.pop("unit_price"), **fields)


async def _has_payment_method(ctx: Context, actor: Actor, row: Any) -> bool:
    """The read model's word when it is positive and fresh; otherwise WHMCS's, which the read model then follows."""
    if row["has_payment_method"] and not _older(row["payment_methods_as_of"], PAYMENT_METHODS_BOUND_SECONDS):
        return True
    found = bool(await ctx.whmcs.pay_methods(actor.whmcs_client_id))
    if found != row["has_payment_method"]:
        reason = f"order:{actor.request_id or actor.command_key}"
        await ctx.inbox.submit([whmcs_hint("pay_methods", actor.whmcs_client_id, reason)])
    return found


async def _client(ctx: Context, actor: Actor, row: Any) -> tuple[Address | None, str]:
    """The billing address, never one that may be stale: it is snapshotted into the order. And the client's status,
    which is believed no longer than the address is."""
    if row["profile"] is not None and not _older(row["profile_as_of"], ADDRESS_BOUND_SECONDS):
        address = _usable(msgspec.json.decode(row["profile"], type=OrderProfile).address)
        return address, row["client_status"] or ""
    data = (await ctx.whmcs.client(actor.whmcs_client_id)).data
    address = _usable(Address(**{name: data.get(name) or "" for name in Address.__struct_fields__}))
    return address, data.get("status") or ""


def _usable(address: Address) -> Address | None:
    return address if address.address1 and address.city and address.country else None


def _older(as_of: datetime | None, bound_seconds: int) -> bool:
    return as_of is None or (datetime.now(UTC) - as_of).total_seconds() > bound_seconds
