"""Retry-After is measured: how long an upstream's recent outages lasted, known to every process."""

import asyncio

import asyncpg
import pytest

from app.clock.recovery import MOST_OUTAGES
from app.errors import UpstreamError
from app.integrations.admission import pauses
from tests.integrations.admission.test_board import FINE, Process, hammer, processes, until
from tests.integrations.scripted import Reply, Upstream

__all__ = ["processes"]

_PAST = """
INSERT INTO read_model.outages (upstream, reason, began_at, ended_at)
SELECT $1, $2, at, at + $3 * interval '1 second' FROM (SELECT now() - interval '1 day' + n * interval '1 minute' AS at
                                                      FROM generate_series(1, $4) AS n) AS past
"""


async def told(process: Process) -> int:
    error = await process.ask()
    assert isinstance(error, UpstreamError)
    assert error.told_seconds is not None
    return error.told_seconds


async def test_what_customers_are_told_follows_from_the_outages_before(
    processes: list[Process], pool: asyncpg.Pool, upstream: Upstream
) -> None:
    await pool.execute(_PAST, "whmcs", "outage", 600.0, 5)
    await pool.execute(_PAST, "whmcs", "auth", 30_000.0, 20)
    await pool.execute(_PAST, "whm", "outage", 30_000.0, 20)
    upstream.will(Reply("", status=503))
    await hammer(processes[:1], 0.5)
    await until(lambda: all(process.gate.state != "closed" and process.gate.outages for process in processes))
    for process in processes:
        assert 450 <= await told(process) <= 720
        error = await process.ask()
        assert error is not None
        assert error.retry_after_seconds is not None
        assert error.retry_after_seconds < 60, "what calls it in the background tries with the next probe"


async def test_an_outage_is_measured_when_it_ends(
    processes: list[Process], pool: asyncpg.Pool, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.2)
    await pool.execute(_PAST, "whmcs", "outage", 1_000.0, MOST_OUTAGES)
    upstream.will(Reply("", status=503))
    await hammer(processes[:1], 0.5)
    await until(lambda: not processes[0].gate.unsaved)
    upstream.will(Reply(FINE))
    async with asyncio.timeout(20):
        while await processes[0].ask() is not None:
            await asyncio.sleep(0.05)
    await until(lambda: any(each < 100 for each in processes[1].gate.outages.get("outage", ())))
    kept = await pool.fetchrow(
        "SELECT count(*) AS most, min(ended_at - began_at) < interval '100 seconds' AS measured "
        "FROM read_model.outages WHERE upstream = 'whmcs'"
    )
    assert kept is not None
    assert dict(kept) == {"most": MOST_OUTAGES, "measured": True}
