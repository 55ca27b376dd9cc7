"""The histogram of how long requests took, fed many at a time: the library's own takes each observation on its way."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from prometheus_client import REGISTRY
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, float("inf"))
"""What each bucket reaches up to; those that the library would choose."""
_NAMES = (
    "0.005",
    "0.01",
    "0.025",
    "0.05",
    "0.075",
    "0.1",
    "0.25",
    "0.5",
    "0.75",
    "1.0",
    "2.5",
    "5.0",
    "7.5",
    "10.0",
    "+Inf",
)


class Timings(Collector):
    """By method and route."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._counts: dict[tuple[str, str], list[int]] = {}
        self._sums: dict[tuple[str, str], float] = {}
        REGISTRY.register(self)

    def note(self, method: str, route: str, seconds: Sequence[float]) -> None:
        """Requests that took so long each."""
        counts = self._counts.setdefault((method, route), [0] * len(BOUNDS_SECONDS))
        ordered, below = sorted(seconds), 0
        for number, bound in enumerate(BOUNDS_SECONDS):
            within = bisect_right(ordered, bound, below)
            counts[number] += within - below
            if within == len(ordered):
                break
            below = within
        self._sums[method, route] = self._sums.get((method, route), 0.0) + sum(seconds)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """For `/metrics`."""
        family = HistogramMetricFamily(self._name, self._text, labels=("method", "route"))
        for labels, counts in self._counts.items():
            total, buckets = 0, []
            for name, count in zip(_NAMES, counts, strict=True):
                total += count
                buckets.append((name, float(total)))
            family.add_metric(labels, buckets, self._sums[labels])
        return [family]
