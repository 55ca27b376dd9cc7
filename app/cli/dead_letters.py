"""`portal dead-letters`: what could not be applied, why, and what to do with it."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.as_json import AS_JSON
from app.cli.operate import operate, operator
from app.ingest import dead_letters as letters
from app.ingest import resolve
from app.ingest.dead_letters import DeadLetter, ParkedAccount
from app.ingest.resolve import Resolved
from app.resources import Resources


@click.group("dead-letters", invoke_without_command=True)
@click.pass_context
@AS_JSON
def dead_letters(context: click.Context, as_json: bool) -> None:
    """Changes that kept failing, and the records parked behind them. Without a command: list.

    A change that fails five times parks its record: its later changes wait, every other record moves on. Mend the
    cause, then `retry`; or `discard` a change that can never be applied.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_letters, as_json=as_json)


@dead_letters.command("list")
@click.option("--resolved", is_flag=True, help="Those that were retried or discarded, newest first.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, letters.MOST))
@AS_JSON
def list_letters(resolved: bool = False, limit: int = 100, as_json: bool = False) -> None:
    """What is parked, oldest first, and whose answers it holds back."""

    async def work(resources: Resources) -> tuple[list[DeadLetter], list[ParkedAccount]]:
        found = await letters.listed(resources.pool, resolved=resolved, limit=limit)
        return found, await letters.parked_accounts(resources.pool)

    found, accounts = operate(work)
    if as_json:
        _print_json({"dead_letters": found, "parked_accounts": accounts})
    elif not found:
        click.echo("No dead letters." if not resolved else "None were resolved.")
    else:
        Console().print(_table(found))
        click.echo(f"Accounts held back: {len(accounts)}. `portal dead-letters show ID` tells more.")


@dead_letters.command()
@click.argument("letter_id", type=int)
@click.option("--reveal", is_flag=True, help="Show personal data too; that is written into the audit log.")
@AS_JSON
def show(letter_id: int, reveal: bool, as_json: bool) -> None:
    """One dead letter: the error, its stack, what the change said."""
    found = operate(lambda r: letters.one(r.pool, letter_id, operator(), reveal=reveal))
    _print_json(found) if as_json else _show(found)


@dead_letters.command()
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every open dead letter.")
@AS_JSON
def retry(ids: Sequence[int], every: bool, as_json: bool) -> None:
    """Try again, at once and with fresh attempts, together with what else is parked of the same records."""
    if bool(ids) == every:
        raise click.UsageError("Name the dead letters to retry, or say --all.")

    async def work(resources: Resources) -> Resolved:
        chosen = await letters.open_ids(resources.pool) if every else ids
        return await resolve.retry(resources.pool, resources.inbox.wake, chosen, operator())

    _tell(operate(work), "retried", as_json)


@dead_letters.command()
@click.argument("ids", type=int, nargs=-1, required=True)
@click.option("--reason", required=True, help="Why it may be lost; kept in the audit log.")
@AS_JSON
def discard(ids: Sequence[int], reason: str, as_json: bool) -> None:
    """Give these changes up for good; later changes of their records move on."""
    done = operate(lambda r: resolve.discard(r.pool, r.inbox.wake, ids, operator(), reason))
    _tell(done, "discarded", as_json)


def _tell(done: Resolved, what: str, as_json: bool) -> None:
    if as_json:
        _print_json({what: done.ids, "already_resolved": done.already})
        return
    named = ", ".join(map(str, done.ids))
    click.echo(f"{len(done.ids)} {what}{': ' + named if named else ''}.")
    if done.already:
        click.echo(f"Resolved before, left as they are: {', '.join(map(str, done.already))}.")


def _print_json(answer: Any) -> None:
    click.echo(msgspec.json.encode(answer).decode())


def _table(found: Sequence[DeadLetter]) -> Table:
    table = Table("id", "record", "change", "attempts", "waiting", "parked at", "error", box=SIMPLE_HEAD)
    for each in found:
        table.add_row(
            str(each.id),
            escape(f"{each.source} {each.object} {each.record_id}"),
            f"{each.kind or '–'} by {each.origin or '–'}",
            str(each.attempts),
            str(each.waiting),
            f"{each.parked_at:%Y-%m-%d %H:%M:%S}" + (f" ({each.resolution})" if each.resolution else ""),
            escape(each.error if len(each.error) <= 120 else each.error[:119] + "…"),
        )
    return table


def _show(letter: DeadLetter) -> None:
    state = f"{letter.resolution} at {letter.resolved_at:%Y-%m-%d %H:%M:%S}" if letter.resolution else "open"
    console = Console(markup=False, highlight=False)
    console.print(f"Dead letter {letter.id}, {state}: {letter.source} {letter.object} {letter.record_id}")
    console.print(f"  parked at {letter.parked_at:%Y-%m-%d %H:%M:%S} after {letter.attempts} attempts")
    console.print(f"  entry {letter.entry_id}: {letter.kind} by {letter.origin}, version {letter.version}")
    console.print(f"  later changes of the record that wait: {letter.waiting}")
    console.print(f"\n{letter.error}\n\n{letter.stack}")
    for heading, data in (("The change says", letter.data), ("The record as last applied", letter.mirrored)):
        if data:
            console.print(heading)
            console.print(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())
    if not letter.resolution:
        console.print(f"\nMend the cause, then `portal dead-letters retry {letter.id}`.")
