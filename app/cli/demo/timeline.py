"""The journey's output, for people and for programs."""

from typing import Any

from msgspec import Struct, structs
from rich.console import Console
from rich.table import Table
from rich.text import Text


class JourneyStep(Struct, frozen=True, kw_only=True):
    """A step of the journey.

    Attributes:
        at_ms: time since the journey began.
        who: customer, staff, portal or billing.
        wrote: what was written where; empty for a read.
        took_ms: duration of the call.
        lag_ms: time from the upstream's commit to the first query that showed it, if there was one to wait for.
    """

    at_ms: float
    who: str
    what: str
    wrote: str = ""
    took_ms: float | None = None
    lag_ms: float | None = None


class JourneySummary(Struct, frozen=True, kw_only=True):
    """The result of the journey."""

    held: bool
    problem: str
    journey_ms: float
    start_ms: float
    lag_min_ms: float | None
    lag_median_ms: float | None
    lag_max_ms: float | None
    queries: int
    upstream_calls_by_queries: int | None


COLOURS = {"customer": "cyan", "staff": "magenta", "portal": "green", "billing": "yellow"}


class Printer:
    """Prints steps as they happen."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def step(self, step: JourneyStep) -> None:
        """Print a line, and a second one for what was written."""
        line = Text(f"{step.at_ms / 1000:7.2f} s  ", style="dim")
        line.append(f"{step.who:<9}", style=COLOURS.get(step.who, ""))
        line.append(step.what)
        if step.took_ms is not None:
            line.append(f"  {step.took_ms:.0f} ms", style="dim")
        if step.lag_ms is not None:
            line.append(f"  visible {step.lag_ms:.0f} ms after the upstream's commit", style="bold green")
        self._console.print(line)
        if step.wrote:
            self._console.print(Text(f"                    ↳ {step.wrote}", style="dim"))

    def summary(self, summary: JourneySummary) -> None:
        """Print the figures of the journey."""
        table = Table(title="How it went", title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_row("journey", "held" if summary.held else f"[red]did not hold: {summary.problem}[/red]")
        table.add_row("start-up", f"{summary.start_ms / 1000:.1f} s")
        table.add_row("duration", f"{summary.journey_ms / 1000:.1f} s")
        if summary.lag_median_ms is not None:
            lags = f"{summary.lag_min_ms:.0f} / {summary.lag_median_ms:.0f} / {summary.lag_max_ms:.0f} ms"
            table.add_row("upstream commit → visible", f"{lags}  (min / median / max)")
        table.add_row(
            "queries at the end", f"{summary.queries}, making {summary.upstream_calls_by_queries} upstream calls"
        )
        self._console.print()
        self._console.print(table)


def as_json(steps: list[JourneyStep], summary: JourneySummary) -> dict[str, Any]:
    """Return steps and summary for a program."""
    return {"summary": structs.asdict(summary), "timeline": [structs.asdict(step) for step in steps]}
