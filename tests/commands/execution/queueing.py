"""Outages for tests of the queue: the breaker of an upstream is open for every process, until it is back."""

import asyncio
from typing import Any

import httpx

from app.processes import queued_commands
from tests.commands.conftest import Desk

PROFILE = "/api/account/profile"

_OPEN = """
INSERT INTO read_model.upstreams (upstream, state, retry_at, reason, error, version)
VALUES ($1, 'open', now() + interval '1 hour', 'outage', 'away in a test', 1)
ON CONFLICT (upstream) DO UPDATE SET state = 'open', since = now(), retry_at = excluded.retry_at, reason = 'outage',
    version = read_model.upstreams.version + 1
"""
_CLOSE = """
UPDATE read_model.upstreams SET state = 'closed', since = clock_timestamp(), retry_at = NULL, reason = NULL,
    version = version + 1 WHERE upstream = $1
"""


async def away(desk: Desk, api: httpx.AsyncClient, upstream: str = "whmcs") -> None:
    """Nobody calls the upstream any longer, and every process knows."""
    await desk.pool.execute(_OPEN, upstream)
    await known(desk, api, upstream, "open")


async def back(desk: Desk, api: httpx.AsyncClient, upstream: str = "whmcs") -> None:
    """The upstream answers again, and every process knows."""
    await desk.pool.execute(_CLOSE, upstream)
    await known(desk, api, upstream, "closed")


async def known(desk: Desk, api: httpx.AsyncClient, upstream: str, state: str) -> None:
    gate = desk.resources.admission.upstreams[upstream]
    async with asyncio.timeout(60):
        while gate.state != state or await _seen(api, upstream) != state:
            await asyncio.sleep(0.1)


async def _seen(api: httpx.AsyncClient, upstream: str) -> Any:
    found = (await api.get("/api/health/ready")).json()["upstreams"]
    return next((each["state"] for each in found if each["upstream"] == upstream), None)


async def worked(desk: Desk) -> None:
    """The workers run what is due, and everything shows."""
    await queued_commands.run_due(desk.context)
    await desk.settle()


async def due(desk: Desk) -> None:
    """The pause before the next attempt has passed."""
    await desk.pool.execute("UPDATE portal.queued_commands SET next_attempt_at = now()")


async def written(desk: Desk, operation: str) -> list[dict[str, Any]]:
    """Calls of one kind that reached WHMCS, in order."""
    return [each for each in await desk.sandbox.calls("whmcs") if each["operation"] == operation]
