"""A histogram of request durations that is fed in batches: the library's own costs a call per observation."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from prometheus_client import REGISTRY
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, float("inf"))
"""The upper bound of each bucket, as the library would choose them."""
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
    """Durations by method and route."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text = name, text
        self._counts: dict[tuple[str, str], list[int]] = {}
        self._sums: dict[tuple[str, str], float] = {}
        REGISTRY.register(self)

    def note(self, method: str, route: str, seconds: Sequence[float]) -> None:
        """Add the durations of requests of one route."""
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
        """Return the histogram for `/metrics`."""
        family = HistogramMetricFamily(self._name, self._text, labels=("method", "route"))
        for labels, counts in self._counts.items():
            total, buckets = 0, []
            for name, count in zip(_NAMES, counts, strict=True):
                total += count
                buckets.append((name, float(total)))
            family.add_metric(labels, buckets, self._sums[labels])
        return [family]
