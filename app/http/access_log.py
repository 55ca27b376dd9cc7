"""Log lines and metrics of the answers that the fast lane gives: noted in passing, written many at a time.

The lines are those of `app/http/frame.py`. A process that is killed loses those of the last `FLUSH_SECONDS`.
"""

import asyncio
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import msgspec
import structlog
from msgspec import Struct

from app.http.frame import REQUESTS, SECONDS
from app.settings import Settings

FLUSH_SECONDS = 0.2
MOST_LINES = 200
"""Written at once: few enough that nobody waits for it."""
Line = tuple[str, str, int, float, float]
"""(request id, route, status, seconds it took, when it ended as seconds since the epoch)."""

log = structlog.get_logger()


class _Line(Struct):
    route: str
    status: int
    duration_ms: float
    request_id: str
    timestamp: datetime
    method: str = "GET"
    event: str = "http_request"
    level: str = "info"


_ENCODER = msgspec.json.Encoder()


class AccessLog:
    """What was answered since the last flush."""

    def __init__(self, settings: Settings) -> None:
        self._lines: list[Line] = []
        self._written = settings.log_level.lower() in ("debug", "info")
        self._as_json = settings.log_format == "json" and structlog.is_configured()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to write now and then."""
        self._task = asyncio.create_task(self._flush_for_ever())

    async def close(self) -> None:
        """Write the rest."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
        self.flush()

    def note(self, request_id: str, route: str, status: int, seconds: float) -> None:
        """One answer."""
        self._lines.append((request_id, route, status, seconds, time.time()))
        if len(self._lines) >= MOST_LINES:
            self.flush()

    def flush(self) -> None:
        """Write and count what was noted."""
        lines, self._lines = self._lines, []
        for (route, status), count in Counter((route, status) for _, route, status, _, _ in lines).items():
            REQUESTS.labels("GET", route, status).inc(count)
        by_route = {route: SECONDS.labels("GET", route) for route in {line[1] for line in lines}}
        for _, route, _, seconds, _ in lines:
            by_route[route].observe(seconds)
        if self._written and lines:
            self._write(lines)

    def _write(self, lines: list[Line]) -> None:
        if not self._as_json:
            for request_id, route, status, seconds, _ in lines:
                took_ms = round(seconds * 1000, 2)
                log.info(
                    "http_request", method="GET", route=route, status=status, duration_ms=took_ms, request_id=request_id
                )
            return
        shown = [
            _Line(route, status, round(seconds * 1000, 2), request_id, datetime.fromtimestamp(ended_at, UTC))
            for request_id, route, status, seconds, ended_at in lines
        ]
        sys.stderr.write(_ENCODER.encode_lines(shown).decode())
        sys.stderr.flush()

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self.flush()
