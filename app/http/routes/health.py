"""Health and metrics, answered within a second or two whatever hangs. Terse, because anybody may ask; `portal lag`
tells operators the rest."""

import asyncio
from datetime import datetime
from typing import Any, Literal

import asyncpg
import msgspec
from litestar import Response, get
from msgspec import Struct

from app.cache.redis_breaker import RedisState, redis_state
from app.commands.execution.context import Context
from app.http.answering.handler_types import Injected, answers
from app.http.answering.problems import Unavailable
from app.http.answering.single_flight import SingleFlight
from app.http.fast.layers import FastLayers
from app.http.middleware.draining import Draining
from app.http.monitoring.health_checks import LOOK_SECONDS, FeedStanding, HealthChecks, concerned, within
from app.http.policies.policy import ANYBODY, Policy
from app.ingest.lag.measure import measure
from app.ingest.lag.report import Canary, Drift, concerns
from app.integrations.admission.admission import Admission
from app.integrations.admission.gates import UpstreamAvailability
from app.queries.cache.answer_cache import Layers

AWAY = RedisState("away", "TimeoutError")


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


class Readiness(Struct, frozen=True):
    """What tells whether this process can serve."""

    checks: HealthChecks
    admission: Admission
    draining: Draining


@get(
    "/api/health/live",
    policy=Policy(roles=ANYBODY, limit="none", conditional=False),
    summary="Is the process alive?",
    tags=["Health"],
)
async def live() -> dict[str, str]:
    """Answers while the process can answer anything."""
    return {"status": "ok"}


@get(
    "/api/health/ready",
    policy=Policy(roles=ANYBODY, limit="none", conditional=False),
    summary="Can it serve?",
    tags=["Health"],
    responses=answers(Ready, "It can."),
)
async def ready(readiness: Injected[Readiness]) -> Response[bytes]:
    """503 without Postgres, and while the process comes to its end. What else is sick makes it `degraded`, with 200: it
    serves. Answers within a second, whatever hangs."""
    found = await readiness.checks.examine()
    upstreams = [_upstream(each) for each in readiness.admission.standings()]
    reasons = concerned(found, [(each.upstream, each.state) for each in upstreams])
    serves = found.postgres != "away"
    status = "stopping" if readiness.draining.begun else _status(serves, reasons)
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


def _upstream(standing: UpstreamAvailability) -> UpstreamHealth:
    return UpstreamHealth(
        upstream=standing.upstream,
        state=standing.state,
        since=standing.since,
        retry_at=standing.retry_at,
        reason=standing.reason or None,
    )


@get(
    "/api/health/services/cache",
    policy=Policy(roles=ANYBODY, limit="internal", conditional=False),
    summary="Are change events arriving?",
    tags=["Health"],
    responses=answers(CacheHealth, "Feeds, inbox, drift."),
)
async def cache(cache_health: Injected[SingleFlight[CacheHealth]]) -> Response[bytes]:
    """Every change feed with its state and the age of its last answer, what the inbox holds, what is parked, what the
    last comparison with the upstreams found. A dead feed grows old here; it never looks like one that is up to date.
    503 when that cannot be found out within a second."""
    return _json(await cache_health.result(), 200)


async def cache_health(context: Context, pool: asyncpg.Pool, checks: HealthChecks, serving: FastLayers) -> CacheHealth:
    """Measure feeds, inbox and caches, once for all concurrent callers.

    Raises:
        Unavailable: it cannot be found out.
    """
    settings = context.settings
    feeds = (settings.salesforce_channel, settings.salesforce_eligibility_topic)
    examined, found, told, _ = await asyncio.gather(
        checks.examine(),
        within(LOOK_SECONDS, measure(pool, feeds)),
        within(LOOK_SECONDS, redis_state(context.redis)),
        within(LOOK_SECONDS, serving.watch.held()),
    )
    redis = told or AWAY
    if found is None:
        raise Unavailable
    return CacheHealth(
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


def _json(body: Any, status: int) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


ROUTES = (live, ready, cache)
