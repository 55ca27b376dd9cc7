"""`portal rebuild`: rebuilds read models from the mirror, while the old ones serve."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.cli.as_json import AS_JSON
from app.cli.operate import operate
from app.projections import rebuild as rebuilding
from app.projections.engine import generations
from app.projections.projector import Projector
from app.projections.rebuild.compare import Difference, differences
from app.projections.rebuild.pace import Pace
from app.projections.registry import projectors, with_previous
from app.resources import Resources

RebuildReport = dict[str, Any]


@click.command()
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Rebuild every read model, one after the other.")
@click.option("--account", type=click.UUID, help="Rebuild only this portal account, in place, within seconds.")
@click.option("--diff", is_flag=True, help="Show what would change, and do not swap.")
@click.option(
    "--threshold", default=rebuilding.THRESHOLD, show_default=True, help="Accept this share of removed or changed rows."
)
@click.option(
    "--share", default=0.3, show_default=True, type=click.FloatRange(0.01, 1), help="Work for this share of the time."
)
@click.option("--rollback", is_flag=True, help="Serve the previous generation again; it was kept up to date.")
@click.option("--drop", type=int, help="Drop this generation, which does not serve.")
@AS_JSON
def rebuild(name: str | None, every: bool, account: UUID | None, as_json: bool, **options: Any) -> None:
    """Rebuild read model NAME from the mirror, next to the one that serves, then swap.

    No upstream is called, readers are not affected, and the old generation is kept up to date for a day, so that
    --rollback is one call. An interrupted rebuild resumes. Without NAME, list the generations.
    """

    async def work(resources: Resources) -> RebuildReport:
        if account:
            return await _account(resources, account)
        named = {each.name: each for each in projectors(resources.settings)}
        if not name and not every:
            return await _list(resources)
        if name and name not in named:
            raise click.UsageError(f"There is no read model {name!r}. Choose one of: {', '.join(named)}.")
        if options["rollback"] and name:
            number = await rebuilding.rollback(resources.pool, with_previous(resources.settings), name)
            return {"slice": name, "serving": number}
        if options["drop"] and name:
            await generations.drop(resources.pool, named[name], options["drop"])
            return {"slice": name, "dropped": options["drop"]}
        chosen = list(named.values()) if every else [named[name or ""]]
        return {"rebuilt": [await _rebuild(resources, each, options) for each in chosen]}

    answer = operate(work)
    click.echo(json.dumps(answer, default=str)) if as_json else _show(answer)
    if any(not each["serving"] and not options["diff"] for each in answer.get("rebuilt", [])):
        sys.exit(1)


async def _account(resources: Resources, account: UUID) -> RebuildReport:
    version = await rebuilding.rebuild_account(resources.pool, with_previous(resources.settings), account)
    return {"account_id": str(account), "version": version}


async def _list(resources: Resources) -> RebuildReport:
    async with resources.pool.acquire() as connection:
        found = await generations.existing(connection)
    return {"generations": [msgspec.structs.asdict(each) for each in found]}


async def _rebuild(resources: Resources, projector: Projector, options: dict[str, Any]) -> RebuildReport:
    with _bar(projector.name) as progress:
        outcome = await rebuilding.rebuild(
            resources.pool,
            projector,
            on_progress=progress,
            threshold=options["threshold"],
            swap=not options["diff"],
            pace=Pace(options["share"]),
        )
    answer: RebuildReport = msgspec.to_builtins(outcome)
    if options["diff"] and not outcome.serving:
        answer["differences"] = await _differences(resources, projector, outcome.generation)
    return answer


async def _differences(resources: Resources, projector: Projector, generation: int) -> list[Difference]:
    async with resources.pool.acquire() as connection:
        old = await generations.serving(connection, projector.name)
        found = await differences(connection, projector, old.generation, generation, limit=20)
    return [msgspec.to_builtins(each) for each in found]


@contextmanager
def _bar(name: str) -> Iterator[Callable[[int, int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None, rate="")

        def show(done: int, expected: int) -> None:
            rate = f"{done / max(bar.tasks[0].elapsed or 0, 0.1):,.0f}/s"
            bar.update(task, completed=done, total=max(expected, done), rate=rate)

        yield show


def _show(answer: RebuildReport) -> None:
    console = Console()
    if "generations" in answer:
        console.print(_generations(answer["generations"]))
    for each in answer.get("rebuilt", []):
        found = each["comparison"]
        console.print(
            f"{each['slice']}: generation {each['generation']} "
            f"{'serves' if each['serving'] else 'does not serve'}; {found['same']} rows the same, "
            f"{found['changed']} changed, {found['added']} new, {found['removed']} gone."
        )
        for one in each.get("differences", []):
            console.print(f"  {one['kind']} {one['account_id']} {one['item_id']}")
            for column, (before, after) in one["columns"].items():
                console.print(f"    {column}: {before!r} → {after!r}", markup=False)
        if each["refusal"] and "differences" not in each:
            console.print(
                f"  Not swapped: {each['refusal']}. Inspect with --diff; swap anyway with --threshold 1; "
                f"or discard it with --drop {each['generation']}."
            )
    if "rebuilt" not in answer and "generations" not in answer:
        console.print(", ".join(f"{name} {value}" for name, value in answer.items()))


def _generations(found: list[RebuildReport]) -> Table:
    headings = ("read model", "generation", "version", "state", "filled", "since")
    table = Table(*headings, box=SIMPLE_HEAD)
    for each in found:
        filled = f"{each['filled']}/{each['expected']}" if each["expected"] else ""
        since = each["retired_at"] or each["served_at"] or each["started_at"]
        numbers = (str(each["generation"]), str(each["projector_version"]), each["state"], filled)
        table.add_row(each["slice"], *numbers, f"{since:%Y-%m-%d %H:%M:%S}")
    return table
