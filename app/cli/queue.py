"""`portal queue`: commands of customers that wait for an upstream to come back."""

from uuid import UUID

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate
from app.commands.execution import queue_entries
from app.commands.execution.queue_entries import ListedEntry


@click.command()
@click.option("--account", "account_id", type=click.UUID, help="Only commands of this account.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1_000))
@AS_JSON
def queue(account_id: UUID | None, limit: int, as_json: bool) -> None:
    """List commands of customers that wait for an upstream, in the order in which they were accepted."""
    found = operate(lambda r: queue_entries.listed(r.pool, account_id, limit))
    if as_json:
        print_json({"items": found})
    else:
        _print(found)


def _print(found: list[ListedEntry]) -> None:
    table = Table("command", "account", "waits for", "since", "attempts", "next", "until", box=SIMPLE_HEAD)
    for each in found:
        times = [f"{at:%m-%d %H:%M:%S}" for at in (each.queued_at, each.next_attempt_at, each.expires_at)]
        name = f"{each.command}{' (revoked)' if each.revoked else ''}"
        table.add_row(name, str(each.account_id), each.waits_for, times[0], str(each.attempts), *times[1:])
    Console().print(table if found else "Nothing waits.")
