"""Health and metrics. Terse, because anybody may ask."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
from litestar import Request, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from app.commands.context import Context
from app.ingest.metrics import Metrics


@get("/api/health/live", summary="Is the process alive?", tags=["Health"])
async def live() -> dict[str, str]:
    """Answers while the process can answer anything."""
    return {"status": "ok"}


@get("/api/health/ready", summary="Can it serve?", tags=["Health"])
async def ready(request: Request[Any, Any, Any]) -> Response[bytes]:
    """503 without Postgres. Without Redis it serves, slower."""
    context: Context = request.app.state.context
    postgres, redis = await _postgres(context), await _redis(context)
    body = {"status": "ok" if postgres else "unavailable", "postgres": postgres, "redis": redis}
    return _json(body, 200 if postgres else 503)


@get("/api/health/services/cache", summary="Are change events arriving?", tags=["Health"])
async def cache(request: Request[Any, Any, Any]) -> Response[bytes]:
    """When each change feed last answered, and how much of the inbox is not applied yet. A dead feed grows old here."""
    context: Context = request.app.state.context
    feeds = await context.pool.fetch("SELECT feed, as_of FROM read_model.feeds ORDER BY feed")
    waiting, oldest = await context.pool.fetchrow(
        "SELECT count(*), min(received_at) FROM ingest.inbox WHERE settled_at IS NULL"
    )
    now = datetime.now(UTC)
    body = {
        "feeds": [
            {"feed": row["feed"], "last_answer_age_seconds": round((now - row["as_of"]).total_seconds(), 1)}
            for row in feeds
        ],
        "inbox": {"waiting": waiting, "oldest_age_seconds": round((now - oldest).total_seconds(), 1) if oldest else 0},
        "parked": await context.pool.fetchval("SELECT count(*) FROM ingest.dead_letters WHERE resolved_at IS NULL"),
        "redis": await _redis(context),
    }
    return _json(body, 200)


@get("/metrics", summary="Prometheus metrics", include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Everything this process counts, and how far behind the portal is."""
    measures: Metrics = request.app.state.metrics
    return Response(generate_latest() + await measures.text(), media_type=CONTENT_TYPE_LATEST)


async def _postgres(context: Context) -> bool:
    try:
        return bool(await context.pool.fetchval("SELECT true", timeout=2))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        return False


async def _redis(context: Context) -> bool:
    try:
        return bool(await context.redis.ping())  # type: ignore[misc]
    except RedisError:
        return False


def _json(body: Any, status: int) -> Response[bytes]:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


ROUTES = (live, ready, cache, metrics)
