"""Fulfilment step in WHMCS: the new services are billed at the prices of the order.

AddOrder gets these prices, but WHMCS may add another set-up fee, or bill another cycle than was ordered. Each service
is read back, corrected and read again. A bill that exists already is only compared, because its lines must not be
rewritten.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.commands.execution.agreed_amounts import AgreedAmounts, bill_as_agreed, is_as_agreed
from app.commands.fulfilment.agreed_terms import PRICE_NOT_AGREED, AgreedPrices, agreed_terms
from app.commands.fulfilment.work import Fail, Next, Outcome, Work
from app.errors import Conflict
from app.intake import parse
from app.intake.billing_cycles import FREE, ONETIME, cycle_of
from app.integrations.salesforce.activation import FulfilmentLine
from app.integrations.whmcs.client import WhmcsRecord
from app.readmodels.pricing.agreed import AgreedPrice


async def agreed_prices(work: Work) -> Outcome:
    """Have every service of the order billed as agreed."""
    prices = await agreed_terms(work)
    if isinstance(prices, Fail):
        return prices
    services = [await work.ctx.whmcs.service(each) for each in work.job.facts["service_ids"]]
    paired = _paired(services, work.order.lines, prices)
    if paired is None:
        return Fail(
            PRICE_NOT_AGREED, f"WHMCS order {work.job.facts['whmcs_order_id']} has other products than ordered."
        )
    for service, line, price in paired:
        if cycle_of(service.data["billingcycle"]) != cycle_of(line.billing_cycle or ""):
            found = f"WHMCS bills service {service.record_id} {service.data['billingcycle']}"
            return Fail(PRICE_NOT_AGREED, f"{found}; {line.sku} was ordered {line.billing_cycle}.")
        try:
            await bill_as_agreed(work.ctx, service, _agreed(work, line, price))
        except Conflict as error:
            return Fail(PRICE_NOT_AGREED, error.detail)
    return await _compare_invoice(work, paired)


Paired = Sequence[tuple[WhmcsRecord, FulfilmentLine, AgreedPrice]]
"""Each service with its line of the order and its price."""


def _paired(services: Sequence[WhmcsRecord], lines: Sequence[FulfilmentLine], prices: AgreedPrices) -> Paired | None:
    """Pair the services with the lines they come from, by product; None if they are not those ordered.

    Several pieces of a line are several services, or one at their sum.
    """
    pieces = len(services) != len(lines)
    open_lines = [
        (line, prices[line.item_id] if pieces else _of_all(prices[line.item_id], line.quantity or 0))
        for line in lines
        for _ in range((line.quantity or 0) if pieces else 1)
    ]
    found = []
    for service in services:
        place = next((n for n, each in enumerate(open_lines) if each[0].whmcs_product_id == service.data["pid"]), None)
        if place is None:
            return None
        found.append((service, *open_lines.pop(place)))
    return None if open_lines else found


def _of_all(price: AgreedPrice, quantity: int) -> AgreedPrice:
    return AgreedPrice(amount=price.amount * quantity, setup_fee=price.setup_fee * quantity)


def _agreed(work: Work, line: FulfilmentLine, price: AgreedPrice) -> AgreedAmounts:
    once = cycle_of(line.billing_cycle or "") in (ONETIME, FREE)
    return AgreedAmounts(
        recurring=None if once else price.amount,
        first_payment=price.amount + price.setup_fee,
        discounted=bool(work.order.promo_code),
    )


async def _compare_invoice(work: Work, paired: Paired) -> Outcome:
    """Compare the bill of an order that is paid first."""
    invoice_id = work.job.facts.get("invoice_id")
    if not invoice_id:
        return Next()
    items = (await work.ctx.whmcs.invoice(invoice_id)).data["items"]
    for service, line, price in paired:
        asked, agreed = _asked(items, service.record_id), price.amount + price.setup_fee
        if not is_as_agreed(asked, agreed, or_lower=True):
            stated = f"{agreed} {work.order.billing_currency}".rstrip()
            return Fail(PRICE_NOT_AGREED, f"Invoice {invoice_id} asks {asked} for {line.sku}; {stated} was agreed.")
    return Next()


def _asked(items: Sequence[Mapping[str, Any]], service_id: str) -> Decimal | None:
    """Add up what an invoice asks for a service; None if a line cannot be read."""
    amounts = [parse.money(each["amount"]) for each in items if each["relid"] == service_id]
    known = [each for each in amounts if each is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None
