"""Fulfilment steps in WHMCS: check the payment method, add the order once, and accept it."""

import asyncio

from app.commands.fulfilment import billing_account
from app.commands.fulfilment.agreed_terms import AgreedPrices, agreed_terms
from app.commands.fulfilment.obstacles import obstacle
from app.commands.fulfilment.order_rules import broken_rule
from app.commands.fulfilment.work import FORMER_ORDERS, NOTHING_DONE, Fail, Next, Outcome, Pause, Wait, Work, stamp
from app.errors import UpstreamRejected
from app.intake.billing_cycles import cycle_of
from app.intake.words import folded
from app.integrations.whmcs.client import NewServiceOrder, OrderLine, WhmcsOrder
from app.readmodels.invoices import status_of
from app.readmodels.ordering.order_life import PauseCode

PAYMENT_METHOD_MISSING: PauseCode = "PAYMENT_METHOD_MISSING"
PRODUCT_NOT_MAPPED: PauseCode = "PRODUCT_NOT_MAPPED"
ORDER_INCOMPLETE: PauseCode = "WHMCS_ORDER_INCOMPLETE"
SETTLE_SECONDS = 20.0
"""An AddOrder without an answer may still be running; only after this time does its absence count as a failure."""
PENDING, ACTIVE = "Pending", "active"
PAYMENT_PENDING: PauseCode = "PAYMENT_PENDING"
PAYMENT_POLL_SECONDS = 900.0
"""How often an invoice is polled for which no webhook reports a payment."""
PAID = "paid"
UNPAID = frozenset({"draft", "unpaid", "payment_pending", "collections"})


async def check_payment(work: Work) -> Outcome:
    """Require an open billing account and a payment method, read live because approval may come days after ordering.
    Staff may waive the payment method.

    Before that, and before any effect, the order must be free of obstacles and keep the rules of orders.
    """
    if stop := obstacle(work.order):
        return stop
    closed, methods = await asyncio.gather(
        billing_account.closed(work), work.ctx.whmcs.pay_methods(work.whmcs_client_id), return_exceptions=True
    )
    if isinstance(closed, BaseException):
        raise closed
    if broken := closed or await broken_rule(work):
        return broken
    if work.job.facts.get("payment_waived"):
        return Next()
    if isinstance(methods, BaseException):
        raise methods
    if methods:
        return Next()
    return Pause(
        PAYMENT_METHOD_MISSING, "The customer has no payment method on file. Activation goes on when one is added."
    )


async def whmcs_order(work: Work) -> Outcome:
    """Find or add the WHMCS order that names this Salesforce order."""
    ctx, order = work.ctx, work.order
    found = await _found(work)
    if found is None:
        sent = work.seconds_since("add_order_sent_at")
        if sent is not None and sent < SETTLE_SECONDS:
            return Wait(SETTLE_SECONDS - sent)
        if stop := obstacle(order) or await broken_rule(work):
            return stop
        unmapped = [line.sku for line in order.lines if not line.whmcs_product_id]
        if unmapped or not order.lines:
            return Fail(PRODUCT_NOT_MAPPED, f"No WHMCS product for: {', '.join(unmapped) or 'an order without items'}.")
        prices = await agreed_terms(work)
        if isinstance(prices, Fail):
            return prices
        await work.remember(add_order_sent_at=stamp())
        try:
            found = await ctx.whmcs.add_order(_new_order(work, prices))
        except NOTHING_DONE:
            await work.remember(add_order_sent_at=None)
            raise
    if len(found.service_ids) < len(order.lines):
        made = f"WHMCS order {found.order_id} has {len(found.service_ids)} services for {len(order.lines)} items."
        return Fail(ORDER_INCOMPLETE, f"{made} A product is missing there.")
    return Next(
        {
            "whmcs_order_id": found.order_id,
            "service_ids": list(found.service_ids),
            "invoice_id": found.invoice_id,
        }
    )


async def _found(work: Work) -> WhmcsOrder | None:
    former = work.job.facts.get(FORMER_ORDERS, ())
    return await work.ctx.whmcs.find_order(work.whmcs_client_id, work.order.order_id, former)


def _new_order(work: Work, prices: AgreedPrices) -> NewServiceOrder:
    lines = [
        OrderLine(
            pid=line.whmcs_product_id,
            billing_cycle=cycle_of(line.billing_cycle),
            qty=line.quantity or 0,
            domain=work.order.domain if folded(line.category) == "hosting" else "",
            price=prices[line.item_id].amount,
        )
        for line in work.order.lines
    ]
    return NewServiceOrder(
        whmcs_client_id=work.whmcs_client_id,
        salesforce_order_id=work.order.order_id,
        lines=lines,
        payment_method=work.ctx.settings.whmcs_payment_method,
        promo_code=work.order.promo_code,
        invoiced=work.order.instant,
    )


async def payment(work: Work) -> Outcome:
    """Require an instant order to be paid before anything is provided; others are billed by their cycle."""
    invoice_id = work.job.facts.get("invoice_id")
    if not work.order.instant or not invoice_id:
        return Next()
    status = (await work.ctx.whmcs.invoice(invoice_id)).data["status"]
    if status_of(status) == PAID:
        return Next()
    if status_of(status) in UNPAID:
        message = f"Invoice {invoice_id} is not paid yet. Activation goes on when it is."
        return Pause(PAYMENT_PENDING, message, PAYMENT_POLL_SECONDS)
    return Fail("INVOICE_NOT_PAYABLE", f"Invoice {invoice_id} is {status}, so the order was never paid.")


async def accept(work: Work) -> Outcome:
    """Accept the order. One that was accepted earlier is fine; any other that is not pending fails."""
    try:
        await work.ctx.whmcs.accept_order(work.job.facts["whmcs_order_id"])
    except UpstreamRejected:
        found = await _found(work)
        if found is None or found.status == PENDING:
            raise
        if folded(found.status) != ACTIVE:
            message = f"WHMCS order {found.order_id} is {found.status}, so it cannot be accepted."
            return Fail("WHMCS_ORDER_NOT_ACTIVE", message)
    return Next()
