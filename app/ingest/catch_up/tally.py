"""The result of a reconciliation: records checked, differences and failures.

Writes: ingest.drift.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import structlog
from msgspec import Struct

from app.db import is_outage
from app.errors import OutcomeUnknown, PortalError, UpstreamUnavailable

log = structlog.get_logger()


class ObjectTally(Struct, frozen=True, kw_only=True):
    """The result for one object. Records that differed were submitted to the inbox.

    Attributes:
        failed: records, pages or lists that could not be read or submitted; `error` is the last reason.
    """

    source: str
    object: str
    checked: int
    differing: int
    took_seconds: float
    failed: int = 0
    error: str | None = None


class Tally:
    """The running counts of one object. `members`: those that failed; `away`: consecutive calls the upstream did not
    answer."""

    def __init__(self, source: str, object_name: str) -> None:
        self.source, self.object = source, object_name
        self.checked = self.differing = self.failed = self.away = 0
        self.members: list[str] = []
        self.error: str | None = None
        self.started = time.monotonic()

    def note(self, member: str, error: Exception) -> None:
        """Count and log a failure."""
        self.failed += 1
        self.error = str(error) if isinstance(error, PortalError) else repr(error)
        log.warning("reconcile_failed", source=self.source, object=self.object, member=member, error=self.error)

    @contextmanager
    def isolated(self, member: str) -> Iterator[None]:
        """Count and suppress any failure of the block except a database outage."""
        try:
            yield
            self.away = 0
        except Exception as error:
            if is_outage(error):
                raise
            self.note(member, error)
            self.members.append(member)
            self.away = self.away + 1 if isinstance(error, UpstreamUnavailable | OutcomeUnknown) else 0

    async def save(self, pool: asyncpg.Pool) -> ObjectTally:
        """Save the counts; return the result."""
        await pool.execute(
            "INSERT INTO ingest.drift (source, object, checked, differing) VALUES ($1, $2, $3, $4)",
            self.source,
            self.object,
            self.checked,
            self.differing,
        )
        return ObjectTally(
            source=self.source,
            object=self.object,
            checked=self.checked,
            differing=self.differing,
            took_seconds=round(time.monotonic() - self.started, 3),
            failed=self.failed,
            error=self.error,
        )
