"""The report: a table for people, JSON for machines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.rounds import Row


def show(rows: Sequence[Row], machine: dict[str, Any], command: str) -> None:
    """Print the table on stdout."""
    console = Console()
    table = Table(title=command, caption=", ".join(f"{name} {value}" for name, value in machine.items()))
    for title in ("benchmark", "unit", "ours", "baseline", "ratio", "bar", "p50 ms", "p99 ms", ""):
        table.add_column(title, justify="left" if title in ("benchmark", "unit", "") else "right")
    for row in rows:
        bar = f"{'≤' if row.at_most else '≥'} {row.bar:g}"
        table.add_row(
            *(row.name, row.unit, _number(row.ours), _number(row.baseline), f"{row.ratio:.2f}", bar),
            *(_number(row.p50), _number(row.p99), "pass" if row.passed else "FAIL"),
        )
    console.print(table)


def write(path: Path, rows: Sequence[Row], machine: dict[str, Any], command: str) -> None:
    """Write everything that was measured, single rounds included."""
    body = [{**msgspec.to_builtins(row), "passed": row.passed} for row in rows]
    report = {"command": command, "machine": machine, "rows": body}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
