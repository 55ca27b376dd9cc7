"""Payments, and links into WHMCS without another login. A link is a secret: it is made for one request and never
stored."""

from litestar import Response, delete, post
from litestar.params import FromPath, JSONBody

from app.commands.billing.charge_invoice import PaidInvoice
from app.commands.billing.create_payment_link import (
    CREATE_INVOICE_PDF_LINK,
    CREATE_PAYMENT_LINK,
    CREATE_PAYMENTS_LINK,
    PayBy,
    PayInvoice,
    PayInvoices,
)
from app.commands.billing.create_payment_methods_link import COMMAND as CREATE_PAYMENT_METHODS_LINK
from app.commands.billing.create_payment_methods_link import ManagePaymentMethods
from app.commands.billing.manage_payment_methods import REMOVE_PAYMENT_METHOD, SET_DEFAULT_PAYMENT_METHOD, OneMethod
from app.commands.billing.pay_invoice import COMMAND as PAY_INVOICE
from app.commands.billing.sso_link import Link
from app.errors import NotFound, PaymentRefused, RuleViolated
from app.http.answering.command_response import run_command
from app.http.answering.handler_types import AnyRequest, Caller, answers
from app.http.policies.policy import CUSTOMER, Policy


@post(
    "/api/invoices/{invoice_id:str}/payment-link",
    policy=Policy(roles=CUSTOMER, limit="payment", command=CREATE_PAYMENT_LINK, problems=(NotFound,)),
    status_code=200,
    operation_id="createPaymentLink",
    summary="A link to pay an invoice",
    tags=["Billing"],
    responses=answers(Link, "The link."),
)
async def invoice_payment_link(
    request: AnyRequest, actor: Caller, invoice_id: FromPath[str], data: JSONBody[PayBy | None] = None
) -> Response[bytes]:
    """A single-use link to this invoice's payment page. Request it when the customer clicks: it expires after 60 s.

    With `return_url` the billing system's page leads back to the portal once the invoice is paid. When the customer
    arrives there, call `/api/account/refresh` with `invoices`, and read with its token."""
    wanted = PayInvoice(invoice_id, data.gateway if data else None, data.return_url if data else None)
    return await run_command(request, actor, wanted)


@post(
    "/api/invoices/payment-link",
    policy=Policy(roles=CUSTOMER, limit="payment", command=CREATE_PAYMENTS_LINK, problems=(NotFound,)),
    status_code=200,
    operation_id="createJointPaymentLink",
    summary="A link to pay several invoices at once",
    tags=["Billing"],
    responses=answers(Link, "The link."),
)
async def payment_link(request: AnyRequest, actor: Caller, data: JSONBody[PayInvoices]) -> Response[bytes]:
    """A single-use link to a page that pays all these invoices with one payment. It expires after 60 s. `return_url`
    works as for a single invoice."""
    return await run_command(request, actor, data)


@post(
    "/api/invoices/{invoice_id:str}/pay",
    policy=Policy(
        roles=CUSTOMER,
        limit="payment",
        command=PAY_INVOICE,
        consistency_token=True,
        problems=(NotFound, PaymentRefused, RuleViolated),
    ),
    status_code=200,
    operation_id="payInvoice",
    summary="Pay an invoice with the method on file",
    tags=["Billing"],
    responses=answers(PaidInvoice, "The payment was taken."),
)
async def pay_invoice(request: AnyRequest, actor: Caller, invoice_id: FromPath[str]) -> Response[bytes]:
    """Charge the payment method on file for the open amount, never twice. A declined charge says why, if the bank does.

    After `outcome_unknown` send the same request with the same key: the portal checks before it charges again.
    """
    return await run_command(request, actor, PayInvoice(invoice_id))


@post(
    "/api/invoices/{invoice_id:str}/pdf-link",
    policy=Policy(roles=CUSTOMER, limit="payment", command=CREATE_INVOICE_PDF_LINK, problems=(NotFound,)),
    status_code=200,
    operation_id="createInvoicePdfLink",
    summary="A link to an invoice as PDF",
    tags=["Billing"],
    responses=answers(Link, "The link."),
)
async def invoice_pdf_link(request: AnyRequest, actor: Caller, invoice_id: FromPath[str]) -> Response[bytes]:
    """A single-use link that downloads the invoice as the billing system prints it. It expires after 60 s."""
    return await run_command(request, actor, PayInvoice(invoice_id))


@post(
    "/api/payment-methods/link",
    policy=Policy(roles=CUSTOMER, limit="payment", command=CREATE_PAYMENT_METHODS_LINK),
    status_code=200,
    operation_id="createPaymentMethodsLink",
    summary="A link to manage payment methods",
    tags=["Billing"],
    responses=answers(Link, "The link."),
)
async def manage_payment_methods(
    request: AnyRequest, actor: Caller, data: JSONBody[ManagePaymentMethods | None] = None
) -> Response[bytes]:
    """A single-use link to the page where payment methods are added and removed. It expires after 60 s. With
    `return_url` that page shows a link back to the portal.

    The billing system does not report every change made there: when the customer returns, call `/api/account/refresh`
    with `payment_methods`, and read `/api/payment-methods` with its token and `Prefer: wait=10`."""
    return await run_command(request, actor, data)


@post(
    "/api/payment-methods/{payment_method_id:str}/default",
    policy=Policy(roles=CUSTOMER, command=SET_DEFAULT_PAYMENT_METHOD, problems=(NotFound,)),
    status_code=200,
    operation_id="setDefaultPaymentMethod",
    summary="Choose the payment method that is charged",
    tags=["Billing"],
    responses=answers(OneMethod, "The payment method that is charged from now on."),
)
async def set_default(request: AnyRequest, actor: Caller, payment_method_id: FromPath[str]) -> Response[bytes]:
    """Make this payment method the one that is charged."""
    return await run_command(request, actor, OneMethod(payment_method_id))


@delete(
    "/api/payment-methods/{payment_method_id:str}",
    policy=Policy(roles=CUSTOMER, command=REMOVE_PAYMENT_METHOD, problems=(NotFound,)),
    status_code=200,
    operation_id="removePaymentMethod",
    summary="Remove a payment method",
    tags=["Billing"],
    responses=answers(OneMethod, "The payment method that was removed."),
)
async def remove(request: AnyRequest, actor: Caller, payment_method_id: FromPath[str]) -> Response[bytes]:
    """Remove a payment method. The last one cannot be removed while subscriptions or invoices need it."""
    return await run_command(request, actor, OneMethod(payment_method_id))


ROUTES = (
    invoice_payment_link,
    payment_link,
    pay_invoice,
    invoice_pdf_link,
    manage_payment_methods,
    set_default,
    remove,
)
