"""Metrics as values that can be serialised, added up and rendered in Prometheus's text format."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

COUNTING = frozenset({"counter", "histogram", "summary"})
OWN = ("process_", "python_")
"""Prefixes of metrics that describe one process only."""

Labels = tuple[tuple[str, str], ...]


class Family(Struct, array_like=True):
    """A metric with its samples: (name, labels, value)."""

    name: str
    kind: str
    text: str
    samples: list[tuple[str, Labels, float]]

    @property
    def counts(self) -> bool:
        """True for metrics that only grow, and so outlive their process."""
        return self.kind in COUNTING


def families_of(metrics: Iterable[Metric]) -> list[Family]:
    """Convert what a registry collects."""
    return [Family(each.name, each.type, each.documentation, _samples(each)) for each in metrics]


def _samples(metric: Metric) -> list[tuple[str, Labels, float]]:
    return [(sample.name, tuple(sample.labels.items()), sample.value) for sample in metric.samples]


def labelled(families: Sequence[Family], pid: str) -> list[Family]:
    """Add the label `pid` to metrics that describe one process."""
    return [_with_pid(each, pid) if each.name.startswith(OWN) and not each.counts else each for each in families]


def _with_pid(family: Family, pid: str) -> Family:
    samples = [(name, (*labels, ("pid", pid)), value) for name, labels, value in family.samples]
    return Family(family.name, family.kind, family.text, samples)


def added_up(of_processes: Sequence[Sequence[Family]]) -> list[Family]:
    """Add up the families of all processes. Of `_created` samples the earliest is kept."""
    found: dict[str, tuple[Family, dict[tuple[str, Labels], float]]] = {}
    for family in (each for families in of_processes for each in families):
        _, values = found.setdefault(family.name, (family, {}))
        for name, labels, value in family.samples:
            key, began = (name, labels), name.endswith("_created")
            former = values.get(key)
            values[key] = value if former is None else min(former, value) if began else former + value
    return [
        Family(family.name, family.kind, family.text, [(*key, value) for key, value in values.items()])
        for family, values in found.values()
    ]


def text_of(families: Sequence[Family]) -> bytes:
    """Render in Prometheus's text format."""
    return generate_latest(_Collected(families))


class _Collected(Collector):
    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.text, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, dict(labels), value)
            yield metric
