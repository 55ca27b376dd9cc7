"""Single sign-on links into WHMCS: to pay an invoice, to manage payment methods.

A link is good once and for 60 s at most. It is made per click, handed out, and neither stored nor logged.
"""

from msgspec import Struct

from app.commands import audit
from app.commands.context import Actor, Context, Done
from app.errors import Conflict, NotFound

DESTINATION = "sso:custom_redirect"
PAYMENT_METHODS_PATH = "index.php/account/paymentmethods"
LIFETIME_SECONDS = 60
PAYABLE = frozenset({"unpaid", "collections"})


class Nothing(Struct, forbid_unknown_fields=True):
    """These commands need no body."""


class InvoiceToPay(Struct, frozen=True):
    """Which invoice."""

    invoice_id: str


class Link(Struct, frozen=True):
    """Send the browser there at once."""

    url: str
    expires_in_seconds: int = LIFETIME_SECONDS


async def create_payment_link(ctx: Context, actor: Actor, request: InvoiceToPay) -> Done:
    """A link to pay one of the account's own invoices.

    Raises:
        NotFound: absent, or another account's.
        Conflict: `invoice_not_payable`.
    """
    status = await ctx.pool.fetchval(
        "SELECT status FROM read_model.invoices WHERE account_id = $1 AND invoice_id = $2",
        actor.account_id_or_refuse(),
        request.invoice_id,
    )
    if status is None:
        raise NotFound("Invoice not found.", code="invoice_not_found")
    if status not in PAYABLE:
        raise Conflict(
            f"This invoice is {status.replace('_', ' ')}; there is nothing to pay.", code="invoice_not_payable"
        )
    path = f"viewinvoice.php?id={request.invoice_id}"
    url = await ctx.whmcs.sso_link(actor.whmcs_client_id, destination=DESTINATION, path=path)
    await audit.record(ctx.pool, actor, "create_payment_link", "ok", target=request.invoice_id)
    return Done(Link(url))


async def create_payment_methods_link(ctx: Context, actor: Actor, request: Nothing) -> Done:
    """A link to WHMCS's own page of payment methods."""
    actor.account_id_or_refuse()
    url = await ctx.whmcs.sso_link(actor.whmcs_client_id, destination=DESTINATION, path=PAYMENT_METHODS_PATH)
    await audit.record(ctx.pool, actor, "create_payment_methods_link", "ok")
    return Done(Link(url))
