"""`portal dunning`: unpaid invoices on their way to suspension, and holds by staff."""

import sys
from datetime import date, datetime
from uuid import UUID

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.commands.dunning.staff import adopt, holds, overview
from app.commands.dunning.staff.holds import Hold, HoldTarget
from app.commands.dunning.staff.overview import DunnedInvoice, DunningCounts, DunningStory
from app.commands.dunning.staff.terms import DunningTerms, terms
from app.resources import Resources

MOST_REASON = 255
MOST_ID = 2**53
INVOICE = click.IntRange(1, MOST_ID)
REASON = click.option("--reason", required=True, help="State the reason; recorded in the audit log, for staff only.")
ACCOUNT = click.option("--account", type=click.UUID, help="All invoices of this account instead of one.")


@click.group(invoke_without_command=True)
@click.pass_context
@AS_JSON
def dunning(context: click.Context, as_json: bool) -> None:
    """List the unpaid invoices that the portal charges again and suspends services for; or run a subcommand.

    Empty where AUTOMATE_CAPTURES and AUTOMATE_SUSPENSION are whmcs: then WHMCS's own run does it.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_dunning, as_json=as_json)


@dunning.command("list")
@click.option("--state", type=click.Choice(overview.STATES), help="Only invoices in this state, ended ones included.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, overview.MOST))
@AS_JSON
def list_dunning(state: overview.JournalState | None = None, limit: int = 100, as_json: bool = False) -> None:
    """List invoices with attempts, next date and day of suspension, the first to be suspended in front."""

    async def work(r: Resources) -> tuple[list[DunnedInvoice], DunningCounts]:
        return await overview.listed(r.pool, r.settings, state, limit), await overview.counts(r.pool, r.settings)

    found, counted = operate(work)
    if as_json:
        print_json({"dunning": found, "counts": counted})
        return
    if not found:
        click.echo("No invoice is in dunning." if state is None else f"No invoice is {state}.")
    else:
        Console().print(_table(found))
    for sentence in overview.concerns(counted):
        click.echo(f"! {sentence}")


@dunning.command()
@click.argument("invoice_id", type=INVOICE)
@AS_JSON
def show(invoice_id: int, as_json: bool) -> None:
    """Show every step, hold and suspension of an invoice."""
    story = operate(lambda r: overview.one(r.pool, r.settings, invoice_id))
    if as_json:
        print_json(story)
    else:
        _print(invoice_id, story)


@dunning.command()
@click.argument("invoice_id", type=INVOICE, required=False)
@ACCOUNT
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day of the hold.")
@REASON
@AS_JSON
def hold(invoice_id: int | None, account: UUID | None, until: datetime, reason: str, as_json: bool) -> None:
    """Pause an invoice, or with --account all of an account, until a day: no charge, no suspension.

    What dunning suspended comes back within seconds.
    """
    _checked(invoice_id, account, reason)
    last: date = until.date()

    async def work(r: Resources) -> Hold:
        target = await _target(r, invoice_id, account)
        return await holds.hold(r.context, operator(), target, reason.strip(), last)

    _tell([operate(work)], as_json)


@dunning.command()
@click.argument("invoice_id", type=INVOICE)
@REASON
@AS_JSON
def forgive(invoice_id: int, reason: str, as_json: bool) -> None:
    """Stop the dunning of an invoice for good. What is owed stays owed: cancel the invoice in WHMCS to waive it."""
    _checked(invoice_id, None, reason)

    async def work(r: Resources) -> Hold:
        target = await holds.target_of_invoice(r.pool, invoice_id)
        return await holds.forgive(r.context, operator(), target, reason.strip())

    _tell([operate(work)], as_json)


@dunning.command()
@click.argument("invoice_id", type=INVOICE, required=False)
@ACCOUNT
@REASON
@AS_JSON
def lift(invoice_id: int | None, account: UUID | None, reason: str, as_json: bool) -> None:
    """Lift a hold or a forgiveness: dunning goes on where it stopped."""
    _checked(invoice_id, account, reason)

    async def work(r: Resources) -> list[Hold]:
        return await holds.lift(r.context, operator(), await _target(r, invoice_id, account), reason.strip())

    _tell(operate(work), as_json)


@dunning.command()
@AS_JSON
def policy(as_json: bool) -> None:
    """Show when charges are repeated, how long the grace is, for whom it differs, and who does what since when."""
    found = operate(lambda r: terms(r.pool, r.settings))
    if as_json:
        print_json(found)
    else:
        _print_policy(found)


def _checked(invoice_id: int | None, account: UUID | None, reason: str) -> None:
    if (invoice_id is None) == (account is None):
        click.echo("portal: name an invoice or, with --account, an account.", err=True)
        sys.exit(2)
    if not reason.strip() or len(reason) > MOST_REASON:
        click.echo(f"portal: give a reason of at most {MOST_REASON} characters.", err=True)
        sys.exit(2)


async def _target(r: Resources, invoice_id: int | None, account: UUID | None) -> HoldTarget:
    if account is not None:
        return await holds.target_of_account(r.pool, account)
    assert invoice_id is not None, "_checked has refused that"
    return await holds.target_of_invoice(r.pool, invoice_id)


@dunning.command("adopt")
@click.argument("invoice_id", type=INVOICE)
@REASON
def adopt_invoice(invoice_id: int, reason: str) -> None:
    """Take an overdue invoice into dunning that it leaves alone: one from before the portal was given the task.

    Its charges and its grace begin today. `portal schedule run captures --dry-run` lists such invoices.
    """
    row = operate(lambda r: adopt.adopt(r.context, operator(), invoice_id, reason))
    click.echo(f"Invoice {row.invoice_id} is in dunning now; it is charged within a minute, {row.max_attempts} times.")


def _tell(changed: list[Hold], as_json: bool) -> None:
    if as_json:
        print_json({"holds": changed})
        return
    for each in changed:
        what = f"Invoice {each.whmcs_invoice_id}" if each.whmcs_invoice_id else f"Account {each.account_id}"
        if each.lifted_at:
            click.echo(f"{what} is not held any more; dunning goes on within an hour.")
        else:
            until = f"until {each.until}" if each.until else "for good"
            click.echo(f"{what} is held {until}: no charge, no suspension, and what dunning suspended comes back.")


def _print_policy(found: DunningTerms) -> None:
    table = Table("for", "charged again, days after the due date", "suspended, days after that", box=SIMPLE_HEAD)
    for each in found.policies:
        grace = "never" if each.grace_days is None else str(each.grace_days)
        table.add_row(each.subject, ", ".join(map(str, each.retry_days)), grace)
    Console().print(table)
    for task in found.tasks:
        since = f" since {task.since:%Y-%m-%d %H:%M} UTC" if task.since and task.automator == "portal" else ""
        click.echo(f"{task.task}: {task.automator}{since}")
    free = f"holidays of {found.holidays} and weekends" if found.holidays else "weekends"
    click.echo(f"Charges from {found.hour}:00 in {found.time_zone}; no suspensions on {free}.")
    click.echo(
        f"At most {found.suspensions_per_day_percent:g} % of accounts are suspended in one day, but always three."
    )
    if found.stopped:
        click.echo(f"! {found.stopped}")


def _table(found: list[DunnedInvoice]) -> Table:
    table = Table("invoice", "due", "state", "attempts", "next", "suspends", "last decline", "hold", box=SIMPLE_HEAD)
    for each in found:
        state = each.state if each.ended_reason is None else f"{each.state}: {each.ended_reason}"
        after = f"{each.next_attempt_at:%m-%d %H:%M}" if each.next_attempt_at else ""
        held = f"until {each.hold_until}" if each.hold_until else "for good" if each.hold_reason is not None else ""
        suspends = f"since {each.suspended_at:%m-%d}" if each.suspended_at else str(each.suspend_on or "")
        decline = each.last_decline_code or ""
        cells = (str(each.whmcs_invoice_id), str(each.due_on), state, f"{each.attempts} of {each.max_attempts}")
        table.add_row(*(escape(cell) for cell in (*cells, after, suspends, decline, held)))
    return table


def _print(invoice_id: int, story: DunningStory) -> None:
    if story.dunning is None:
        click.echo(f"Invoice {invoice_id} is not in dunning.")
    else:
        Console().print(_table([story.dunning]))
    for step in story.steps:
        detail = ", ".join(f"{name} {value}" for name, value in step.detail.items() if value)
        click.echo(f"{step.at:%Y-%m-%d %H:%M}  {step.step} {step.number}  {detail}".rstrip())
    for each in story.suspensions:
        state = each.outcome or ("suspended" if each.suspended_at else "being suspended")
        click.echo(f"{each.begun_at:%Y-%m-%d %H:%M}  service {each.subscription_id}  {state}")
    for held in story.holds:
        until = f"until {held.until}" if held.until else "for good"
        lifted = f", lifted by {held.lifted_by}" if held.lifted_at else ""
        click.echo(f"{held.placed_at:%Y-%m-%d %H:%M}  held {until} by {held.placed_by}{lifted}: {held.reason}")
