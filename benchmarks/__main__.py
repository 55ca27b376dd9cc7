"""`python -m benchmarks [NAMES] [--json FILE] [--quick]`"""

import shlex
import sys
from pathlib import Path
from typing import Any

import click
import uvloop
from rich.console import Console

from app.db import open_pool
from app.settings import Settings
from benchmarks import projection, report
from benchmarks.engines import engines, machine
from benchmarks.options import Options
from benchmarks.rounds import Row

BENCHMARKS = {"projection": projection.run}
QUICK = Options(quick=True, rounds=1, accounts=25)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every figure to this file.")
@click.option("--quick", is_flag=True, help="One small round of each: shows that it runs, not how fast.")
@click.option("--rounds", type=click.IntRange(1), default=Options().rounds, show_default=True)
@click.option("--accounts", type=click.IntRange(1), default=Options().accounts, show_default=True)
def main(names: tuple[str, ...], json_file: Path | None, quick: bool, rounds: int, accounts: int) -> None:
    """Measure ours and the baselines in turns, and print the medians. Without NAMES: everything.

    Exit status 1 when a bar is missed (never with --quick).
    """
    options = QUICK if quick else Options(rounds=rounds, accounts=accounts)
    command = f"python -m benchmarks {shlex.join(sys.argv[1:])}".strip()
    with engines() as settings:
        rows, described = uvloop.run(_measure(settings, names or tuple(BENCHMARKS), options))
    report.show(rows, described, command)
    if json_file:
        report.write(json_file, rows, described, command)
    if not quick and not all(row.passed for row in rows):
        raise SystemExit(1)


async def _measure(settings: Settings, names: tuple[str, ...], options: Options) -> tuple[list[Row], dict[str, Any]]:
    progress = Console(stderr=True)
    pool = await open_pool(settings.database_url, size=20)
    try:
        described = await machine(pool)
        rows: list[Row] = []
        for name in names:
            progress.print(f"[bold]{name}[/bold]")
            rows += await BENCHMARKS[name](pool, settings, options, progress.print)
        return rows, described
    finally:
        await pool.close()


if __name__ == "__main__":
    main()
