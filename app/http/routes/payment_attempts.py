"""The attempts to charge an invoice, for its customer."""

from litestar import Response, get
from litestar.params import FromPath

from app.errors import NotFound
from app.http.answering.handler_types import AnyRequest, OwnAccount, ReadStore, answers
from app.http.answering.query_response import respond
from app.http.policies.policy import CUSTOMER, Policy
from app.queries import payment_attempts
from app.queries.payment_attempts import PaymentAttempts


@get(
    "/api/invoices/{invoice_id:str}/payment-attempts",
    policy=Policy(roles=CUSTOMER, problems=(NotFound,)),
    operation_id="listPaymentAttempts",
    summary="Attempts to charge an invoice",
    tags=["Billing"],
    responses=answers(PaymentAttempts, "The attempts, newest first."),
)
async def list_payment_attempts(
    request: AnyRequest, account: OwnAccount, store: ReadStore, invoice_id: FromPath[str]
) -> Response[bytes]:
    """Every attempt to charge this invoice through the portal: when, with which card, what came of it, and what to do
    next. What the billing system charges by itself shows as `charge_attempted_at` of the invoice."""
    return await respond(request, account, lambda: payment_attempts.own_attempts(store.pool, account, invoice_id))


ROUTES = (list_payment_attempts,)
