"""Attempts to charge invoices, for operators."""

from typing import Annotated, Literal
from uuid import UUID

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from app.commands.billing import captures_by_staff
from app.commands.billing.capture_looks import look_at_capture
from app.commands.billing.captures_by_staff import CaptureRetry, CaptureStatement
from app.errors import Conflict, NotFound, OutcomeUnknown, PaymentRefused, RuleViolated
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.policies.policy import OPERATOR, Policy
from app.http.routes.admin.projections import operator_of
from app.inputs.numbers import Digits
from app.inputs.text import Line
from app.queries import payment_attempts
from app.queries.payment_attempts import CaptureAttempt, CaptureAttempts

AttemptId = Annotated[int, PathParameter(ge=1, description="The id of the attempt.")]
OfInvoice = Annotated[str | None, QueryParameter(max_length=20, description="Only attempts to charge this invoice.")]
OfAccount = Annotated[UUID | None, QueryParameter(description="Only attempts to charge invoices of this account.")]
Doubtful = Annotated[bool, QueryParameter(description="Only attempts of which nobody knows what came of them.")]


class RetryCapture(Struct, forbid_unknown_fields=True):
    """An invoice to charge. `key` is of your choice: with the same key it is charged once, however often you send it.

    `account_id`, if given, must be the invoice's.
    """

    invoice_id: Annotated[Digits, Meta(max_length=20)]
    reason: Annotated[Line, Meta(min_length=1, max_length=255)]
    """Why it is charged; the audit log keeps it."""
    key: Annotated[Line, Meta(min_length=8, max_length=100)]
    """A key of your choice: with the same one it is charged once."""
    account_id: UUID | None = None


class StateCapture(Struct, forbid_unknown_fields=True):
    """What came of an attempt, and what shows it. `transaction_id` is WHMCS's id of the payment, if it is booked."""

    outcome: Literal["charged", "not_charged"]
    """What came of it."""
    evidence: Annotated[Line, Meta(min_length=1, max_length=255)]
    transaction_id: Annotated[Digits, Meta(max_length=20)] | None = None


@get(
    "/api/admin/captures",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    operation_id="listCaptures",
    summary="Attempts to charge invoices",
    tags=["Operators"],
    responses=answers(CaptureAttempts, "The attempts, newest first."),
)
async def list_captures(
    context: AppContext,
    invoice_id: OfInvoice = None,
    account_id: OfAccount = None,
    in_doubt: Doubtful = False,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
) -> Response[bytes]:
    """Attempts to charge invoices, with the gateway's reason for each decline."""
    found = await payment_attempts.attempts(
        context.pool, invoice_id=invoice_id, account_id=account_id, in_doubt=in_doubt, limit=limit
    )
    return unstored(found)


@post(
    "/api/admin/captures/retry",
    policy=Policy(
        roles=OPERATOR, asks_upstream=True, problems=(NotFound, Conflict, PaymentRefused, RuleViolated, OutcomeUnknown)
    ),
    status_code=200,
    operation_id="retryCapture",
    summary="Charge an invoice again",
    tags=["Operators"],
    responses=answers(CaptureAttempt, "The attempt that charged it."),
)
async def retry_capture(actor: Caller, context: AppContext, data: JSONBody[RetryCapture]) -> Response[bytes]:
    """Charge an invoice to the payment method on file. While an earlier attempt is in doubt, nothing is charged."""
    wanted = CaptureRetry(invoice_id=data.invoice_id, reason=data.reason, key=data.key, account_id=data.account_id)
    done = await captures_by_staff.retry_capture(context, operator_of(actor), wanted)
    return unstored(payment_attempts.for_staff(done))


@post(
    "/api/admin/captures/{attempt_id:int}/look",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound, Conflict)),
    status_code=200,
    operation_id="lookAtCapture",
    summary="Look at WHMCS again for an attempt in doubt",
    tags=["Operators"],
    responses=answers(CaptureAttempt, "The attempt, with its outcome if WHMCS shows it."),
)
async def look(actor: Caller, context: AppContext, attempt_id: AttemptId) -> Response[bytes]:
    """Read the invoice and the gateway's log, and record what came of the attempt if that shows. Safe to repeat."""
    return unstored(payment_attempts.for_staff(await look_at_capture(context, operator_of(actor), attempt_id)))


@post(
    "/api/admin/captures/{attempt_id:int}/state",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound, Conflict, RuleViolated)),
    status_code=200,
    operation_id="stateCapture",
    summary="State what came of an attempt in doubt",
    tags=["Operators"],
    responses=answers(CaptureAttempt, "The attempt with its outcome."),
)
async def state(
    actor: Caller, context: AppContext, attempt_id: AttemptId, data: JSONBody[StateCapture]
) -> Response[bytes]:
    """State whether an attempt in doubt charged the invoice. WHMCS is read first, and what it shows counts more.

    Stated as charged without a payment in WHMCS, the invoice is not charged again: book the payment in WHMCS.
    """
    statement = CaptureStatement(outcome=data.outcome, evidence=data.evidence, transaction_id=data.transaction_id)
    done = await captures_by_staff.state_capture(context, operator_of(actor), attempt_id, statement)
    return unstored(payment_attempts.for_staff(done))


ROUTES = (list_captures, retry_capture, look, state)
