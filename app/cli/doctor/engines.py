"""Checks of Postgres and Redis: reachable, and as this release needs them."""

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.cache.redis_breaker import state_of
from app.cli import migrate
from app.cli.doctor.finding import Finding, Trouble, checked
from app.db import open_pool
from app.errors import TransactionPooler
from app.ingest.lag.measure import measure
from app.ingest.lag.report import concerns
from app.jobs import JOB_TIMEOUT_SECONDS, damaged_keys
from app.pooler import refuse_transaction_pooler
from app.settings import Settings

CONNECT_SECONDS = 5
REFUSING = (
    "Check its memory (maxmemory), its replicas (min-replicas-to-write, REPLICAOF), its disk and its users. Until "
    "then the portal runs without it, slower."
)
OLDEST_POSTGRES = 14


async def postgres(settings: Settings) -> Finding:
    """Check that it is reachable, new enough, and migrated to this release's revision."""

    async def look() -> str:
        connection = await asyncpg.connect(settings.database_url, timeout=CONNECT_SECONDS)
        try:
            version = connection.get_server_version()
            if version.major < OLDEST_POSTGRES:
                raise Trouble(f"PostgreSQL {version.major} is too old", f"Upgrade to {OLDEST_POSTGRES} or newer.")
            found, wanted = await _revision(connection), migrate.head()
            if found != wanted:
                raise Trouble(
                    f"the tables are at {found or 'nothing'}, this release needs {wanted}", "Run portal migrate."
                )
            await _refuse_pooler(settings)
            return f"PostgreSQL {version.major}.{version.minor}, tables at {found}"
        finally:
            await connection.close(timeout=CONNECT_SECONDS)

    return await checked("engines", "postgres", look, "Start it, and check DATABASE_URL.")


async def _refuse_pooler(settings: Settings) -> None:
    try:
        await refuse_transaction_pooler(settings.database_url)
    except TransactionPooler as error:
        advice = "Have DATABASE_URL name Postgres itself, or set the pooler to session mode (pool_mode = session)."
        raise Trouble("a pooler in transaction mode is in front of Postgres, so locks do not hold", advice) from error


async def redis(settings: Settings) -> Finding:
    """Check that it is reachable and writable."""

    async def look() -> str:
        client = Redis.from_url(
            settings.redis_url, socket_timeout=CONNECT_SECONDS, socket_connect_timeout=CONNECT_SECONDS
        )
        try:
            await client.set("portal:doctor", "1", ex=10)
            version = (await client.info("server"))["redis_version"]
            if damaged := [key for kind in JOB_TIMEOUT_SECONDS for key in await damaged_keys(client, kind)]:
                raise Trouble(f"damaged queue keys: {', '.join(damaged)}", "Start portal worker, which deletes them.")
        except RedisError as error:
            state = state_of(error)
            if state is None or state.state == "away":
                raise
            raise Trouble(f"it answers and refuses to write ({state.reason}): {error}", REFUSING) from error
        finally:
            await client.aclose()
        return f"Redis {version}"

    advice = "Start it, and check REDIS_URL. Until then the portal answers, slower, and counts rate limits per process."
    return await checked("engines", "redis", look, advice)


async def arriving(settings: Settings) -> Finding:
    """Check that change events arrive and are applied: the short form of `portal lag`."""

    async def look() -> str:
        pool = await open_pool(settings.database_url, size=1)
        try:
            feeds = (settings.salesforce_channel, settings.salesforce_eligibility_topic)
            found = await measure(pool, feeds)
        finally:
            await pool.close()
        if sentences := list(concerns(found)):
            raise Trouble(
                " ".join(sentences),
                "Check that `portal cdc` is running. `portal lag` and docs/operations.md have the details.",
            )
        return ", ".join(f"{feed.feed} is {feed.state}" for feed in found.feeds)

    return await checked("changes", "feeds", look, "Run `portal lag` for details.")


async def _revision(connection: asyncpg.Connection) -> str | None:
    try:
        revision: str | None = await connection.fetchval("SELECT version_num FROM portal_migrations")
    except asyncpg.UndefinedTableError:
        return None
    return revision
