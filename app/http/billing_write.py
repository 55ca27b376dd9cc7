"""Into WHMCS without another login: pay an invoice, manage payment methods. Links are secrets and never stored."""

from typing import Any

from litestar import Request, Response, post
from litestar.params import FromPath

from app.commands.create_payment_link import Link, PayInvoice
from app.commands.registry import CREATE_PAYMENT_LINK, CREATE_PAYMENT_METHODS_LINK
from app.http.inputs import Caller, answers
from app.http.run_command import run_command


@post(
    "/api/invoices/{invoice_id:str}/payment-link",
    status_code=200,
    summary="Pay an invoice",
    tags=["Billing"],
    responses=answers(Link, "The link."),
)
async def pay_invoice(request: Request[Any, Any, Any], actor: Caller, invoice_id: FromPath[str]) -> Response[bytes]:
    """A single-use link to this invoice's payment page; ask for it on the click, it ends after 60 s."""
    return await run_command(request, CREATE_PAYMENT_LINK, actor, PayInvoice(invoice_id))


@post(
    "/api/payment-methods/link",
    status_code=200,
    summary="Manage payment methods",
    tags=["Billing"],
    responses=answers(Link, "The link."),
)
async def manage_payment_methods(request: Request[Any, Any, Any], actor: Caller) -> Response[bytes]:
    """A single-use link to where payment methods are added and removed; it ends after 60 s."""
    return await run_command(request, CREATE_PAYMENT_METHODS_LINK, actor, None)


ROUTES = (pay_invoice, manage_payment_methods)
