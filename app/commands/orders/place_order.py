"""Place an order: check the rules, snapshot the address, and create order and items in one Salesforce transaction.

It records what is agreed: the prices in the currency that the customer is billed in.

The order carries an external id made of account and idempotency key, so that neither a retry nor a time-out after the
write creates a second one. Staff review it there.

Writes: Salesforce Order, OrderItem.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import NoReturn

import structlog
from msgspec import Struct
from msgspec.structs import replace

from app.clock import now
from app.commands.execution import pending_write, refusals
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.orders.agreed_terms import agreed_products, new_items, with_agreed
from app.commands.orders.basket import Basket
from app.commands.orders.facts import Facts, OrderableProduct, facts_for
from app.commands.orders.mapping import choices, is_changed, order_type, ordered_address, porting, snapshot
from app.commands.orders.pending import order_write, pending_order
from app.commands.orders.rules import violations
from app.errors import Conflict, OutcomeUnknown, RuleViolated, UpstreamError, UpstreamRejected, Violation
from app.ingest.inbox.pending import Pending
from app.ingest.refetch.owners import account_history_hint
from app.integrations.salesforce import orders, records
from app.ordering.hosting import as_dns
from app.words.sentence import say

DUPLICATE = "DUPLICATE_VALUE"
LOOK_AGAIN_SECONDS = (0.2, 1.0)
NAMES = {
    "BillingStreet": "address.address1",
    "BillingCity": "address.city",
    "BillingState": "address.state",
    "BillingStateCode": "address.state",
    "BillingPostalCode": "address.postcode",
    "BillingCountry": "address.country",
    "BillingCountryCode": "address.country",
    **{field: f"configuration.mnp.{name}" for name, field in orders.PORTING.items()},
    **{field: f"configuration.{name}" for name, field in orders.CHOICES.items()},
    orders.CHOICES["promo_code"]: "promo_code",
}
"""Salesforce's field → the basket's field that it is filled from."""

log = structlog.get_logger()


class PlacedOrder(Struct, frozen=True):
    """The Salesforce id of the placed order."""

    order_id: str


async def place_order(ctx: Context, actor: Actor, request: Basket) -> Done:
    """Create the order, or find the one that the same request created earlier.

    Raises:
        RuleViolated: `order_rules_violated`, with every violation; `field_refused`, Salesforce refused a value.
        Conflict: `order_in_progress`, another order of this account is being placed.
        OutcomeUnknown: Salesforce did not answer; repeat the same request to find out.
    """
    account_id = actor.account_id_or_refuse()
    key = hashlib.sha256(f"{account_id}:{actor.command_key}".encode()).hexdigest()
    async with ctx.locks.exclusively("place_order", account_id) as mine:
        if not mine:
            raise Conflict(
                say("orders.another_in_progress"),
                code="order_in_progress",
                retry_after_seconds=2,
            )
        write = order_write(actor, request)
        order_id, facts = await _place(ctx, actor, request, key, write)
        pending = pending_order(write, order_id, request, facts)
        submission = await _read_back(ctx, actor, order_id, pending)
    return Done(PlacedOrder(order_id), submission, target=order_id)


async def _place(ctx: Context, actor: Actor, basket: Basket, key: str, write: Pending) -> tuple[str, Facts]:
    """Find the order under this key, or create it if no rule is violated; return it with what was agreed."""
    facts = await facts_for(ctx, actor, basket)
    if problems := violations(basket, facts):
        # A repetition may violate rules only because its first run succeeded.
        return await orders.find(ctx.salesforce, key) or await _refuse(ctx, actor, problems), facts
    chosen = [facts.products[item.sku] for item in basket.items]
    found, prices, open_orders = await asyncio.gather(
        orders.find(ctx.salesforce, key),
        orders.prices(ctx.salesforce, [product.pricebook_entry_id for product in chosen]),
        _open_orders(ctx, actor, chosen),
    )
    if found is not None:
        return found, facts
    if problems := [*_withdrawn(chosen, prices), *violations(basket, _ahead(facts, open_orders))]:
        await _refuse(ctx, actor, problems)
    agreed = agreed_products(chosen, prices, ctx.settings.salesforce_currency)
    new = _new_order(ctx, actor, basket, facts, agreed, prices, key)
    await pending_write.begin(ctx, write)
    return await _create(ctx, key, new), with_agreed(facts, agreed)


async def _open_orders(ctx: Context, actor: Actor, chosen: Sequence[OrderableProduct]) -> Sequence[orders.OpenOrder]:
    """Read the open orders from Salesforce, if any could stand in the way."""
    if not {"internet", "hosting"} & {product.category for product in chosen}:
        return ()
    return await orders.open_orders(ctx.salesforce, actor.salesforce_account_id)


def _ahead(facts: Facts, open_orders: Sequence[orders.OpenOrder]) -> Facts:
    """Add the open orders that have not reached the read model yet."""
    domains = {as_dns(order.domain) for order in open_orders if order.domain}
    return replace(
        facts,
        has_internet=facts.has_internet or any(order.is_internet for order in open_orders),
        hosted_domains=facts.hosted_domains | domains,
    )


def _withdrawn(chosen: Sequence[OrderableProduct], prices: Mapping[str, orders.Price]) -> list[Violation]:
    """Return the violations by products whose withdrawal has not reached the read model yet."""
    problems = []
    for number, product in enumerate(chosen):
        price = prices.get(product.pricebook_entry_id)
        if price is None or not price.orderable:
            sentence = say("ordering.withdrawn", product=product.name)
            problems.append(Violation(f"items.{number}.sku", "product_not_orderable", sentence))
    return problems


async def _refuse(ctx: Context, actor: Actor, problems: Sequence[Violation]) -> NoReturn:
    codes = sorted({each.code for each in problems})
    raise RuleViolated(
        say("orders.not_placeable"),
        code=codes[0] if len(codes) == 1 else "order_rules_violated",
        errors=problems,
    )


def _new_order(
    ctx: Context,
    actor: Actor,
    basket: Basket,
    facts: Facts,
    agreed: Sequence[OrderableProduct],
    prices: Mapping[str, orders.Price],
    key: str,
) -> orders.NewOrder:
    address = ordered_address(basket) or facts.address
    assert address is not None, "ensured by the address rule"
    assert facts.terms.currency is not None, "without a currency no product can be ordered"
    return orders.NewOrder(
        key=key,
        account_id=actor.salesforce_account_id,
        pricebook_id=ctx.settings.salesforce_pricebook_id,
        effective_on=facts.today,
        order_type=order_type(agreed),
        address=snapshot(address),
        address_changed=is_changed(address, facts.address),
        choices=replace(choices(basket.configuration, agreed), promo_code=basket.promo_code),
        porting=porting(basket.configuration.mnp),
        instant=all(product.instant for product in agreed),
        billing_currency=facts.terms.currency,
        tax_included=facts.terms.tax.included,
        items=new_items(agreed, prices, ctx.settings.salesforce_currency),
    )


async def _create(ctx: Context, key: str, new: orders.NewOrder) -> str:
    """Create the order once. After an unknown outcome look it up by its key; if that fails too, the caller repeats."""
    try:
        with refusals.named(NAMES):
            return await orders.create(ctx.salesforce, new)
    except UpstreamRejected as error:
        if error.vendor_code != DUPLICATE:
            raise
        found = await orders.find(ctx.salesforce, key)
        if found is None:
            raise
        return found
    except OutcomeUnknown:
        for pause_seconds in LOOK_AGAIN_SECONDS:
            await asyncio.sleep(pause_seconds)
            if found := await orders.find(ctx.salesforce, key):
                log.info("order_found_after_unknown_outcome", order_id=found)
                return found
        raise


async def _read_back(ctx: Context, actor: Actor, order_id: str, pending: Pending) -> int | None:
    """Submit the order as Salesforce holds it. If it cannot be read, queue a refetch; it shows as pending until
    then."""
    read_at = now()
    try:
        order, items = await orders.mirrored(ctx.salesforce, order_id)
    except UpstreamError as error:
        log.warning("order_not_read_back", order_id=order_id, error=str(error))
        hint = account_history_hint(actor.salesforce_account_id, f"order:{order_id}:{read_at.isoformat()}")
        return await ctx.inbox.submit([hint], pending=[pending])
    changes = [records.change("OrderItem", item, origin="command", read_at=read_at) for item in items]
    changes.append(records.change("Order", order, origin="command", read_at=read_at))
    return await ctx.inbox.submit(changes, pending=[pending])


COMMAND = Command(place_order, writes=("salesforce",), away="refuse", needs="order", idempotency_key="required")
