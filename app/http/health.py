"""Health and metrics, answered within a second or two whatever hangs. Terse, because anybody may ask; `portal lag`
tells operators the rest."""

import asyncio
from datetime import datetime
from typing import Any, Literal

import asyncpg
import msgspec
from litestar import Request, Response, get
from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from app.commands.context import Context
from app.commands.fulfilment import overview
from app.commands.services import journal, schedule_lists
from app.db import is_outage
from app.http.examination import LOOK_SECONDS, FeedStanding, concerned, within
from app.http.inputs import answers
from app.http.problems import Unavailable
from app.http.serving import Serving
from app.ingest.measure import measure
from app.ingest.measures import Canary, Drift, concerns
from app.ingest.metrics import Metrics, rendered
from app.integrations.admission.admission import Admission
from app.integrations.admission.gates import Standing
from app.queries.pages import Layers
from app.redis_breaker import OK, RedisState, redis_state

METRICS_SECONDS = 2.0
AWAY = RedisState("away", "TimeoutError")
BREAKERS = (
    "# HELP portal_upstream_state 1 for the state of each upstream's circuit breaker\n"
    "# TYPE portal_upstream_state gauge\n"
)
ANSWERS = "# HELP portal_answers_total Ready answers by the layer they came from\n# TYPE portal_answers_total counter\n"
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


class UpstreamHealth(Struct, frozen=True, kw_only=True):
    """The circuit breaker of an upstream: closed (calls go through), open (nobody calls before `retry_at`) or half_open
    (one call tries). `reason`: outage, limit (it asked us to wait) or auth (it refuses our credentials)."""

    upstream: str
    state: str
    since: datetime
    retry_at: datetime | None
    reason: str | None


class Ready(Struct, frozen=True, kw_only=True):
    """`status`: ok, degraded (it serves, and `reasons` say what is sick), unavailable or stopping. `postgres`: ok,
    read_only or away. `redis`: ok, refusing (it takes no writes) or away. `feeds` is null when they cannot be read."""

    status: str
    reasons: list[str]
    postgres: str
    redis: str
    upstreams: list[UpstreamHealth]
    feeds: list[FeedStanding] | None


class FeedHealth(Struct, frozen=True, kw_only=True):
    """What anybody may know of a feed: not who leads, nor what it complained of. Ages in seconds; None is never."""

    feed: str
    state: str
    age_seconds: float | None
    last_event_age_seconds: float | None
    position_age_seconds: float | None
    silent_seconds: float | None


class InboxHealth(Struct, frozen=True):
    """What has come in and waits."""

    waiting: int
    oldest_age_seconds: float


class CacheHealth(Struct, frozen=True, kw_only=True):
    """`status` is ok or degraded. `parked`: changes that could not be applied. `untold`: changes that subscribers were
    not told of. `redis_state`: whether Redis does what it is asked, and `redis_reason` why not. `answers`: what the
    process that answers this keeps ready, and `sessions` how many it knows."""

    status: str
    feeds: list[FeedHealth]
    canaries: list[Canary]
    inbox: InboxHealth
    parked: int
    untold: int
    drift: list[Drift]
    redis: bool
    redis_state: Literal["ok", "refusing", "away"]
    redis_reason: str
    answers: Layers
    sessions: int


@get("/api/health/live", summary="Is the process alive?", tags=["Health"])
async def live() -> dict[str, str]:
    """Answers while the process can answer anything."""
    return {"status": "ok"}


@get(
    "/api/health/ready",
    summary="Can it serve?",
    tags=["Health"],
    responses=answers(Ready, "It can."),
)
async def ready(request: Request[Any, Any, Any]) -> Response[bytes]:
    """503 without Postgres, and while the process comes to its end. What else is sick makes it `degraded`, with 200: it
    serves. Answers within a second, whatever hangs."""
    state = request.app.state
    found = await state.examination.examine()
    upstreams = [_upstream(each) for each in state.admission.standings()]
    reasons = concerned(found, [(each.upstream, each.state) for each in upstreams])
    serves = found.postgres != "away"
    status = "stopping" if state.draining.begun else _status(serves, reasons)
    body = Ready(
        status=status,
        reasons=reasons,
        postgres=found.postgres,
        redis=found.redis,
        upstreams=upstreams,
        feeds=found.feeds,
    )
    return _json(body, 200 if status in ("ok", "degraded") else 503)


def _status(serves: bool, reasons: list[str]) -> str:
    if not serves:
        return "unavailable"
    return "degraded" if reasons else "ok"


def _upstream(standing: Standing) -> UpstreamHealth:
    return UpstreamHealth(
        upstream=standing.upstream,
        state=standing.state,
        since=standing.since,
        retry_at=standing.retry_at,
        reason=standing.reason or None,
    )


@get(
    "/api/health/services/cache",
    summary="Are change events arriving?",
    tags=["Health"],
    responses=answers(CacheHealth, "Feeds, inbox, drift."),
)
async def cache(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every change feed with its state and the age of its last answer, what the inbox holds, what is parked, what the
    last comparison with the upstreams found. A dead feed grows old here; it never looks like one that is up to date.
    503 when that cannot be found out within a second."""
    context: Context = request.app.state.context
    serving: Serving = request.app.state.serving
    settings, pool = context.settings, request.app.state.health_pool
    feeds = (settings.salesforce_channel, settings.salesforce_eligibility_topic)
    examined, found, told, _ = await asyncio.gather(
        request.app.state.examination.examine(),
        within(LOOK_SECONDS, measure(pool, feeds)),
        within(LOOK_SECONDS, redis_state(context.redis)),
        within(LOOK_SECONDS, serving.watch.held()),
    )
    redis = told or AWAY
    if found is None:
        raise Unavailable
    body = CacheHealth(
        status="ok" if redis.state == "ok" and not [*concerns(found), *concerned(examined, [])] else "degraded",
        feeds=[
            FeedHealth(**{name: getattr(feed, name) for name in FeedHealth.__struct_fields__}) for feed in found.feeds
        ],
        canaries=list(found.canaries),
        inbox=InboxHealth(sum(lane.open for lane in found.lanes), max(lane.oldest_seconds for lane in found.lanes)),
        parked=found.dead_letters.count,
        untold=found.notices_untold.count,
        drift=list(found.drift),
        redis=redis.state == "ok",
        redis_state=redis.state,
        redis_reason=redis.reason,
        answers=serving.pages.layers(),
        sessions=len(serving.visitors),
    )
    return _json(body, 200)


@get("/metrics", summary="Prometheus metrics", include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Everything this process counts, and how far behind the portal is."""
    measures: Metrics = request.app.state.metrics
    serving: Serving = request.app.state.serving
    serving.log.flush()
    redis = await within(LOOK_SECONDS, redis_state(request.app.state.context.redis))
    told = _answers(serving.pages.layers()) + _breakers(request.app.state.admission)
    told += REDIS_UP + b"portal_redis_up %d\n" % (redis == OK)
    measured, fulfilments = await asyncio.gather(
        within(METRICS_SECONDS, measures.text()),
        within(METRICS_SECONDS, _fulfilments(request.app.state.health_pool)),
    )
    found = (measured if measured is not None else rendered(None)) + (fulfilments or b"")
    return Response(generate_latest() + found + told, media_type=CONTENT_TYPE_LATEST)


def _breakers(admission: Admission) -> bytes:
    lines = [
        f'portal_upstream_state{{upstream="{each.upstream}",state="{state}"}} {int(each.state == state)}\n'
        for each in admission.standings()
        for state in ("closed", "open", "half_open")
    ]
    return (BREAKERS + "".join(lines)).encode()


def _answers(layers: Layers) -> bytes:
    """Where answers came from, and what is kept of them."""
    by_layer = {"memory": layers.hits, "redis": layers.copied, "postgres": layers.drawn, "shared": layers.shared}
    lines = [f'portal_answers_total{{layer="{name}"}} {count}\n' for name, count in by_layer.items()]
    sizes = {"bytes": layers.bytes, "entries": layers.entries, "evicted": layers.evicted}
    lines += [f'portal_answer_memory{{what="{name}"}} {size}\n' for name, size in sizes.items()]
    return (ANSWERS + "".join(lines)).encode()


async def _fulfilments(pool: asyncpg.Pool) -> bytes:
    """By state and error, how the last day went, what is left to set up; changes of plan, made and planned. Absent
    while the database is away."""
    try:
        found, pace = await overview.counts(pool), await overview.pace(pool)
        steps = await overview.provision_counts(pool)
        changes, planned = await journal.counts(pool), await schedule_lists.counts(pool)
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


def _json(body: Any, status: int) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


ROUTES = (live, ready, cache, metrics)
