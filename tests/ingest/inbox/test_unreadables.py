"""Unreadable values are counted by every process, written down, and shown."""

import asyncpg
import pytest

from app.cli.operators.lag import Lag, _shown
from app.ingest.inbox import unreadables
from app.ingest.lag.measure import measure
from app.ingest.lag.metrics import rendered
from app.intake import unreadable


@pytest.fixture(autouse=True)
def nothing_counted():
    unreadable.taken()
    yield
    unreadable.taken()


async def test_counts_add_up_over_processes_and_are_shown(pool: asyncpg.Pool) -> None:
    for record_id in ("7", "8"):
        unreadable.note("whmcs", "service", "nextduedate", record_id)
        unreadable.note("whmcs", "invoice", "record", "12")
        assert await unreadables.save(pool) == 2
    assert await unreadables.save(pool) == 0
    measured = await measure(pool, [])
    counted = {(each.object, each.field): (each.count, each.record_id) for each in measured.unreadables}
    assert counted == {("service", "nextduedate"): (2, "8"), ("invoice", "record"): (2, "12")}
    metric = b'portal_unreadable_fields_total{field="nextduedate",object="service",source="whmcs"} 2.0'
    assert metric in rendered(measured)
    _shown(Lag(status="ok", concerns=[], measures=measured, latencies=[], upstreams=[]), 15)


async def test_what_could_not_be_written_down_is_counted_again(pool: asyncpg.Pool) -> None:
    unreadable.note("whmcs", "service", "nextduedate", "7")
    await pool.execute("ALTER TABLE ingest.unreadables RENAME TO elsewhere")
    try:
        with pytest.raises(asyncpg.UndefinedTableError):
            await unreadables.save(pool)
    finally:
        await pool.execute("ALTER TABLE ingest.elsewhere RENAME TO unreadables")
    unreadable.note("whmcs", "service", "nextduedate", "8")
    await unreadables.save(pool)
    assert await pool.fetchval("SELECT count FROM ingest.unreadables") == 2


async def test_a_process_that_ends_writes_down_what_it_counted(pool: asyncpg.Pool) -> None:
    async with unreadables.saved_periodically(pool):
        unreadable.note("freebit", "traffic", "today", "")
    assert await pool.fetchval("SELECT object FROM ingest.unreadables") == "traffic"
