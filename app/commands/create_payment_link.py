"""Make a single-use link to an invoice's payment page in WHMCS. Never stored, never logged."""

from msgspec import Struct

from app.commands.context import Actor, Context, Done
from app.errors import Conflict, NotFound
from app.integrations.whmcs.links import INVOICE_PATH, LIFETIME_SECONDS, REDIRECT

NOT_PAYABLE = {
    "paid": "This invoice is paid already.",
    "cancelled": "This invoice was cancelled; there is nothing to pay.",
    "refunded": "This invoice was refunded; there is nothing to pay.",
    "draft": "This invoice is not issued yet.",
    "payment_pending": "A payment for this invoice is on its way.",
}


class PayInvoice(Struct, frozen=True):
    """Which invoice."""

    invoice_id: str


class Link(Struct, frozen=True):
    """A link for one click of this customer."""

    url: str
    expires_in_seconds: int = LIFETIME_SECONDS


async def create_payment_link(ctx: Context, actor: Actor, request: PayInvoice) -> Done:
    """A link to the account's own invoice.

    Raises:
        NotFound: absent, or another account's.
        Conflict: `invoice_not_payable`.
        UpstreamError: WHMCS is away.
    """
    status = await ctx.pool.fetchval(
        "SELECT status FROM read_model.invoices WHERE account_id = $1 AND invoice_id = $2",
        actor.account_id_or_refuse(),
        request.invoice_id,
    )
    if status is None:
        raise NotFound("Invoice not found.", code="invoice_not_found")
    if status in NOT_PAYABLE:
        raise Conflict(NOT_PAYABLE[status], code="invoice_not_payable")
    path = INVOICE_PATH.format(invoice_id=request.invoice_id)
    url = await ctx.whmcs.sso_link(actor.whmcs_client_id, destination=REDIRECT, path=path)
    return Done(Link(url), target=request.invoice_id)
