"""`/metrics`: the counters of all API processes behind this address and the lag of the portal, within seconds whatever
hangs. Meant for a Prometheus inside `INTERNAL_NETWORKS`."""

import asyncio

import asyncpg
from litestar import Response, get
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from app.cache.redis_breaker import OK, GuardedRedis, redis_state
from app.commands.fulfilment import overview
from app.commands.subscriptions.plan_changes import journal, scheduled_lists
from app.db import is_outage
from app.http.answering.handler_types import Injected
from app.http.answering.problems import Unavailable
from app.http.answering.single_flight import SingleFlight
from app.http.fast.layers import FastLayers
from app.http.monitoring.capture_metrics import capture_metrics
from app.http.monitoring.dunning_metrics import dunning_metrics
from app.http.monitoring.health_checks import CHECK_SECONDS, within
from app.http.monitoring.metric_families import Family, families_of, text_of
from app.http.monitoring.process_metrics import ProcessMetrics
from app.http.monitoring.provider_metrics import provider_metrics
from app.http.monitoring.schedule_metrics import schedule_text
from app.http.policies.policy import ANYBODY, Policy
from app.ingest.lag.metrics import Metrics, rendered
from app.integrations.admission.admission import Admission
from app.queries.cache.answer_cache import Layers
from app.settings import Settings

METRICS_SECONDS = 2.0
BREAKERS = (
    "# HELP portal_upstream_state 1 for the state of each upstream's circuit breaker\n"
    "# TYPE portal_upstream_state gauge\n"
)
REDIS_UP = b"# HELP portal_redis_up Whether Redis does what it is asked\n# TYPE portal_redis_up gauge\n"
FULFILMENTS = "# HELP portal_fulfilments Orders on their way to an activated service\n# TYPE portal_fulfilments gauge\n"
ACTIVATED = (
    "# HELP portal_activation_seconds From approval to activated, of the last 24 hours\n"
    "# TYPE portal_activation_seconds summary\n"
)
PAUSES = (
    "# HELP portal_fulfilment_pauses Orders that paused in the last 24 hours\n# TYPE portal_fulfilment_pauses gauge\n"
)
PROVISION = (
    "# HELP portal_provision_steps Steps after activation that are not done\n# TYPE portal_provision_steps gauge\n"
)
PLAN_CHANGES = "# HELP portal_plan_changes Changes of plan under way or failed\n# TYPE portal_plan_changes gauge\n"

SCHEDULED = (
    "# HELP portal_scheduled_changes Changes of plan that wait, that are late, or were refused in the last 24 hours\n"
    "# TYPE portal_scheduled_changes gauge\n"
)


class MetricSources(Struct, frozen=True):
    """The sources of the metrics."""

    redis: GuardedRedis
    processes: ProcessMetrics
    measures: Metrics
    pool: asyncpg.Pool
    admission: Admission
    settings: Settings


@get(
    "/metrics",
    policy=Policy(roles=ANYBODY, limit="internal", conditional=False),
    summary="Prometheus metrics",
    include_in_schema=False,
)
async def metrics(metrics_text: Injected[SingleFlight[bytes]]) -> Response[bytes]:
    """Render the metrics in Prometheus's text format, once for all concurrent callers."""
    text = await metrics_text.result()
    headers = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
    return Response(text, headers=headers)


async def metrics_text(sources: MetricSources) -> bytes:
    """Render all metrics in Prometheus's text format.

    Raises:
        Unavailable: the counts of the other processes cannot be read.
    """
    redis, counted, (measured, *more) = await asyncio.gather(
        within(CHECK_SECONDS, redis_state(sources.redis)),
        within(METRICS_SECONDS, sources.processes.counts()),
        _of_the_database(sources),
    )
    if counted is None:
        raise Unavailable
    breakers = _breakers(sources.admission) + REDIS_UP + b"portal_redis_up %d\n" % (redis == OK)
    parts = (measured if measured is not None else rendered(None), *more)
    found = b"".join(part or b"" for part in parts)
    return text_of(counted) + found + breakers


async def _of_the_database(sources: MetricSources) -> list[bytes | None]:
    """Render what the database tells, the lag first; None for what takes too long."""
    pool, settings = sources.pool, sources.settings
    texts = (
        sources.measures.text(),
        _fulfilments(pool),
        schedule_text(pool, settings.whmcs_time_zone),
        provider_metrics(pool),
        capture_metrics(pool),
        dunning_metrics(pool, settings),
    )
    return await asyncio.gather(*(within(METRICS_SECONDS, each) for each in texts))


def own_counts(layers: FastLayers) -> list[Family]:
    """Collect the counts of this process."""
    layers.access_log.flush()
    return families_of([*REGISTRY.collect(), *_answers(layers.cache.layers())])


def _answers(counted: Layers) -> list[CounterMetricFamily | GaugeMetricFamily]:
    """Count answers by the layer they came from, and measure the memory they occupy."""
    answers = CounterMetricFamily("portal_answers", "Ready answers by the layer they came from", labels=["layer"])
    by_layer = {"memory": counted.hits, "redis": counted.copied, "postgres": counted.drawn, "shared": counted.shared}
    for name, count in by_layer.items():
        answers.add_metric([name], count)
    memory = GaugeMetricFamily("portal_answer_memory", "Ready answers that are kept", labels=["what"])
    for name, size in {"bytes": counted.bytes, "entries": counted.entries, "evicted": counted.evicted}.items():
        memory.add_metric([name], size)
    return [answers, memory]


def _breakers(admission: Admission) -> bytes:
    lines = [
        f'portal_upstream_state{{upstream="{each.upstream}",state="{state}"}} {int(each.state == state)}\n'
        for each in admission.availabilities()
        for state in ("closed", "open", "half_open")
    ]
    return (BREAKERS + "".join(lines)).encode()


async def _fulfilments(pool: asyncpg.Pool) -> bytes:
    """Render orders by state and error, the pace of the last day, open provisioning steps, and changes of plan. Empty
    while the database is away."""
    try:
        found, pace = await overview.counts(pool), await overview.pace(pool)
        steps = await overview.provision_counts(pool)
        changes, planned = await journal.counts(pool), await scheduled_lists.counts(pool)
    except Exception as error:
        if not is_outage(error):
            raise
        return b""
    lines = [f'portal_fulfilments{{state="{each.state}",error="{each.error_code}"}} {each.count}\n' for each in found]
    seconds = {"0.5": pace.p50_seconds, "0.95": pace.p95_seconds}
    lines.append(ACTIVATED)
    lines += [f'portal_activation_seconds{{quantile="{q}"}} {value:.3f}\n' for q, value in seconds.items() if value]
    lines.append(f"portal_activation_seconds_count {pace.activated}\n{PAUSES}")
    lines += [f'portal_fulfilment_pauses{{error="{code}"}} {count}\n' for code, count in pace.pauses.items()]
    lines.append(PROVISION)
    lines += [
        f'portal_provision_steps{{step="{each.step}",state="{each.state}",error="{each.error_code}"}} {each.count}\n'
        for each in steps
    ]
    lines.append(PLAN_CHANGES)
    lines += [f'portal_plan_changes{{state="{state}"}} {count}\n' for state, count in changes.items()]
    lines.append(SCHEDULED)
    lines += [f'portal_scheduled_changes{{state="{state}"}} {count}\n' for state, count in planned.items()]
    return (FULFILMENTS + "".join(lines)).encode()


ROUTES = (metrics,)
