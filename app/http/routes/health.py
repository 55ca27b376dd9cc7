"""Health of the process and its engines, answered within a second whatever hangs. Terse, because the routes are open;
`portal lag` shows operators the details."""

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
from app.http.monitoring.health_checks import CHECK_SECONDS, FeedStanding, HealthChecks, concerned, within
from app.http.policies.policy import ANYBODY, Policy
from app.ingest.lag.measure import measure
from app.ingest.lag.report import Canary, Drift, concerns
from app.integrations.admission.admission import Admission
from app.integrations.admission.breaker import UpstreamAvailability
from app.queries.cache.answer_cache import Layers

AWAY = RedisState("away", "TimeoutError")


class UpstreamHealth(Struct, frozen=True, kw_only=True):
    """The circuit breaker of an upstream. `state`: closed (calls go through), open (no calls before `retry_at`) or
    half_open (one call probes). `reason`: outage, limit (it asked us to wait) or auth (it refuses our credentials)."""

    upstream: str
    state: str
    """`closed`: calls go through; `open`: none before `retry_at`; `half_open`: one call probes."""
    since: datetime
    retry_at: datetime | None
    """When the next call may be made; null if calls go through."""
    reason: str | None


class Ready(Struct, frozen=True, kw_only=True):
    """The readiness of a process. `status`: ok, degraded (it serves; `reasons` name what is unhealthy), unavailable or
    stopping. `postgres`: ok, read_only or away. `redis`: ok, refusing (it takes no writes) or away. `feeds` is null
    when they cannot be read."""

    status: str
    """`ok`, `degraded` (it serves), `unavailable` or `stopping`."""
    reasons: list[str]
    """What is unhealthy."""
    postgres: str
    """Whether Postgres answers."""
    redis: str
    """Whether Redis answers."""
    upstreams: list[UpstreamHealth]
    """The circuit breakers of the upstreams."""
    feeds: list[FeedStanding] | None
    """The change feeds; null where they cannot be read."""


class FeedHealth(Struct, frozen=True, kw_only=True):
    """The public state of a change feed, without its leader and errors. Ages are in seconds; null means never."""

    feed: str
    state: str
    """The state that the feed reports."""
    age_seconds: float | None
    last_event_age_seconds: float | None
    position_age_seconds: float | None
    silent_seconds: float | None


class InboxHealth(Struct, frozen=True):
    """Changes that were received and are not applied yet."""

    waiting: int
    """How many wait."""
    oldest_age_seconds: float
    """The age of the oldest one in seconds."""


class CacheHealth(Struct, frozen=True, kw_only=True):
    """The health of feeds, inbox and caches. `status` is ok or degraded. `parked` counts changes that could not be
    applied, `untold` changes that are not published to subscribers yet. `redis_state` says whether Redis takes writes,
    and `redis_reason` why not. `answers` describes the cache of the process that answers, `sessions` counts its cached
    sessions."""

    status: str
    """`ok`, or `degraded` when a part is unhealthy."""
    feeds: list[FeedHealth]
    """The change feeds."""
    canaries: list[Canary]
    """The last canary of each feed."""
    inbox: InboxHealth
    """Changes that were received and wait."""
    parked: int
    """Changes that could not be applied and wait for a decision."""
    untold: int
    """Changes that subscribers were not told of yet."""
    drift: list[Drift]
    """The last reconciliations."""
    redis: bool
    """Whether Redis answers."""
    redis_state: Literal["ok", "refusing", "away"]
    """The circuit breaker of Redis."""
    redis_reason: str
    """Why Redis is avoided; null if it is not."""
    answers: Layers
    """The cache of answers of this process."""
    sessions: int
    """The sessions that this process remembers."""


class Readiness(Struct, frozen=True):
    """The sources of a process's readiness."""

    checks: HealthChecks
    admission: Admission
    draining: Draining


@get(
    "/api/health/live",
    policy=Policy(roles=ANYBODY, limit="none", conditional=False),
    operation_id="getLiveness",
    summary="Is the process alive?",
    tags=["Health"],
)
async def live() -> dict[str, str]:
    """Liveness probe: answers as long as the process can answer anything."""
    return {"status": "ok"}


@get(
    "/api/health/ready",
    policy=Policy(roles=ANYBODY, limit="none", conditional=False),
    operation_id="getReadiness",
    summary="Can it serve?",
    tags=["Health"],
    responses=answers(Ready, "The process can serve.")
    | answers(Ready, "It cannot serve; the reasons say why.", status=503),
)
async def ready(readiness: Injected[Readiness]) -> Response[bytes]:
    """Readiness probe: 503 without Postgres and while the process shuts down. Anything else that is unhealthy gives
    `degraded` with 200, because the process still serves. Answers within a second, whatever hangs."""
    found = await readiness.checks.examine()
    upstreams = [_upstream(each) for each in readiness.admission.availabilities()]
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


def _upstream(availability: UpstreamAvailability) -> UpstreamHealth:
    return UpstreamHealth(
        upstream=availability.upstream,
        state=availability.state,
        since=availability.since,
        retry_at=availability.retry_at,
        reason=availability.reason or None,
    )


@get(
    "/api/health/services/cache",
    policy=Policy(roles=ANYBODY, limit="internal", conditional=False),
    operation_id="getCacheHealth",
    summary="Are change events arriving?",
    tags=["Health"],
    responses=answers(CacheHealth, "Feeds, inbox, drift, caches."),
)
async def cache(cache_health: Injected[SingleFlight[CacheHealth]]) -> Response[bytes]:
    """Every change feed with its state and the age of its last answer, the size of the inbox, the number of parked
    changes, and the drift that the last reconciliation found. A dead feed shows a growing age and never looks up to
    date. 503 when this cannot be determined within a second."""
    return _json(await cache_health.result(), 200)


async def cache_health(context: Context, pool: asyncpg.Pool, checks: HealthChecks, layers: FastLayers) -> CacheHealth:
    """Measure feeds, inbox and caches, once for all concurrent callers.

    Raises:
        Unavailable: it cannot be determined in time.
    """
    settings = context.settings
    feeds = (settings.salesforce_channel, settings.salesforce_eligibility_topic)
    examined, found, answered, _ = await asyncio.gather(
        checks.examine(),
        within(CHECK_SECONDS, measure(pool, feeds)),
        within(CHECK_SECONDS, redis_state(context.redis)),
        within(CHECK_SECONDS, layers.lease.held()),
    )
    redis = answered or AWAY
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
        answers=layers.cache.layers(),
        sessions=len(layers.sessions),
    )


def _json(body: Any, status: int) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


ROUTES = (live, ready, cache)
