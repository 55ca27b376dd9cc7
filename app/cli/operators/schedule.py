"""`portal schedule`: every job by the clock, with its last and its next run; and running one now."""

import sys
from datetime import datetime
from typing import NoReturn

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.audit import audit
from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.clock import now
from app.commands.dunning import grace
from app.commands.dunning.schedule import calendar_of
from app.processes.clock import registry
from app.processes.clock.job import ClockJob
from app.processes.clock.runner import run_job
from app.processes.clock.units import preview
from app.resources import Resources
from app.schedule import clock_jobs, listing
from app.schedule.clock_jobs import Ended
from app.schedule.listing import ClockRun, ListedJob

POOL_SIZE = 12
MARKS = {"overdue": "red", "hung": "red", "failing": "yellow", "withheld": "yellow", "running": "green"}


@click.group(invoke_without_command=True)
@click.pass_context
@AS_JSON
def schedule(context: click.Context, as_json: bool) -> None:
    """List every job that runs by the clock: when, who runs it, its last and its next run; or run a subcommand.

    What WHMCS automates is listed too, as far as WHMCS tells. Times are UTC.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_jobs, as_json=as_json)


@schedule.command("list")
@AS_JSON
def list_jobs(as_json: bool = False) -> None:
    """List all jobs."""
    found = operate(_jobs)
    if as_json:
        print_json({"jobs": found})
        return
    Console().print(_table(found))
    for sentence in listing.concerns(found):
        Console().print(f"[yellow]![/yellow] {escape(sentence)}")


@schedule.command("runs")
@click.argument("name")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500))
@AS_JSON
def show_runs(name: str, limit: int, as_json: bool) -> None:
    """List the recorded runs of a job, newest first.

    Of a job with an interval, only runs are recorded whose outcome differs from the one before.
    """
    found = operate(lambda r: listing.runs_of(r.pool, name, limit))
    if as_json:
        print_json({"runs": found})
    else:
        Console().print(_runs_table(found))


@schedule.command("run")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Say what the job would do, and do nothing.")
@click.option(
    "--confirm",
    type=click.IntRange(1, 1_000_000),
    metavar="ACCOUNTS",
    help="Of the job `suspension`: permit that so many accounts are suspended today.",
)
@AS_JSON
def run_now(name: str, dry_run: bool, confirm: int | None, as_json: bool) -> None:
    """Run a job now, in this process, and record the run.

    Exit status 1 if it failed, or if another process runs it at this moment; 2 if there is no such job. The emergency
    stop holds here too.
    """
    if dry_run:
        _print_preview(name, operate(lambda r: preview(r, _named(r, name)), pool_size=POOL_SIZE), as_json)
        return
    if confirm is not None and name != "suspension":
        click.echo("portal: only the job suspension asks for --confirm.", err=True)
        sys.exit(2)
    ended = operate(lambda r: _run(r, name, confirm), pool_size=POOL_SIZE)
    if ended is None:
        click.echo(f"portal: {name} is running in another process; `portal schedule` says where.", err=True)
        sys.exit(1)
    if as_json:
        print_json(ended)
    else:
        click.echo(f"{name}: {ended.outcome} after {ended.seconds:.1f} s. {ended.detail}".rstrip())
    sys.exit(0 if ended.outcome == "done" else 1)


async def _jobs(resources: Resources) -> list[ListedJob]:
    return await listing.listed(resources.pool)


async def _run(resources: Resources, name: str, confirm: int | None) -> Ended | None:
    by = operator()
    job = _named(resources, name)
    if job.task and resources.settings.automator_of(job.task) == "whmcs":
        _refuse(f"{name} is not a job of the portal: WHMCS's daily run does it")
    if confirm is not None:
        today = calendar_of(resources.settings).day_of(now())
        await grace.permit(resources.pool, by, today, confirm)
    await clock_jobs.register(resources.pool, registry.registrations(resources.settings))
    await audit(resources.pool, by, "schedule.run", [name])
    return await run_job(resources, job, forced_by=by.name)


def _named(resources: Resources, name: str) -> ClockJob:
    """Find a job, or end with one sentence."""
    jobs = {each.name: each for each in registry.jobs(resources.settings)}
    job = jobs.get(name)
    if job is not None and job.is_runnable:
        return job
    if job is not None:
        reason = f"{name} cannot be run by hand: every worker does it by itself"
    elif name in {each.name for each in registry.registrations(resources.settings)}:
        reason = f"{name} is not a job of the portal: WHMCS's daily run does it"
    else:
        reason = f"there is no job {name} here; these can be run: {', '.join(sorted(jobs))}"
    _refuse(reason)


def _refuse(reason: str) -> NoReturn:
    click.echo(f"portal: {reason}.", err=True)
    sys.exit(2)


def _print_preview(name: str, sentences: list[str] | None, as_json: bool) -> None:
    if as_json:
        print_json({"job": name, "preview": sentences})
    elif sentences is None:
        click.echo(f"{name} has no preview. Nothing was run.")
    else:
        click.echo("\n".join(sentences) or f"{name} would do nothing now.")


def _table(found: list[ListedJob]) -> Table:
    table = Table("job", "owner", "when", "state", "last run", "outcome", "took", "next run", "what", box=SIMPLE_HEAD)
    for each in found:
        when = each.cron if each.zone == "UTC" else f"{each.cron} {each.zone}".strip()
        color = MARKS.get(each.state)
        state = f"[{color}]{each.state}[/{color}]" if color else each.state
        took = "" if each.last_seconds is None else f"{each.last_seconds:.1f} s"
        outcome = f"{each.last_outcome or ''}{': ' + each.last_detail if each.last_detail else ''}"
        times = (_at(each.last_ended_at), escape(outcome), took, _at(each.next_try_at))
        table.add_row(each.name, each.owner, escape(when), state, *times, escape(each.about))
    return table


def _runs_table(found: list[ClockRun]) -> Table:
    table = Table("due", "began", "took", "outcome", "detail", "runner", "by", box=SIMPLE_HEAD)
    for each in found:
        took = f"{(each.ended_at - each.started_at).total_seconds():.1f} s"
        who = (escape(each.runner or ""), escape(each.requested_by or ""))
        table.add_row(_at(each.due_at), _at(each.started_at), took, each.outcome, escape(each.detail or ""), *who)
    return table


def _at(at: datetime | None) -> str:
    return "" if at is None else f"{at:%m-%d %H:%M:%S}"
