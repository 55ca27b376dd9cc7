"""`portal automation`: who automates what in billing, and the emergency stop of all jobs that move money."""

import sys

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.resources import Resources
from app.schedule import billing_tasks, money_stop
from app.schedule.billing_tasks import TaskState
from app.schedule.money_stop import MoneyStop
from app.settings import BILLING_TASKS, Automator, BillingTask

MOST_REASON = 500
State = tuple[MoneyStop | None, dict[BillingTask, Automator], list[TaskState], list[str]]


@click.group(invoke_without_command=True)
@click.pass_context
@AS_JSON
def automation(context: click.Context, as_json: bool) -> None:
    """Show who automates which task of billing, and whether the jobs that move money are stopped; or a subcommand."""
    if context.invoked_subcommand is None:
        stopped, automators, tasks, conflicts = operate(_state)
        if as_json:
            print_json({"stop": stopped, "automators": automators, "tasks": tasks, "conflicts": conflicts})
        else:
            _print(stopped, automators, tasks, conflicts)


@automation.command()
@click.option("--reason", required=True, help="State the reason; recorded in the audit log.")
@AS_JSON
def stop(reason: str, as_json: bool) -> None:
    """Stop all jobs that move money, in every process, before their next charge.

    Customers can still pay, and staff can still charge by hand. The stop lasts until `portal automation resume`.
    """
    if not reason.strip() or len(reason) > MOST_REASON:
        click.echo(f"portal: give a reason of at most {MOST_REASON} characters.", err=True)
        sys.exit(2)
    stopped = operate(lambda r: money_stop.stop(r.pool, operator(), reason.strip()))
    print_json(stopped) if as_json else click.echo(f"{stopped.sentence.removesuffix('.')}.")


@automation.command()
@AS_JSON
def resume(as_json: bool) -> None:
    """Lift the stop. What became due meanwhile runs once."""
    lifted = operate(lambda r: money_stop.resume(r.pool, operator()))
    if as_json:
        print_json({"resumed": lifted})
    else:
        click.echo("The jobs that move money run again." if lifted else "No stop was in force.")


async def _state(resources: Resources) -> State:
    settings = resources.settings
    tasks = await billing_tasks.listed(resources.pool)
    automators = {task: settings.automator_of(task) for task in BILLING_TASKS}
    conflicts = billing_tasks.conflicts(tasks, settings.whmcs_time_zone)
    return await money_stop.current(resources.pool), automators, tasks, conflicts


def _print(
    stopped: MoneyStop | None, automators: dict[BillingTask, Automator], tasks: list[TaskState], conflicts: list[str]
) -> None:
    console = Console()
    if stopped:
        console.print(f"[red]Stopped.[/red] {escape(stopped.sentence)}")
    known = {each.task: each for each in tasks}
    table = Table("task", "automated by", "since", "switch in WHMCS", "WHMCS did it on", "asked", box=SIMPLE_HEAD)
    for task, automator in automators.items():
        found = known.get(task)
        if found is None:
            table.add_row(task, automator, "", "", "", "not yet")
            continue
        done_on = str(found.whmcs_did_on or "")
        asked = f"{found.age_seconds / 60:.0f} min ago"
        table.add_row(task, automator, f"{found.automator_since:%Y-%m-%d %H:%M}", found.whmcs_switch, done_on, asked)
    console.print(table)
    for sentence in conflicts:
        console.print(f"[yellow]![/yellow] {escape(sentence)}")
