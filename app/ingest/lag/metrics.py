"""The measures as Prometheus metrics, queried at most once a second however often they are scraped.

When the database does not answer, `portal_measures_up` is 0 and the others are absent: a gap in a graph, not a zero.
"""

import asyncio
import math
import time
from collections.abc import Iterator, Sequence

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.db import is_outage
from app.ingest.lag.measure import measure
from app.ingest.lag.report import Measures

KEPT_SECONDS = 1.0

log = structlog.get_logger()


class Metrics:
    """The metrics endpoint of one process."""

    def __init__(self, pool: asyncpg.Pool, expected_feeds: Sequence[str]) -> None:
        self._pool = pool
        self._expected_feeds = expected_feeds
        self._lock = asyncio.Lock()
        self._text = b""
        self._measured_at = -math.inf

    async def text(self) -> bytes:
        """Render Prometheus's text format, as of at most a second ago; concurrent scrapes share one measurement."""
        async with self._lock:
            if time.monotonic() - self._measured_at >= KEPT_SECONDS:
                self._text = rendered(await self._measure())
                self._measured_at = time.monotonic()
            return self._text

    async def _measure(self) -> Measures | None:
        try:
            return await measure(self._pool, self._expected_feeds)
        except Exception as error:  # a failure here must not lose the metrics that the process counts itself
            if is_outage(error):
                log.warning("measures_unavailable", error=repr(error))
            else:
                log.exception("measures_failed")
            return None


def rendered(measured: Measures | None) -> bytes:
    """Render one measurement in the text format."""
    registry = CollectorRegistry()
    registry.register(_Once(measured))
    return generate_latest(registry)


class _Once(Collector):
    def __init__(self, measured: Measures | None) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        """Yield every metric of the measurement."""
        yield _gauge("measures_up", "Whether the database answered.", [((), float(self._measured is not None))])
        if self._measured:
            yield from _of_ingest(self._measured)
            yield from _of_feeds(self._measured)
            yield from _of_read_models(self._measured)


def _of_ingest(m: Measures) -> Iterator[Metric]:
    yield _gauge(
        "inbox_open", "Open inbox entries, counted up to 100,000.", [((x.lane,), x.open) for x in m.lanes], "lane"
    )
    oldest = [((x.lane,), x.oldest_seconds) for x in m.lanes]
    yield _gauge("inbox_oldest_open_seconds", "Age of the oldest open entry that is not parked.", oldest, "lane")
    yield _gauge("dead_letters_open", "Unresolved dead letters.", [((), m.dead_letters.count)])
    yield _gauge("dead_letters_oldest_seconds", "Age of the oldest of them.", [((), m.dead_letters.oldest_seconds)])
    meaning = "Values of upstream records that could not be read and count as absent."
    unread = CounterMetricFamily("portal_unreadable_fields", meaning, labels=("source", "object", "field"))
    for each in m.unreadables:
        unread.add_metric((each.source, each.object, each.field), each.count)
    yield unread


def _of_feeds(m: Measures) -> Iterator[Metric]:
    """Yield the feed metrics. A feed that never answered is infinitely old, so that every alert on age fires."""
    ages = [((x.feed,), math.inf if x.age_seconds is None else x.age_seconds) for x in m.feeds]
    yield _gauge("feed_age_seconds", "Since the feed last answered, keepalives counted.", ages, "feed")
    last = [((x.feed,), x.last_event_age_seconds) for x in m.feeds if x.last_event_age_seconds is not None]
    yield _gauge("feed_last_event_age_seconds", "Since the newest event was made upstream.", last, "feed")
    states = [((x.feed, x.state), 1.0) for x in m.feeds]
    yield _gauge("feed_state", "1 for the state each feed is in.", states, "feed", "state")
    silent = [((x.feed,), x.silent_seconds or 0.0) for x in m.feeds]
    yield _gauge("feed_silent_seconds", "How long the feed is known to deliver nothing.", silent, "feed")
    sent = [((x.feed,), 0.0 if x.took_seconds is not None else x.sent_age_seconds) for x in m.canaries]
    yield _gauge("canary_unseen_seconds", "How long the last canary has been missing; 0 once it shows.", sent, "feed")


def _of_read_models(m: Measures) -> Iterator[Metric]:
    ratios = [((x.source, x.object), x.ratio) for x in m.drift]
    yield _gauge("drift_ratio", "Differing of checked records, last reconciliation.", ratios, "source", "object")
    prices = [((x.currency, x.billing_cycle), float(x.differing)) for x in m.price_drift]
    meaning = "Prices that differ between the price book and WHMCS."
    yield _gauge("price_drift", meaning, prices, "currency", "billing_cycle")
    yield _gauge("notices_untold", "Changes that are not published through Redis.", [((), m.notices_untold.count)])
    yield _gauge("notices_oldest_untold_seconds", "Age of the oldest of them.", [((), m.notices_untold.oldest_seconds)])
    yield _gauge("fanouts_open", "Changed records whose many rows are not computed yet.", [((), m.fanouts.count)])
    found = [((x.slice, str(x.generation), x.state, str(x.projector_version)), 1.0) for x in m.generations]
    labels = ("slice", "generation", "state", "projector_version")
    yield _gauge("projection_generation", "1 for each generation of a read model.", found, *labels)


def _gauge(name: str, meaning: str, samples: Sequence[tuple[tuple[str, ...], float]], *labels: str) -> Metric:
    family = GaugeMetricFamily(f"portal_{name}", meaning, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
