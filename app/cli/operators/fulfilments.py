"""`portal fulfilments`: the provisioning queue, and decisions about it."""

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.commands.fulfilment import decide, overview
from app.commands.fulfilment.overview import Fulfilment, FulfilmentDetail


@click.group(invoke_without_command=True)
@click.pass_context
@AS_JSON
def fulfilments(context: click.Context, as_json: bool) -> None:
    """List orders between approval and activation; or run a subcommand.

    A paused order resumes once its cause is gone; a failed one needs a decision: fix the cause, then `retry`, or
    `cancel` it. A finished order is listed while part of its provisioning template is not set up; `retry` tries that
    again, `skip` leaves it.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_fulfilments, as_json=as_json)


@fulfilments.command("list")
@click.option("--state", type=click.Choice(overview.STATES), help="List only orders in this state, latest first.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, overview.MOST))
@AS_JSON
def list_fulfilments(state: str | None = None, limit: int = 100, as_json: bool = False) -> None:
    """List step, attempt, age and error of each order, oldest first."""
    found = operate(lambda r: overview.listed(r.pool, state, limit))
    if as_json:
        print_json({"fulfilments": found})
    elif not found:
        click.echo("Nothing is waiting to be fulfilled." if state is None else f"No order is {state}.")
    else:
        Console().print(_table(found))


@fulfilments.command()
@click.argument("order_id")
@AS_JSON
def show(order_id: str, as_json: bool) -> None:
    """Show every attempt for an order."""
    _tell(operate(lambda r: overview.one(r.pool, order_id)), as_json)


@fulfilments.command()
@click.argument("order_id")
@click.option("--force", is_flag=True, help="Continue without a payment method on file.")
@AS_JSON
def retry(order_id: str, force: bool, as_json: bool) -> None:
    """Retry at once, with fresh attempts; finished steps are not repeated."""
    _tell(operate(lambda r: decide.retry(r.context, operator(), order_id, force=force)), as_json)


@fulfilments.command()
@click.argument("order_id")
@click.option(
    "--reason", required=True, help="State the reason; recorded in the audit log and on the order in Salesforce."
)
@AS_JSON
def cancel(order_id: str, reason: str, as_json: bool) -> None:
    """Undo what was done upstream and cancel the order. Impossible once a line was requested from Freebit."""
    _tell(operate(lambda r: decide.cancel(r.context, operator(), order_id, reason)), as_json)


@fulfilments.command()
@click.argument("order_id")
@click.option("--reason", required=True, help="State the reason; recorded in the audit log.")
@AS_JSON
def skip(order_id: str, reason: str, as_json: bool) -> None:
    """Leave failed or waiting steps after activation undone."""
    _tell(operate(lambda r: decide.skip(r.context, operator(), order_id, reason)), as_json)


def _table(found: list[Fulfilment]) -> Table:
    table = Table("order", "state", "step", "attempt", "age", "error", "next try", box=SIMPLE_HEAD)
    for each in found:
        error = f"{each.error_code}: {each.error_message or ''}" if each.error_code else ""
        step = each.step
        if each.state == "done" and each.provision_state not in (None, "done", "skipped"):
            step, error = f"{each.provision_step} {each.provision_state}", each.provision_error_code or ""
        due = f"{each.next_attempt_at:%H:%M:%S}" if each.state in ("running", "paused") else ""
        age = f"{each.age_seconds / 3600:.1f} h" if each.age_seconds > 3600 else f"{each.age_seconds:.0f} s"
        table.add_row(each.order_id, each.state, step, str(each.attempt), age, escape(error), due)
    return table


def _tell(story: FulfilmentDetail, as_json: bool) -> None:
    if as_json:
        print_json(story)
        return
    Console().print(_table([story.fulfilment]))
    if story.provision:
        _print_provision(story)
    tried = Table("at", "step", "attempt", "outcome", "detail", box=SIMPLE_HEAD)
    for each in story.tried:
        detail = ", ".join(f"{name} {value}" for name, value in each.detail.items() if value)
        tried.add_row(f"{each.at:%m-%d %H:%M:%S}", each.step, str(each.attempt), each.outcome, escape(detail))
    Console().print(tried)


def _print_provision(story: FulfilmentDetail) -> None:
    table = Table("after activation", "state", "attempt", "error", "next try", box=SIMPLE_HEAD)
    for each in story.provision:
        error = f"{each.error_code}: {each.error_message or ''}" if each.error_code else ""
        due = f"{each.next_attempt_at:%m-%d %H:%M:%S}" if each.state in ("running", "paused") else ""
        table.add_row(each.step, each.state, str(each.attempt), escape(error), due)
    Console().print(table)
