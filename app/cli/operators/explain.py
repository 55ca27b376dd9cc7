"""`portal explain`: shows why a read model contains what it contains."""

import json

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from app.cli.as_json import AS_JSON
from app.cli.operate import operate
from app.projections.explain import MOST_ENTRIES
from app.projections.explain import explain as explained
from app.projections.explain.shapes import Explanation, ReceivedChange, Source
from app.projections.registry import SLICES, projectors
from app.resources import Resources

RESOURCES = tuple(module.__name__.rsplit(".", 1)[1] for module in SLICES)


@click.command()
@click.argument("resource", type=click.Choice(RESOURCES), metavar="RESOURCE")
@click.argument("item_id", metavar="ID")
@click.option(
    "--entries", default=MOST_ENTRIES, show_default=True, help="Show this many of the newest changes per record."
)
@AS_JSON
def explain(resource: str, item_id: str, entries: int, as_json: bool) -> None:
    """Show the records and changes behind the row of RESOURCE with the upstream ID, in order, and anything unusual.

    \b
    orders           Salesforce order id          invoices         WHMCS invoice id
    subscriptions    WHMCS service id             profiles         WHMCS client id
    payment_methods  pay method or client id      eligibility      Salesforce account id
    catalog          SKU or Salesforce product id
    """

    async def work(resources: Resources) -> Explanation:
        named = {each.name: each for each in projectors(resources.settings)}
        async with resources.pool.acquire() as connection:
            return await explained(connection, named[resource], item_id, most_entries=entries)

    found = operate(work)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found)))
    else:
        Console(highlight=False).print(tree(found))


def tree(found: Explanation) -> Tree:
    """Render the explanation: remarks first, then the row, then its sources."""
    owner = f", owner {found.owner_id}" if found.owner_id else ""
    account = f", account {found.account_id}" if found.account_id else ""
    top = Tree(f"[bold]{escape(f'{found.resource} {found.item_id}')}[/bold]{escape(owner + account)}")
    for remark in found.remarks:
        top.add(f"[yellow]![/yellow] {escape(remark)}")
    served = f"generation {found.generation}, projector version {found.generation_version}"
    for row in found.rows:
        as_of = f", as of {row.as_of:%Y-%m-%d %H:%M:%S}" if row.as_of else ""
        top.add(escape(f"row {row.item_id} of account {row.account_id}: version {row.version}{as_of} ({served})"))
    if not found.rows:
        top.add(f"no row ({served})")
    for source in found.sources:
        _add(top, source)
    return top


def _add(top: Tree, source: Source) -> None:
    branch = top.add(escape(f"{source.role}: {source.source} {source.object} {source.record_id}  {_state(source)}"))
    if source.earlier:
        branch.add(f"… {source.earlier} earlier")
    letters = {letter.entry_id: letter for letter in source.letters}
    for entry in source.entries:
        letter = letters.get(entry.id)
        note = f"  dead letter {letter.id} ({letter.resolution or 'open'})" if letter else ""
        branch.add(escape(_line(entry) + note))


def _state(source: Source) -> str:
    record = source.record
    if record is None:
        return "not mirrored"
    times = f"occurred {record.occurred_at:%Y-%m-%d %H:%M:%S}, verified {record.verified_at:%Y-%m-%d %H:%M:%S}"
    return f"version {record.version}, {times}" + (", deleted" if record.deleted else "")


def _line(entry: ReceivedChange) -> str:
    echo = ", echo of our own write" if entry.echo else ""
    settled = f"settled {entry.settled_at:%H:%M:%S.%f}: {entry.outcome}" if entry.settled_at else "open"
    tries = f", {entry.attempts} failed attempts" if entry.attempts else ""
    received = f"received {entry.received_at:%Y-%m-%d %H:%M:%S.%f}"
    return f"#{entry.id} {entry.kind} by {entry.origin}{echo}, version {entry.version}, {received}, {settled}{tries}"
