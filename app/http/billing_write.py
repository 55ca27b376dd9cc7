"""Into WHMCS without another login: pay an invoice, manage payment methods. Links are secrets and never stored."""

from typing import Any

from litestar import Request, Response, post

from app.commands.context import Actor, Command
from app.commands.create_payment_link import PayInvoice, create_payment_link
from app.commands.create_payment_methods_link import create_payment_methods_link
from app.http.run_command import run_command

PAYMENT_LINK = Command("create_payment_link", create_payment_link, replayable=False)
METHODS_LINK = Command("create_payment_methods_link", create_payment_methods_link, replayable=False)


@post("/api/invoices/{invoice_id:str}/payment-link", status_code=200, summary="Pay an invoice", tags=["Billing"])
async def pay_invoice(request: Request[Any, Any, Any], actor: Actor, invoice_id: str) -> Response[bytes]:
    """A single-use link to this invoice's payment page; ask for it on the click, it ends after 60 s."""
    return await run_command(request, PAYMENT_LINK, actor, PayInvoice(invoice_id))


@post("/api/payment-methods/link", status_code=200, summary="Manage payment methods", tags=["Billing"])
async def manage_payment_methods(request: Request[Any, Any, Any], actor: Actor) -> Response[bytes]:
    """A single-use link to where payment methods are added and removed; it ends after 60 s."""
    return await run_command(request, METHODS_LINK, actor, None)


ROUTES = (pay_invoice, manage_payment_methods)
