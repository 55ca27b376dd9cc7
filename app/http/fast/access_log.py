"""Log lines and metrics of the answers that the fast path gives, collected and written many at a time.

The lines are those of `app/http/middleware/request_context.py`. A process that is killed loses those of the last
`FLUSH_SECONDS`.
"""

import asyncio
import sys
import time
from collections import Counter

import structlog

from app import tasks
from app.http.middleware.request_context import REQUESTS, SECONDS
from app.http.versions import usage
from app.http.versions.usage import VersionUse
from app.settings import Settings

FLUSH_SECONDS = 0.2
MOST_LINES = 200
"""The size of a batch, small enough that no request is delayed by writing it."""
LogLine = tuple[str, str, int, float, float, VersionUse]
"""(request id, route, status, duration in seconds, end as seconds since the epoch, version and ending operation)."""

log = structlog.get_logger()


_JSON = (
    '{"route":"%s","status":%d,"duration_ms":%.2f,"request_id":"%s","timestamp":"%s.%06dZ",'
    '"method":"GET","event":"http_request","level":"info"}\n'
)
"""Neither a route's template nor an id has a character that JSON would escape."""


class AccessLog:
    """The answers since the last flush."""

    def __init__(self, settings: Settings) -> None:
        self._lines: list[LogLine] = []
        self._written = settings.log_level.lower() in ("debug", "info")
        self._second, self._time = 0, ""
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start to flush periodically."""
        self._task = asyncio.create_task(self._flush_periodically())

    async def close(self) -> None:
        """Stop, and flush the rest."""
        await tasks.end(self._task)
        self.flush()

    def note(self, request_id: str, route: str, status: int, seconds: float, ended_at: float, used: VersionUse) -> None:
        """Add one answer."""
        self._lines.append((request_id, route, status, seconds, ended_at, used))
        if len(self._lines) >= MOST_LINES:
            self.flush()

    def flush(self) -> None:
        """Count and write the collected answers."""
        lines, self._lines = self._lines, []
        for (route, status), count in Counter([(line[1], line[2]) for line in lines]).items():
            REQUESTS.labels("GET", route, status).inc(count)
        for used, count in Counter([line[5] for line in lines]).items():
            usage.count(used, count)
        for route in {line[1] for line in lines}:
            SECONDS.note("GET", route, [line[3] for line in lines if line[1] == route])
        if self._written and lines:
            self._write(lines)

    def _write(self, lines: list[LogLine]) -> None:
        processors = structlog.get_config()["processors"]
        if processors and isinstance(processors[-1], structlog.processors.JSONRenderer):
            sys.stderr.write("".join([self._rendered(*line[:5]) for line in lines]))
            sys.stderr.flush()
            return
        for request_id, route, status, seconds, _, _ in lines:
            took_ms = round(seconds * 1000, 2)
            log.info(
                "http_request", method="GET", route=route, status=status, duration_ms=took_ms, request_id=request_id
            )

    def _rendered(self, request_id: str, route: str, status: int, seconds: float, ended_at: float) -> str:
        second = int(ended_at)
        if second != self._second:
            self._second, self._time = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        part = int((ended_at - second) * 1_000_000)
        return _JSON % (route, status, seconds * 1000, request_id, self._time, part)

    async def _flush_periodically(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.flush()
