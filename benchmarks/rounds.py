"""Rounds that alternate between ours and the baseline, and the row of the table they end in."""

from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

from msgspec import Struct

Measure = Callable[[], Awaitable[float]]
"""One round; returns its rate, per second."""


class Row(Struct, frozen=True, kw_only=True):
    """One line of the report.

    Attributes:
        ratio: what the bar speaks of; ours over baseline unless `bar_kind` says otherwise.
        at_most: the bar is an upper one (a latency, a growth), not a lower one.
        p50, p99: milliseconds, where the row is a latency.
        rounds: every single figure, so that the spread can be seen.
    """

    name: str
    unit: str
    ours: float
    ratio: float
    bar: float
    baseline: float | None = None
    at_most: bool = False
    p50: float | None = None
    p99: float | None = None
    rounds: dict[str, list[float]] = {}
    facts: dict[str, Any] = {}

    @property
    def passed(self) -> bool:
        """Whether the bar is met."""
        return self.ratio <= self.bar if self.at_most else self.ratio >= self.bar


async def alternate(sides: dict[str, Measure], rounds: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure every side once a round, in turns; A B C, A B C, …"""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        for name, measure in sides.items():
            rates[name].append(await measure())
            say(f"round {number}/{rounds}  {name}: {rates[name][-1]:,.0f}/s")
    return rates


def compare(name: str, unit: str, bar: float, rates: dict[str, list[float]], ours: str, baseline: str) -> Row:
    """A row that sets the median of one side against that of another."""
    mine, theirs = median(rates[ours]), median(rates[baseline])
    shown = {side: rates[side] for side in (ours, baseline)}
    return Row(name=name, unit=unit, ours=mine, baseline=theirs, ratio=mine / theirs, bar=bar, rounds=shown)
