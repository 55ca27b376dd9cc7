"""Health and metrics. Terse, because anybody may ask; `portal lag` tells operators the rest."""

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
from app.http.inputs import answers
from app.http.serving import Serving
from app.ingest.measure import measure
from app.ingest.measures import Canary, Drift, concerns
from app.ingest.metrics import Metrics
from app.queries.pages import Layers
from app.redis_breaker import redis_state

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


class Ready(Struct, frozen=True):
    """`status` is ok, unavailable or stopping; without Redis it is ok."""

    status: str
    postgres: bool
    redis: bool


class FeedHealth(Struct, frozen=True, kw_only=True):
    """What anybody may know of a feed: not who leads, nor what it complained of. Ages in seconds; None is never."""

    feed: str
    state: str
    age_seconds: float
    last_event_age_seconds: float | None
    position_age_seconds: float | None


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
    """503 without Postgres, and while the process comes to its end. Without Redis it serves, slower."""
    context: Context = request.app.state.context
    postgres, redis = await _postgres(context), await _redis(context)
    if request.app.state.draining.begun:
        return _json(Ready("stopping", postgres, redis), 503)
    return _json(Ready("ok" if postgres else "unavailable", postgres, redis), 200 if postgres else 503)


@get(
    "/api/health/services/cache",
    summary="Are change events arriving?",
    tags=["Health"],
    responses=answers(CacheHealth, "Feeds, inbox, drift."),
)
async def cache(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Every change feed with its state and the age of its last answer, what the inbox holds, what is parked, what the
    last comparison with the upstreams found. A dead feed grows old here; it never looks like one that is up to date."""
    context: Context = request.app.state.context
    serving: Serving = request.app.state.serving
    settings = context.settings
    await serving.watch.held()
    redis = await redis_state(context.redis)
    found = await measure(context.pool, (settings.salesforce_channel, settings.salesforce_eligibility_topic))
    body = CacheHealth(
        status="degraded" if list(concerns(found)) or redis.state != "ok" else "ok",
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
    told = await _fulfilments(request.app.state.context) + _answers(serving.pages.layers())
    told += REDIS_UP + b"portal_redis_up %d\n" % await _redis(request.app.state.context)
    return Response(generate_latest() + await measures.text() + told, media_type=CONTENT_TYPE_LATEST)


def _answers(layers: Layers) -> bytes:
    """Where answers came from, and what is kept of them."""
    by_layer = {"memory": layers.hits, "redis": layers.copied, "postgres": layers.drawn, "shared": layers.shared}
    lines = [f'portal_answers_total{{layer="{name}"}} {count}\n' for name, count in by_layer.items()]
    sizes = {"bytes": layers.bytes, "entries": layers.entries, "evicted": layers.evicted}
    lines += [f'portal_answer_memory{{what="{name}"}} {size}\n' for name, size in sizes.items()]
    return (ANSWERS + "".join(lines)).encode()


async def _fulfilments(context: Context) -> bytes:
    """By state and error, how the last day went, what is left to set up; changes of plan, made and planned. Absent
    while the database is away."""
    try:
        found, pace = await overview.counts(context.pool), await overview.pace(context.pool)
        steps = await overview.provision_counts(context.pool)
        changes, planned = await journal.counts(context.pool), await schedule_lists.counts(context.pool)
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


async def _postgres(context: Context) -> bool:
    try:
        return bool(await context.pool.fetchval("SELECT true", timeout=2))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        return False


async def _redis(context: Context) -> bool:
    return (await redis_state(context.redis)).state == "ok"


def _json(body: Any, status: int) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


ROUTES = (live, ready, cache, metrics)
