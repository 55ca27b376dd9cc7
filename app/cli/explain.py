"""`portal explain`: what made a row."""

import json

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from app.cli.operate import operate
from app.errors import InvalidRequest
from app.projections.explain import Explanation
from app.projections.explain import explain as find
from app.projections.registry import projectors
from app.resources import Resources


@click.command()
@click.argument("resource")
@click.argument("item_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explain(resource: str, item_id: str, as_json: bool) -> None:
    """Show what made a row of read model RESOURCE: records, changes, versions and times, in order.

    ID is the upstream's: an order or invoice id; where a customer has one row, the WHMCS client or Salesforce account.
    """

    async def work(resources: Resources) -> Explanation:
        named = {each.name: each for each in projectors(resources.settings)}
        if resource not in named:
            raise InvalidRequest(f"There is no read model {resource!r}. There are: {', '.join(named)}.")
        async with resources.pool.acquire() as connection:
            return await find(connection, named[resource], item_id)

    found = operate(work)
    click.echo(json.dumps(msgspec.to_builtins(found), default=str)) if as_json else _show(found)


def _show(found: Explanation) -> None:
    console = Console()
    console.print(f"[bold]{found.slice} {found.item_id}[/bold]  account {found.account_id or '—'}")
    for name, value in found.row.items():
        console.print(f"  {name}: {value}", highlight=False)
    records = Table("record", "role", "version", "changed", "verified", title="Made of", box=SIMPLE_HEAD)
    for each in found.sources:
        name = f"{each.object} {each.record_id}{' (deleted)' if each.deleted else ''}"
        records.add_row(name, each.role, str(each.version), _time(each.occurred_at), _time(each.verified_at))
    changes = Table(
        "entry", "record", "origin", "kind", "version", "received", "became", title="Changes", box=SIMPLE_HEAD
    )
    for step in found.steps:
        became = step.outcome or ("parked" if step.parked else f"waits, {step.attempts} attempts")
        name = f"{step.object} {step.record_id}"
        changes.add_row(
            str(step.entry_id), name, step.origin, step.kind, str(step.version), _time(step.received_at), became
        )
    console.print(records, changes)
    for remark in found.remarks:
        console.print(f"  {remark}")


def _time(value: object) -> str:
    return f"{value:%m-%d %H:%M:%S}"
