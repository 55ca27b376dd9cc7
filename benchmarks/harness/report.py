"""A benchmark's result, the table people read and the JSON programs read."""

import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct, to_builtins
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


class Result(Struct, frozen=True, kw_only=True):
    """One row: medians of the product and of the baseline, their ratio, and the bar it must reach (None: not
    judged)."""

    name: str
    unit: str
    ours: float
    baseline: float | None = None
    against: str = ""
    ratio: float | None = None
    bar: float | None = None
    at_most: bool = False
    detail: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the bar is reached."""
        if self.bar is None:
            return None
        value = self.ratio if self.ratio is not None else self.ours
        return value <= self.bar if self.at_most else value >= self.bar


def compared(name: str, unit: str, ours: list[float], baseline: list[float], against: str, bar: float | None) -> Result:
    """Medians of alternating rounds; higher is better."""
    mine, other = statistics.median(ours), statistics.median(baseline)
    spread = f"ours {min(ours):,.0f}–{max(ours):,.0f}, baseline {min(baseline):,.0f}–{max(baseline):,.0f}"
    return Result(
        name=name, unit=unit, ours=mine, baseline=other, against=against, ratio=mine / other, bar=bar, detail=spread
    )


def machine() -> dict[str, Any]:
    """Describe the machine that the figures were measured on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    memory = round(psutil.virtual_memory().total / 2**30)
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": memory, "python": platform.python_version()}


def show(results: list[Result], json_file: Path | None, command: str) -> None:
    """Print the table; write the JSON."""
    table = Table("benchmark", "ours", "baseline", "against", "ratio", "bar", "holds", box=SIMPLE_HEAD)
    for each in results:
        sign = "≤" if each.at_most else "≥"
        table.add_row(
            each.name,
            f"{each.ours:,.1f} {each.unit}",
            f"{each.baseline:,.1f}" if each.baseline is not None else "",
            each.against,
            f"{each.ratio:.2f}" if each.ratio is not None else "",
            f"{sign} {each.bar:g}" if each.bar is not None else "",
            {True: "yes", False: "NO", None: ""}[each.holds],
        )
    console = Console(width=150)
    console.print(table)
    for each in results:
        if each.detail:
            console.print(f"  {each.name}: {each.detail}", highlight=False)
    console.print(f"  {machine()}", highlight=False)
    if json_file:
        rows = [{**to_builtins(each), "holds": each.holds} for each in results]
        json_file.write_text(json.dumps({"machine": machine(), "command": command, "results": rows}, indent=2))
    sys.stdout.flush()
