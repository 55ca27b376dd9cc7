"""Charges by staff: charge an invoice again, and state what came of an attempt in doubt.

Reads: WHMCS invoice. Reads and writes: portal.capture_attempts. Writes: WHMCS payment; portal.captures, portal.audit.
"""

from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from app.audit import Operator, audit
from app.commands.billing import captures, doubtful_captures
from app.commands.billing.capture_looks import in_hand, live, one
from app.commands.billing.captures import Attempt
from app.commands.billing.charge_invoice import charge_invoice
from app.commands.billing.doubtful_captures import FoundOutcome, shown
from app.commands.billing.payable_invoices import in_progress
from app.commands.execution.context import Actor, Context, StaffCommand
from app.errors import Conflict, NotFound, PortalError, RuleViolated, Violation
from app.integrations.whmcs.charging import decline_texts
from app.integrations.whmcs.records import WhmcsRecord
from app.readmodels.billing.payment_attempts import SETTLE_SECONDS

_PAYER = """
SELECT i.account_id, m.whmcs_client_id FROM read_model.invoices i
JOIN portal.id_mappings m USING (account_id) WHERE i.invoice_id = $1 AND i.status <> 'draft'
"""
SHOWN = "WHMCS shows what came of this attempt. Look at the invoice before you do anything about it."


class CaptureRetry(Struct, frozen=True, kw_only=True):
    """An invoice to charge, why, and the key of this request: with the same key nothing is charged again.

    `account_id`, if given, must be the invoice's.
    """

    invoice_id: str
    reason: str
    key: str
    account_id: UUID | None = None


class CaptureStatement(Struct, frozen=True, kw_only=True):
    """What came of an attempt, what shows it, and the payment in WHMCS if it charged and is booked there."""

    outcome: Literal["charged", "not_charged"]
    evidence: str
    transaction_id: str | None = None


async def retry_capture(ctx: Context, operator: Operator, request: CaptureRetry) -> Attempt:
    """Charge an invoice to the method on file, as its customer would; return the attempt.

    Raises:
        NotFound, Conflict, RuleViolated, PaymentRefused, OutcomeUnknown, UpstreamError, Overloaded: as
            `charge_invoice` does. The audit log has every outcome.
    """
    payer = await _payer(ctx, request, operator)
    try:
        await charge_invoice(ctx, payer, request.invoice_id, "staff")
    except PortalError as error:
        await _audit(ctx, operator, "capture.retry", request.invoice_id, reason=request.reason, result=error.code)
        raise
    await _audit(ctx, operator, "capture.retry", request.invoice_id, reason=request.reason, result="charged")
    found = await captures.by_key(ctx.pool, request.invoice_id, payer.command_key)
    assert found is not None
    return found


async def _payer(ctx: Context, request: CaptureRetry, operator: Operator) -> Actor:
    found = await ctx.pool.fetchrow(_PAYER, request.invoice_id)
    if found is None or request.account_id not in (None, found["account_id"]):
        raise NotFound("Invoice not found.", code="invoice_not_found")
    return Actor(
        role="customer",
        account_id=found["account_id"],
        whmcs_client_id=found["whmcs_client_id"],
        request_id=operator.request_id,
        command_key=f"staff:{request.key}",
    )


async def state_capture(ctx: Context, operator: Operator, attempt_id: int, statement: CaptureStatement) -> Attempt:
    """State what came of an attempt in doubt. What WHMCS shows counts more than what staff state.

    Stated as charged without a payment in WHMCS, its invoice is charged by nobody any more. A statement can be replaced
    by another one.

    Raises:
        NotFound: `capture_not_found`.
        Conflict: `payment_in_progress`, it may still take effect; `capture_not_in_doubt`, WHMCS shows its outcome.
        RuleViolated: `transaction_unknown`, the invoice has no such payment.
        UpstreamError: WHMCS did not answer, and nothing is recorded before it was looked at.
    """
    async with in_hand(ctx, attempt_id) as attempt:
        invoice = await _present(ctx, attempt)
        if attempt.outcome is None and (not invoice or await doubtful_captures.resolve(ctx, attempt, invoice) is None):
            if not await doubtful_captures.is_settled(ctx.pool, attempt):
                raise in_progress(SETTLE_SECONDS)
        elif attempt.resolved_by is None:
            raise Conflict(SHOWN, code="capture_not_in_doubt")
        await _record(ctx, operator, attempt, statement, shown(invoice).payment_ids if invoice else [])
    return await one(ctx, attempt_id)


async def _present(ctx: Context, attempt: Attempt) -> WhmcsRecord | None:
    """Return the invoice as WHMCS has it; None if it is deleted, or another account's by now."""
    try:
        return await live(ctx, attempt)
    except NotFound:
        return None


async def _record(
    ctx: Context, operator: Operator, attempt: Attempt, statement: CaptureStatement, payment_ids: list[str]
) -> None:
    if statement.transaction_id and (statement.outcome != "charged" or statement.transaction_id not in payment_ids):
        sentence = "The invoice has no such payment in WHMCS. Name one of its payments, or none."
        violation = Violation("transaction_id", "transaction_unknown", sentence)
        raise RuleViolated(sentence, code="transaction_unknown", errors=[violation])
    by = operator.name or str(operator.user_id)
    evidence = decline_texts.read(statement.evidence).text
    found = FoundOutcome(
        outcome=statement.outcome, evidence=evidence, transaction_id=statement.transaction_id, stated_by=by
    )
    if not await doubtful_captures.end(ctx.pool, attempt, found):
        raise Conflict(SHOWN, code="capture_not_in_doubt")
    result = {"result": statement.outcome, "evidence": evidence}
    await _audit(ctx, operator, "capture.state", str(attempt.attempt_id), **result)


async def _audit(ctx: Context, operator: Operator, action: str, target: str, **detail: Any) -> None:
    async with ctx.pool.acquire() as connection:
        await audit(connection, operator, action, [target], **detail)


COMMANDS = (
    StaffCommand(retry_capture, "capture.retry", writes=("whmcs",), away="refuse"),
    StaffCommand(state_capture, "capture.state", writes=("whmcs",), away="refuse"),
)
