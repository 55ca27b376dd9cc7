"""What is billed for an order: the prices that it records, in the currency that the client is billed in.

Where the order records none, as one that staff made, they are the prices that a customer in that currency is shown now,
and they are recorded before anything is billed.

Reads: read_model.prices, WHMCS client. Writes: Salesforce Order, OrderItem.
"""

from collections.abc import Mapping

from app.commands.fulfilment.work import Fail, Work
from app.intake.billing_cycles import cycle_of
from app.integrations.salesforce import activation
from app.integrations.salesforce.activation import FulfilmentLine
from app.readmodels.ordering.order_life import PauseCode
from app.readmodels.pricing.agreed import AgreedPrice, StatedPrices, agreed_price
from app.readmodels.pricing.prices import (
    BilledPrice,
    BookPrice,
    OwnPrices,
    billed_price,
    currency_code,
    own_prices,
    same_currency,
)

PRICE_NOT_AGREED: PauseCode = "PRICE_NOT_AGREED"
PRICE_MISSING: PauseCode = "PRICE_MISSING"
AgreedPrices = Mapping[str, AgreedPrice]
"""Item → its price, in the client's currency."""


async def agreed_terms(work: Work) -> AgreedPrices | Fail:
    """Return the price of every item, or why there is none that may be billed."""
    client = await work.ctx.whmcs.client(work.whmcs_client_id)
    currency, recorded = currency_code(client.data.get("currency_code")), currency_code(work.order.billing_currency)
    if not currency:
        return Fail(PRICE_NOT_AGREED, f"WHMCS client {work.whmcs_client_id} has no currency.")
    if recorded and recorded != currency:
        agreed = f"The order was agreed in {recorded}, and WHMCS client {work.whmcs_client_id} is billed in {currency}."
        return Fail(PRICE_NOT_AGREED, f"{agreed} Agree new prices, and enter them with the billing currency.")
    prices = _stated(work, currency) if recorded else await _present(work, currency)
    lacking = [line.sku for line in work.order.lines if line.item_id not in prices]
    if lacking:
        return Fail(PRICE_MISSING, f"There is no price in {currency} for {', '.join(lacking)}.")
    if not recorded:
        await _record(work, currency, prices)
    return prices


def _stated(work: Work, currency: str) -> AgreedPrices:
    found = {line.item_id: agreed_price(_stated_prices(work, line), currency) for line in work.order.lines}
    return {item: price for item, price in found.items() if price is not None}


def _stated_prices(work: Work, line: FulfilmentLine) -> StatedPrices:
    return StatedPrices(
        sales_price=line.unit_price,
        sales_currency=_sales_currency(work, line),
        billed_price=line.billed_price,
        billed_setup_fee=line.billed_setup_fee,
    )


def _sales_currency(work: Work, line: FulfilmentLine) -> str:
    return currency_code(line.currency) or work.ctx.settings.salesforce_currency


async def _present(work: Work, currency: str) -> AgreedPrices:
    """Return the sales prices if they are in the client's currency, or else the present prices of WHMCS."""
    own = await own_prices(work.ctx.pool, currency, [line.whmcs_product_id for line in work.order.lines])
    found = {line.item_id: _priced(work, line, currency, own) for line in work.order.lines}
    return {item: price for item, price in found.items() if price is not None}


def _priced(work: Work, line: FulfilmentLine, currency: str, own: OwnPrices) -> AgreedPrice | None:
    if line.unit_price is None:
        return None
    cycle = cycle_of(line.billing_cycle)
    book = BookPrice(amount=line.unit_price, currency=_sales_currency(work, line), billing_cycle=cycle)
    billed = billed_price(book, own.get((line.whmcs_product_id, cycle)), currency, cycle)
    return AgreedPrice(amount=billed.amount, setup_fee=billed.setup_fee) if isinstance(billed, BilledPrice) else None


async def _record(work: Work, currency: str, prices: AgreedPrices) -> None:
    """Record the currency, and the prices that are not the sales prices."""
    billed = {
        line.item_id: (prices[line.item_id].amount, prices[line.item_id].setup_fee)
        for line in work.order.lines
        if not same_currency(_sales_currency(work, line), currency)
    }
    await activation.record_prices(work.ctx.salesforce, work.order.order_id, currency, billed)
