"""Create single-use links to WHMCS's pages for paying or downloading invoices. They are never stored or logged."""

from typing import Annotated

from msgspec import Meta, Struct

from app.commands.billing.payable_invoices import own_invoices, refuse_unpayable
from app.commands.billing.sso_link import ReturnUrl, billing_link
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.doubts import repeatable
from app.errors import RuleViolated, Violation
from app.inputs import return_url
from app.integrations.whmcs.links import INVOICE_PATH, PDF_PATH, several_path
from app.words.sentence import say

MOST_AT_ONCE = 50

InvoiceId = Annotated[str, Meta(min_length=1, max_length=20)]


class PayInvoice(Struct, frozen=True):
    """An invoice, the gateway to pay it through if it is not the invoice's own, and where to return to."""

    invoice_id: str
    gateway: str | None = None
    return_url: str | None = None


class PayBy(Struct, frozen=True, forbid_unknown_fields=True):
    """The gateway to pay through, one of `/api/payment-gateways`, and where to return to."""

    gateway: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    return_url: ReturnUrl | None = None


class PayInvoices(Struct, frozen=True, forbid_unknown_fields=True):
    """The invoices to pay together, and where to return to."""

    invoice_ids: Annotated[list[InvoiceId], Meta(min_length=1, max_length=MOST_AT_ONCE)]
    return_url: ReturnUrl | None = None


async def create_payment_link(ctx: Context, actor: Actor, request: PayInvoice) -> Done:
    """Create a link to the payment page of one of the account's invoices.

    Raises:
        NotFound: absent, or another account's.
        Conflict: `invoice_not_payable`, `payment_in_progress`.
        RuleViolated: `gateway_unknown`, `return_url_not_allowed`.
        UpstreamError: WHMCS is unavailable.
    """
    return_url.checked(request.return_url, return_url.origins(ctx.settings))
    await refuse_unpayable(ctx, await own_invoices(ctx, actor, [request.invoice_id]))
    if request.gateway:
        await _set_gateway(ctx, request.invoice_id, request.gateway)
    path = INVOICE_PATH.format(invoice_id=request.invoice_id)
    return Done(await billing_link(ctx, actor, path, request.return_url), target=request.invoice_id)


async def _set_gateway(ctx: Context, invoice_id: str, gateway: str) -> None:
    if not await ctx.pool.fetchval("SELECT EXISTS (SELECT FROM read_model.gateways WHERE gateway = $1)", gateway):
        sentence = say("billing.gateway_not_found")
        problem = Violation("gateway", "gateway_unknown", sentence)
        raise RuleViolated(sentence, code="gateway_unknown", errors=[problem])
    with repeatable():
        await ctx.whmcs.set_invoice_gateway(invoice_id, gateway)


async def create_payments_link(ctx: Context, actor: Actor, request: PayInvoices) -> Done:
    """Create a link to the page that pays several of the account's invoices at once. Raises the same errors."""
    return_url.checked(request.return_url, return_url.origins(ctx.settings))
    invoice_ids = list(dict.fromkeys(request.invoice_ids))
    await refuse_unpayable(ctx, await own_invoices(ctx, actor, invoice_ids), "invoice_ids.{}")
    path = several_path(invoice_ids) if len(invoice_ids) > 1 else INVOICE_PATH.format(invoice_id=invoice_ids[0])
    return Done(await billing_link(ctx, actor, path, request.return_url), target=",".join(invoice_ids))


async def create_invoice_pdf_link(ctx: Context, actor: Actor, request: PayInvoice) -> Done:
    """Create a link to the PDF of one of the account's invoices.

    Raises:
        NotFound: absent, a draft, or another account's.
        UpstreamError: WHMCS is unavailable.
    """
    await own_invoices(ctx, actor, [request.invoice_id])
    link = await billing_link(ctx, actor, PDF_PATH.format(invoice_id=request.invoice_id))
    return Done(link, target=request.invoice_id)


CREATE_PAYMENT_LINK = Command(
    create_payment_link, writes=(), away="refuse", needs="invoice", reads=("whmcs",), replayable=False
)
CREATE_PAYMENTS_LINK = Command(
    create_payments_link, writes=(), away="refuse", needs="invoice", reads=("whmcs",), replayable=False
)
CREATE_INVOICE_PDF_LINK = Command(create_invoice_pdf_link, writes=(), away="refuse", reads=("whmcs",), replayable=False)
COMMANDS = (CREATE_PAYMENT_LINK, CREATE_PAYMENTS_LINK, CREATE_INVOICE_PDF_LINK)
