"""The rule by which a customer is told when to come back to an upstream that is away: its recent outages, measured.

Pure: it reads no clock and draws no random number.
"""

from collections.abc import Sequence
from statistics import median

FIRST_GUESS_SECONDS = 30.0
"""Duration of an outage where none was measured yet."""
SHORTEST_SECONDS, LONGEST_SECONDS = 2.0, 900.0
SPREAD = 0.2
"""Answers differ by this share, so that callers do not come back at one instant."""
MOST_OUTAGES = 50
"""Outages that are remembered per upstream."""


def remaining_seconds(durations_seconds: Sequence[float], elapsed_seconds: float) -> float:
    """Estimate how much longer an outage lasts: the median of what remained of those that lasted longer.

    One that has outlasted all of them is expected to last as long again as it has.
    """
    longer = [each for each in durations_seconds or (FIRST_GUESS_SECONDS,) if each > elapsed_seconds]
    return median(longer) - elapsed_seconds if longer else elapsed_seconds


def told_seconds(
    durations_seconds: Sequence[float], elapsed_seconds: float, draw: float, *, least_seconds: float
) -> int:
    """Return what `Retry-After` says: the estimate within bounds, spread, and never before `least_seconds`.

    `draw` is a random number of at least 0 and less than 1; larger ones give later answers.
    """
    estimated = min(max(remaining_seconds(durations_seconds, elapsed_seconds), SHORTEST_SECONDS), LONGEST_SECONDS)
    spread = estimated * (1 - SPREAD + 2 * SPREAD * draw)
    return round(max(min(max(spread, SHORTEST_SECONDS), LONGEST_SECONDS), least_seconds))
