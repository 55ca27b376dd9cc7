"""`portal dead-letters`: changes that could not be applied, why, and what to do about them."""

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
from app.ingest.apply import dead_letters as letters
from app.ingest.apply import resolve
from app.ingest.apply.dead_letters import DeadLetter, ParkedAccount
from app.ingest.apply.resolve import Resolved
from app.resources import Resources


@click.group("dead-letters", invoke_without_command=True)
@click.pass_context
@AS_JSON
def dead_letters(context: click.Context, as_json: bool) -> None:
    """List changes that kept failing, and the records parked behind them; or run a subcommand.

    A change that fails five times parks its record: its later changes wait, every other record moves on. A newer whole
    record heals it, so fix the cause where the record is kept, then `retry`; or `discard` a change that can never be
    applied.
    """
    if context.invoked_subcommand is None:
        context.invoke(list_letters, as_json=as_json)


@dead_letters.command("list")
@click.option("--resolved", is_flag=True, help="List resolved ones (retried, discarded or superseded), newest first.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, letters.MOST))
@AS_JSON
def list_letters(resolved: bool = False, limit: int = 100, as_json: bool = False) -> None:
    """List parked changes, oldest first, and the number of accounts held back."""

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
        click.echo(f"Accounts held back: {len(accounts)}. `portal dead-letters show ID` has the details.")


@dead_letters.command()
@click.argument("letter_id", type=int)
@click.option("--reveal", is_flag=True, help="Show personal data too; recorded in the audit log.")
@AS_JSON
def show(letter_id: int, reveal: bool, as_json: bool) -> None:
    """Show one dead letter: the error, its stack, and the change."""
    found = operate(lambda r: letters.one(r.pool, letter_id, operator(), reveal=reveal))
    _print_json(found) if as_json else _show(found)


@dead_letters.command()
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="Retry every open dead letter.")
@click.option(
    "--wait", "wait_seconds", default=5.0, show_default=True, help="Wait this many seconds for the upstream's answer."
)
@AS_JSON
def retry(ids: Sequence[int], every: bool, wait_seconds: float, as_json: bool) -> None:
    """Re-read the records upstream, and retry all their parked changes at once with fresh attempts."""
    if bool(ids) == every:
        raise click.UsageError("Name the dead letters to retry, or pass --all.")

    async def work(resources: Resources) -> tuple[Resolved, bool]:
        chosen = await letters.open_ids(resources.pool) if every else ids
        done = await resolve.retry(resources.pool, resources.inbox.wake, chosen, operator())
        return done, done.submission is None or await resources.inbox.settled(done.submission, wait_seconds)

    done, read = operate(work)
    _tell(done, "retried", as_json, read_again=read)
    if not read and not as_json:
        click.echo(
            "Not re-read yet: no worker is running, or the upstream is away (see `portal lag`). The request is kept: "
            "the record heals once the upstream answers."
        )


@dead_letters.command()
@click.argument("ids", type=int, nargs=-1, required=True)
@click.option("--reason", required=True, help="State why it may be lost; recorded in the audit log.")
@AS_JSON
def discard(ids: Sequence[int], reason: str, as_json: bool) -> None:
    """Discard all parked changes of these records permanently; later changes move on, and the records are re-read."""
    done = operate(lambda r: resolve.discard(r.pool, r.inbox.wake, ids, operator(), reason))
    _tell(done, "discarded", as_json)


def _tell(done: Resolved, what: str, as_json: bool, **more: bool) -> None:
    if as_json:
        _print_json({what: done.ids, "already_resolved": done.already, **more})
        return
    named = ", ".join(map(str, done.ids))
    click.echo(f"{len(done.ids)} {what}{': ' + named if named else ''}.")
    if done.already:
        click.echo(f"Already resolved, left unchanged: {', '.join(map(str, done.already))}.")


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
        console.print(f"\nFix the cause, then run `portal dead-letters retry {letter.id}`.")
