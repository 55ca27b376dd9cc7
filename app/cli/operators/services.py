"""`portal services`: staff's actions on a running service, and changes of plan in progress."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.audit import Operator
from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.commands.execution.context import Context
from app.commands.subscriptions import staff, suspension
from app.commands.subscriptions.plan_changes import journal, scheduled_lists
from app.commands.subscriptions.plan_changes.journal import PlanChange
from app.commands.subscriptions.plan_changes.scheduled import ScheduledPlanChange
from app.commands.subscriptions.service import find_any
from app.commands.subscriptions.staff_view import ServiceView, view_of
from app.commands.subscriptions.usage import usage_of
from app.inputs import numbers
from app.inputs.rule import Unfit
from app.resources import Resources

SUBSCRIPTION = click.argument("subscription_id")
MOST = 500


@click.group()
def services() -> None:
    """Show, suspend, resume or end running services, and apply the billed plan.

    SUBSCRIPTION_ID is WHMCS's id of the service. Each command checks first and may be repeated.
    """


@services.command()
@SUBSCRIPTION
@AS_JSON
def show(subscription_id: str, as_json: bool) -> None:
    """Show a service's owner and state, and its past, pending and scheduled changes of plan."""
    _decide(lambda ctx, by: view_of(ctx, subscription_id), as_json)


@services.command()
@SUBSCRIPTION
def usage(subscription_id: str) -> None:
    """Show its usage, read from Freebit or WHM now, as JSON."""

    async def ask(r: Resources) -> Any:
        return await usage_of(r.context, await find_any(r.context, subscription_id))

    print_json(operate(ask))


@services.command()
@SUBSCRIPTION
@click.option(
    "--reason",
    required=True,
    help="State the reason; with `overdue` or `payment` in it, the customer is referred to the invoice.",
)
@AS_JSON
def suspend(subscription_id: str, reason: str, as_json: bool) -> None:
    """Suspend web hosting, on the server and in billing; nothing is deleted."""
    _decide(lambda ctx, by: suspension.suspend(ctx, by, subscription_id, reason), as_json)


@services.command()
@SUBSCRIPTION
@AS_JSON
def unsuspend(subscription_id: str, as_json: bool) -> None:
    """Resume suspended web hosting."""
    _decide(lambda ctx, by: suspension.unsuspend(ctx, by, subscription_id), as_json)


@services.command()
@SUBSCRIPTION
@click.option("--reason", required=True, help="State the reason; recorded in the audit log.")
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
@AS_JSON
def terminate(subscription_id: str, reason: str, yes: bool, as_json: bool) -> None:
    """End a service permanently: its number, or everything in its account, is lost."""
    if not yes:
        click.confirm(f"Everything in service {subscription_id} will be lost. End it?", abort=True)
    _decide(lambda ctx, by: staff.terminate(ctx, by, subscription_id, reason), as_json)


@services.command("sync-plan")
@SUBSCRIPTION
@AS_JSON
def sync_plan(subscription_id: str, as_json: bool) -> None:
    """Apply the plan that WHMCS bills to the line or account."""
    _decide(lambda ctx, by: staff.sync_plan(ctx, by, subscription_id), as_json)


@services.command()
@SUBSCRIPTION
@click.option("--eid", required=True, help="Issue it for the phone with this EID, 32 digits.")
@AS_JSON
def reissue(subscription_id: str, eid: str, as_json: bool) -> None:
    """Issue an eSIM for another phone."""
    try:
        usual = numbers.eid(eid)
    except Unfit as unfit:
        raise click.BadParameter(unfit.message, param_hint="--eid") from unfit
    _decide(lambda ctx, by: staff.reissue(ctx, by, subscription_id, usual), as_json)


@services.command("plan-changes")
@click.option("--retry", type=click.UUID, help="Retry this change, once its cause is fixed.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, MOST))
@AS_JSON
def plan_changes(retry: UUID | None, limit: int, as_json: bool) -> None:
    """List changes of plan in progress and failed ones, oldest first."""
    if retry is not None:
        found = [operate(lambda r: staff.retry(r.context, operator(), retry))]
    else:
        found = operate(lambda r: journal.listed(r.pool, limit))
    if as_json:
        print_json({"plan_changes": found})
    elif not found:
        click.echo("No change of plan is in progress.")
    else:
        Console().print(_table(found))


@services.command("scheduled-changes")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, MOST))
@AS_JSON
def scheduled_changes(limit: int, as_json: bool) -> None:
    """List future-dated changes of plan: those refused in the last 30 days, then those that wait."""
    found = operate(lambda r: scheduled_lists.listed(r.pool, limit))
    if as_json:
        print_json({"scheduled_changes": found})
    elif not found:
        click.echo("No change of plan is scheduled.")
    else:
        Console().print(_scheduled(found))


def _decide(work: Callable[[Context, Operator], Awaitable[ServiceView]], as_json: bool) -> None:
    story = operate(lambda r: work(r.context, operator()))
    if as_json:
        print_json(story)
        return
    click.echo(f"{story.subscription_id} {story.name} ({story.category}) is {story.status}.")
    click.echo(f"Account {story.account_id}, WHMCS client {story.whmcs_client_id}.")
    if story.plan_changes:
        Console().print(_table(story.plan_changes))
    if story.scheduled_changes:
        Console().print(_scheduled(story.scheduled_changes))


def _table(found: list[PlanChange]) -> Table:
    table = Table("change", "service", "to", "state", "attempts", "asked for", "invoice", "error", box=SIMPLE_HEAD)
    for each in found:
        error = f"{each.error_code}: {each.error_message or ''}" if each.error_code else ""
        asked = f"{each.created_at:%m-%d %H:%M}"
        row = (each.subscription_id, each.product_name, each.state, str(each.attempts), asked, each.invoice_id or "")
        table.add_row(str(each.change_id), *row, escape(error))
    return table


def _scheduled(found: list[ScheduledPlanChange]) -> Table:
    table = Table("planned", "service", "from", "to", "on", "state", "attempts", "error", box=SIMPLE_HEAD)
    for each in found:
        error = ": ".join(filter(None, (each.error_code, each.error_message)))
        row = (each.subscription_id, each.present_name, each.product_name, each.effective_date.isoformat(), each.state)
        table.add_row(str(each.schedule_id), *row, str(each.attempts), escape(error))
    return table
