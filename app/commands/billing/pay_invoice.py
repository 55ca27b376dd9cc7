"""Pay an invoice with the payment method on file, as its customer asks.

Writes: WHMCS payment; portal.captures, portal.capture_attempts; ingest.inbox.
"""

from app.commands.billing.charge_invoice import charge_invoice
from app.commands.billing.create_payment_link import PayInvoice
from app.commands.execution.context import Actor, Command, Context, Done


async def pay_invoice(ctx: Context, actor: Actor, request: PayInvoice) -> Done:
    """Charge the balance of one of the account's invoices. A repeated request finds the outcome of the first.

    Raises:
        NotFound: absent, or another account's.
        Conflict: `invoice_not_payable`, `payment_in_progress`.
        RuleViolated: `payment_method_missing`, `invoice_not_chargeable`.
        PaymentRefused: nothing was charged; carries the reason if it is known.
        OutcomeUnknown: it may have been charged; repeat the same request to find out.
        UpstreamError: WHMCS is unavailable; nothing was charged.
        Overloaded: `server_busy`, too many charges are in progress; nothing was charged.
    """
    return await charge_invoice(ctx, actor, request.invoice_id, "customer")


COMMAND = Command(pay_invoice, writes=("whmcs",), away="refuse", needs="invoice", idempotency_key="required")
