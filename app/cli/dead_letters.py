"""`portal dead-letters`: changes that could not be applied, and what to do with them."""

import getpass
import json

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from app.cli.operate import operate
from app.ingest import dead_letters as letters
from app.ingest.dead_letters import DeadLetter
from app.resources import Resources

AsJson = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
MASK = "•••"


@click.group("dead-letters", invoke_without_command=True)
@click.pass_context
@AsJson
def dead_letters(ctx: click.Context, as_json: bool) -> None:
    """List changes that failed five times. Their records wait; every other record moves on.

    Mend the cause, then `retry`; or `discard` a change for good, and the next one of its record is applied.
    """
    if ctx.invoked_subcommand:
        return
    found = operate(lambda resources: letters.open_letters(resources.pool))
    if as_json:
        click.echo(json.dumps([_plain(each, reveal=False) for each in found], default=str))
        return
    table = Table("id", "record", "origin", "parked", "waiting", "error", box=SIMPLE_HEAD)
    for each in found:
        name = f"{each.source} {each.object} {each.record_id}"
        parked = f"{each.parked_at:%m-%d %H:%M:%S}"
        table.add_row(str(each.id), name, each.origin, parked, str(each.waiting), each.error[:80])
    Console().print(table if found else "No dead letters.")


@dead_letters.command()
@click.argument("letter_id", type=int, metavar="ID")
@click.option("--reveal", is_flag=True, help="Show the change's own values, which may be personal data.")
@AsJson
def show(letter_id: int, reveal: bool, as_json: bool) -> None:
    """Show one with its stack and the fields of its change."""
    found = operate(lambda resources: letters.letter(resources.pool, letter_id))
    plain = _plain(found, reveal=reveal)
    if as_json:
        click.echo(json.dumps(plain, default=str))
        return
    stack = plain.pop("stack")
    for name, value in plain.items():
        click.echo(f"{name}: {value}")
    click.echo(stack)


@dead_letters.command()
@click.argument("letter_ids", type=int, nargs=-1, metavar="ID...")
@click.option("--all", "every", is_flag=True, help="Every open one.")
def retry(letter_ids: tuple[int, ...], every: bool) -> None:
    """Try parked changes again, with all their attempts."""

    async def work(resources: Resources) -> int:
        ids = [each.id for each in await letters.open_letters(resources.pool, 10_000)] if every else list(letter_ids)
        return await letters.retry(resources.pool, resources.inbox.wake, ids, getpass.getuser())

    click.echo(f"{operate(work)} will be tried again.")


@dead_letters.command()
@click.argument("letter_ids", type=int, nargs=-1, required=True, metavar="ID...")
@click.option("--reason", required=True, help="Why; it is kept in the audit.")
def discard(letter_ids: tuple[int, ...], reason: str) -> None:
    """Give parked changes up; later changes of their records go on."""

    async def work(resources: Resources) -> int:
        return await letters.discard(resources.pool, resources.inbox.wake, letter_ids, getpass.getuser(), reason)

    click.echo(f"{operate(work)} discarded.")


def _plain(found: DeadLetter, *, reveal: bool) -> dict[str, object]:
    plain = msgspec.structs.asdict(found)
    if not reveal:
        plain["data"] = dict.fromkeys(found.data, MASK)
    return plain
