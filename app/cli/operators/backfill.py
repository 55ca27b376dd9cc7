"""`portal backfill`: fills the mirror from the upstreams."""

import json
import sys
import time
from collections.abc import AsyncIterator, Mapping

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from app.cli.operate import operate
from app.errors import PortalError
from app.ingest.catch_up.backfill import OBJECTS, Backfill, BackfillStep
from app.resources import Resources


@click.command()
@click.argument("source", type=click.Choice(["salesforce", "whmcs", "all"]), default="all")
@click.option(
    "--object", "objects", multiple=True, type=click.Choice(OBJECTS), help="Read only these Salesforce objects."
)
@click.option("--rate", default=0.0, help="Limit calls per second to the upstreams; 0: no limit of ours.")
@click.option("--restart", is_flag=True, help="Start from the beginning, even if a run was interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def backfill(source: str, objects: tuple[str, ...], rate: float, restart: bool, as_json: bool) -> None:
    """Read every record of the upstreams into the mirror, linked customers first.

    Runs during live changes and never overwrites a newer one. Stop it with Ctrl-C; the same command resumes. The
    workers must be running, because they apply what is read.
    """
    started = time.monotonic()
    failed: dict[str, str] = {}

    async def work(resources: Resources) -> dict[str, int]:
        run = Backfill(resources.pool, resources.inbox, calls_per_second=rate)
        done: dict[str, int] = {}
        parts = {}
        if source in ("salesforce", "all"):
            parts["salesforce"] = run.salesforce(resources.salesforce, objects or OBJECTS, restart=restart)
        if source in ("whmcs", "all"):
            parts["whmcs"] = run.whmcs(restart=restart)
        with _bars() as bars:
            for name, steps in parts.items():
                try:
                    await _follow(steps, bars, done)
                except PortalError as error:
                    failed[name] = str(error)
        return done

    done = operate(work)
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        click.echo(json.dumps({"read": done, "seconds": seconds, "failed": failed}))
    else:
        _tell(done, seconds, whole=not failed)
    for name, error in failed.items():
        click.echo(f"portal: {name} was not read completely: {error}", err=True)
    if failed:
        click.echo("portal: fix that (`portal doctor` helps), then run the same command again to resume.", err=True)
        sys.exit(1)


def _tell(done: Mapping[str, int], seconds: float, *, whole: bool) -> None:
    for name, count in done.items():
        click.echo(f"{name}: {count}")
    if whole:
        click.echo(f"Everything was read in {seconds} s; `portal lag` shows what is still to be applied.")


async def _follow(steps: AsyncIterator[BackfillStep], bars: Progress, done: dict[str, int]) -> None:
    tasks: dict[str, TaskID] = {}
    async for step in steps:
        if step.name not in tasks:
            tasks[step.name] = bars.add_task(step.name, total=step.total, rate="")
        elapsed = bars.tasks[tasks[step.name]].elapsed or 0
        rate = f"{step.done / max(elapsed, 0.1):,.0f}/s"
        bars.update(tasks[step.name], completed=step.done, total=step.total, rate=rate)
        done[step.name] = step.done


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description:>16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
