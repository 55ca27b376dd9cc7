"""The shared breaker state of all processes, in Postgres, over a connection of its own.

A process that opens or closes a breaker records that and notifies the others, which also poll once a second. An
admitted call that is answered writes nothing. While Postgres is away or read-only every breaker works alone, and
changes are recorded later.

Reads and writes: read_model.upstreams, read_model.outages.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from time import monotonic
from typing import Any

import asyncpg
import structlog

from app import tasks
from app.clock.recovery import MOST_OUTAGES
from app.db import is_outage
from app.integrations.admission.breaker import Breaker, UpstreamAvailability
from app.integrations.admission.upstream_admission import PROBE_SECONDS

CHANNEL = "portal_upstreams"
LOOK_SECONDS = 1.0
STATEMENT_SECONDS = 1.0
USED_SECONDS = 5.0
"""A process that called an upstream within this time counts as sharing its budget."""
NAME = "portal-admission"

_ROWS = """
SELECT upstream, state, since, retry_at, failures, version,
       coalesce(reason, '') AS reason, coalesce(error, '') AS error,
       coalesce(greatest(extract(epoch FROM retry_at - clock_timestamp()), 0), 0)::float8 AS retry_in,
       coalesce(greatest(extract(epoch FROM probe_until - clock_timestamp()), 0), 0)::float8 AS probe_in
FROM read_model.upstreams
"""
_OPEN = """
INSERT INTO read_model.upstreams AS u (upstream, state, since, retry_at, failures, reason, error)
VALUES ($1, 'open', clock_timestamp(), clock_timestamp() + $2 * interval '1 second', $3, $4, $5)
ON CONFLICT (upstream) DO UPDATE
SET state = 'open', since = CASE u.state WHEN 'closed' THEN excluded.since ELSE u.since END,
    retry_at = CASE u.state WHEN 'open' THEN greatest(u.retry_at, excluded.retry_at) ELSE excluded.retry_at END,
    probe_until = NULL, failures = excluded.failures, reason = excluded.reason, error = excluded.error,
    version = u.version + 1, updated_at = clock_timestamp()
RETURNING version, pg_notify('portal_upstreams', upstream)
"""
_CLOSE = f"""
WITH ended AS (
    INSERT INTO read_model.outages (upstream, reason, began_at)
    SELECT upstream, coalesce(reason, 'outage'), since FROM read_model.upstreams
    WHERE upstream = $1 AND state <> 'closed'
), forgotten AS (
    DELETE FROM read_model.outages WHERE upstream = $1 AND id <= (
        SELECT id FROM read_model.outages WHERE upstream = $1 ORDER BY id DESC OFFSET {MOST_OUTAGES - 1} LIMIT 1)
)
UPDATE read_model.upstreams
SET state = 'closed', since = clock_timestamp(), retry_at = NULL, probe_until = NULL, failures = 0, reason = NULL,
    error = NULL, version = version + 1, updated_at = clock_timestamp()
WHERE upstream = $1 AND state <> 'closed'
RETURNING version, pg_notify('portal_upstreams', upstream)
"""
_OUTAGES = """
SELECT upstream, reason, array_agg(extract(epoch FROM ended_at - began_at)::float8) AS seconds
FROM read_model.outages GROUP BY upstream, reason
"""
_CLAIM = """
UPDATE read_model.upstreams
SET state = 'half_open', probe_until = clock_timestamp() + $2 * interval '1 second', version = version + 1,
    updated_at = clock_timestamp()
WHERE upstream = $1 AND ((state = 'open' AND retry_at <= clock_timestamp())
                         OR (state = 'half_open' AND probe_until <= clock_timestamp()))
RETURNING version
"""
_SHARERS = """
SELECT application_name FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'portal-admission %' AND pid <> pg_backend_pid()
"""

log = structlog.get_logger()


class Board:
    """The connection of one process to the shared state."""

    def __init__(self, database_url: str, upstreams: Mapping[str, Breaker]) -> None:
        self._url, self._upstreams = database_url, upstreams
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()
        self._woken, self._looked = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._measured: set[tuple[str, int]] | None = None
        for breaker in upstreams.values():
            breaker.claims = self

    async def open(self) -> None:
        """Begin to poll and record, until `close`. Returns after the first poll, or after a second without one."""
        self._task = asyncio.create_task(self._keep_working())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STATEMENT_SECONDS):
                await self._looked.wait()

    async def close(self) -> None:
        """Stop polling and close the connection."""
        await tasks.end(self._task)

    def changed(self) -> None:
        """Record that a breaker of this process opened or closed."""
        self._woken.set()

    async def claim(self, breaker: Breaker) -> bool | None:
        """Try to become the process that probes the upstream.

        None if Postgres cannot be asked: then each process probes.
        """
        try:
            async with asyncio.timeout(2 * STATEMENT_SECONDS), self._lock:
                if (connection := self._connection) is None:
                    return None
                if breaker.unsaved:
                    await self._save(connection, breaker)
                version = await connection.fetchval(_CLAIM, breaker.upstream, PROBE_SECONDS, timeout=STATEMENT_SECONDS)
                if version is not None:
                    breaker.version = version
                    return True
                await self._poll(connection)
                return False
        except Exception as error:
            log.warning("breaker_claimed_alone", upstream=breaker.upstream, error=repr(error))
            return None

    async def _keep_working(self) -> None:
        while True:
            try:
                await self._work()
            except Exception as error:
                if not is_outage(error):
                    log.warning("admission_works_alone", error=repr(error))
            finally:
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
            await asyncio.sleep(LOOK_SECONDS)

    async def _work(self) -> None:
        self._connection = connection = await asyncpg.connect(
            self._url, timeout=5, command_timeout=STATEMENT_SECONDS, server_settings={"application_name": NAME}
        )
        await connection.add_listener(CHANNEL, self._on_notification)
        while True:
            async with self._lock:
                await self._record(connection)
                await self._poll(connection)
                await self._share(connection)
            self._looked.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
            self._woken.clear()

    def _on_notification(self, connection: Any, pid: int, channel: str, payload: object) -> None:
        self._woken.set()

    async def _record(self, connection: asyncpg.Connection) -> None:
        for breaker in self._upstreams.values():
            if breaker.unsaved:
                try:
                    await self._save(connection, breaker)
                except asyncpg.PostgresError as error:  # read-only, for instance: recorded with the next poll
                    log.warning("breaker_not_told", upstream=breaker.upstream, error=repr(error))

    async def _save(self, connection: asyncpg.Connection, breaker: Breaker) -> None:
        availability = breaker.availability()
        breaker.unsaved = False
        try:
            if availability.state == "closed":
                version = await connection.fetchval(_CLOSE, breaker.upstream)
            else:
                values = (breaker.retry_in_seconds(), availability.failures, availability.reason, availability.error)
                version = await connection.fetchval(_OPEN, breaker.upstream, *values)
        except BaseException:
            breaker.unsaved = True
            raise
        breaker.version = version or breaker.version

    async def _poll(self, connection: asyncpg.Connection) -> None:
        rows = {row["upstream"]: row for row in await connection.fetch(_ROWS)}
        await self._measure(connection, {(name, row["version"]) for name, row in rows.items()})
        for name, breaker in self._upstreams.items():
            row = rows.get(name)
            if breaker.unsaved or (breaker.version == row["version"] if row else breaker.state == "closed"):
                continue
            if row is None:  # the row was deleted: start over
                breaker.adopt(breaker.available(), 0, 0.0, 0.0)
                continue
            fields = {field: row[field] for field in UpstreamAvailability.__struct_fields__}
            breaker.adopt(UpstreamAvailability(**fields), row["version"], row["retry_in"], row["probe_in"])

    async def _measure(self, connection: asyncpg.Connection, versions: set[tuple[str, int]]) -> None:
        """Learn how long outages lasted, when a breaker has changed since they were last read."""
        if versions == self._measured:
            return
        found = await connection.fetch(_OUTAGES)
        for name, breaker in self._upstreams.items():
            breaker.outages = {row["reason"]: row["seconds"] for row in found if row["upstream"] == name}
        self._measured = versions

    async def _share(self, connection: asyncpg.Connection) -> None:
        """Count the processes that call each upstream; each lists in its connection's name which ones it calls."""
        now = monotonic()
        used = [name for name, breaker in self._upstreams.items() if now - breaker.budget.used_at < USED_SECONDS]
        await connection.execute("SELECT set_config('application_name', $1, false)", " ".join([NAME, *used]))
        others = [set(row["application_name"].split()) for row in await connection.fetch(_SHARERS)]
        for name, breaker in self._upstreams.items():
            breaker.budget.sharers = 1 + sum(name in each for each in others)
