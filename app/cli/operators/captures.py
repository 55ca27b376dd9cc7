"""`portal captures`: attempts to charge invoices."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.commands.billing import captures_by_staff
from app.commands.billing.capture_looks import look_at_capture
from app.commands.billing.captures import Attempt
from app.commands.billing.captures_by_staff import Retry, Statement
from app.queries import payment_attempts
from app.queries.payment_attempts import CaptureAttempt
from app.resources import Resources


@click.group()
def captures() -> None:
    """Show attempts to charge invoices, charge one again, and settle those of which nobody knows what came of them."""


@captures.command("list")
@click.option("--invoice", "invoice_id", help="Only attempts to charge this invoice.")
@click.option("--in-doubt", is_flag=True, help="Only attempts without a known outcome.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@AS_JSON
def list_attempts(invoice_id: str | None, in_doubt: bool, limit: int, as_json: bool) -> None:
    """List attempts to charge invoices, newest first."""
    found = operate(lambda r: payment_attempts.attempts(r.pool, invoice_id=invoice_id, in_doubt=in_doubt, limit=limit))
    if as_json:
        print_json(found)
    else:
        _print(found.items)


@captures.command()
@click.argument("invoice_id")
@click.option("--reason", required=True, help="Why; it goes into the audit log.")
@click.option("--key", help="Of your choice: with the same key, nothing is charged twice.")
@AS_JSON
def retry(invoice_id: str, reason: str, key: str | None, as_json: bool) -> None:
    """Charge an invoice to the payment method on file.

    While an earlier attempt is in doubt, nothing is charged. Exit status 1 if nothing was charged.
    """
    wanted = Retry(invoice_id=invoice_id, reason=reason, key=key or uuid4().hex)
    _show(lambda r: captures_by_staff.retry_capture(r.context, operator(), wanted), as_json)


@captures.command()
@click.argument("attempt_id", type=click.IntRange(1))
@AS_JSON
def look(attempt_id: int, as_json: bool) -> None:
    """Read WHMCS again for what came of an attempt in doubt. Safe to repeat."""
    _show(lambda r: look_at_capture(r.context, operator(), attempt_id), as_json)


@captures.command()
@click.argument("attempt_id", type=click.IntRange(1))
@click.argument("outcome", type=click.Choice(["charged", "not_charged"]))
@click.option("--evidence", required=True, help="What shows it, such as the gateway's own list of payments.")
@click.option("--transaction", "transaction_id", help="WHMCS's id of the payment, if it is booked there.")
@AS_JSON
def state(attempt_id: int, outcome: str, evidence: str, transaction_id: str | None, as_json: bool) -> None:
    """State what came of an attempt in doubt. WHMCS is read first, and what it shows counts more.

    Stated as charged without a payment in WHMCS, the invoice is not charged again: book the payment in WHMCS.
    """
    stated = Statement(
        outcome="charged" if outcome == "charged" else "not_charged", evidence=evidence, transaction_id=transaction_id
    )
    _show(lambda r: captures_by_staff.state_capture(r.context, operator(), attempt_id, stated), as_json)


def _show(work: Callable[[Resources], Awaitable[Attempt]], as_json: bool) -> None:
    found = payment_attempts.for_staff(operate(work))
    if as_json:
        print_json(found)
    else:
        _print([found])


def _print(items: Sequence[CaptureAttempt]) -> None:
    if not items:
        click.echo("No attempt was found.")
        return
    table = Table("id", "sent (UTC)", "invoice", "amount", "by", "outcome", "decline", "what is known", box=SIMPLE_HEAD)
    for each in items:
        decline = " ".join(filter(None, (each.decline_kind, each.decline_reason or each.decline_code)))
        known = each.evidence or each.decline_text or ""
        stated = f" (stated by {each.resolved_by})" if each.resolved_by else ""
        amount = f"{each.amount} {each.currency}"
        row = (str(each.attempt_id), f"{each.sent_at:%Y-%m-%d %H:%M:%S}", each.invoice_id, amount, each.initiator)
        table.add_row(*row, f"{each.outcome or 'in doubt'}{stated}", decline, escape(known))
    Console().print(table)
