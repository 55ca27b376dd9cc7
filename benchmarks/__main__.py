"""`python -m benchmarks [NAME…]`: run benchmarks and print their table."""

import sys
from importlib import import_module
from pathlib import Path

import click
import uvloop

from benchmarks.harness import setup
from benchmarks.harness.report import Result, show

NAMES = ("ingest", "projection", "rebuild", "growth", "lag", "activation", "login", "reads", "streams", "memory")


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES))
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the results here.")
@click.option("--rounds", default=5, show_default=True, help="Alternating rounds; the median counts.")
@click.option("--minutes", default=2.0, show_default=True, help="How long memory is watched.")
@click.option("--quick", is_flag=True, help="Small and short: to see that it runs, not how fast.")
def main(names: tuple[str, ...], json_file: Path | None, rounds: int, minutes: float, quick: bool) -> None:
    """Measure, on this machine and now. Leave it alone meanwhile."""
    results: list[Result] = []
    chosen = names or NAMES
    with setup.engine() as url:
        for name in chosen:
            click.echo(f"· {name}", err=True)
            module = import_module(f"benchmarks.{name}")
            options = {"minutes": minutes} if name == "memory" else {}
            work = module.run(url, rounds=1 if quick else rounds, quick=quick, **options)
            results += uvloop.run(work)
    show(results, json_file, " ".join(["python -m benchmarks", *sys.argv[1:]]))
    if not quick and any(each.holds is False for each in results):
        sys.exit(1)


main()
