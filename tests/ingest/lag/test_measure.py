"""Lag in time and in count, in which a dead feed never looks like zero."""

import re
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.ingest.lag.latency import latencies
from app.ingest.lag.measure import measure
from app.ingest.lag.metrics import Metrics, rendered
from app.ingest.lag.report import Measures, concerns
from tests.fixtures.changes import change
from tests.ingest.poisoned import Pipeline

FEED = "/data/Portal__chn"


@pytest.fixture
def pipeline(pool: asyncpg.Pool) -> Pipeline:
    return Pipeline(pool)


async def heard(pool: asyncpg.Pool, age_seconds: int, state: str = "live") -> None:
    await pool.execute(
        "INSERT INTO read_model.feeds (feed, as_of, state, last_event_at, error) "
        "VALUES ($1, now() - $2 * interval '1 second', $3, now() - interval '1 day', 'unreachable')",
        FEED,
        age_seconds,
        state,
    )


def value(text: bytes, name: str) -> float | None:
    """Return a sample of the text format by its name with labels."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text.decode(), re.M)
    return float(found[1]) if found else None


async def look(pool: asyncpg.Pool) -> tuple[Measures, list[str], bytes]:
    measured = await measure(pool, [FEED])
    return measured, list(concerns(measured)), rendered(measured)


async def test_a_feed_that_never_answered_is_named_and_infinitely_old(pool: asyncpg.Pool) -> None:
    """Lesson: a dead marker or a stopped feed reads as zero lag."""
    measured, found, text = await look(pool)
    assert [(feed.feed, feed.state, feed.age_seconds) for feed in measured.feeds] == [(FEED, "never", None)]
    assert any("never answered" in sentence for sentence in found)
    assert value(text, f'portal_feed_age_seconds{{feed="{FEED}"}}') == float("inf")


async def test_a_feed_that_fell_silent_grows_old_though_nothing_waits(pool: asyncpg.Pool) -> None:
    """Lesson: a silent stall, socket open, probes green, nothing arrives for a day."""
    await heard(pool, 86_400)
    measured, found, text = await look(pool)
    assert [lane.open for lane in measured.lanes] == [0, 0]
    assert any("has not answered" in sentence for sentence in found)
    age = value(text, f'portal_feed_age_seconds{{feed="{FEED}"}}')
    assert age is not None
    assert 86_400 <= age < 86_500


async def test_an_idle_feed_that_answers_is_well_and_a_stalled_one_is_not(pool: asyncpg.Pool) -> None:
    await heard(pool, 100)
    assert (await look(pool))[1] == []
    await pool.execute("UPDATE read_model.feeds SET state = 'stalled'")
    assert (await look(pool))[1] == [f"The feed {FEED} is stalled: unreachable."]


async def test_a_feed_that_never_brought_an_event_does_not_seem_to_have_brought_one_just_now(
    pool: asyncpg.Pool,
) -> None:
    await heard(pool, 1)
    await pool.execute("UPDATE read_model.feeds SET last_event_at = NULL")
    measured, _, text = await look(pool)
    assert [(feed.last_event_age_seconds, feed.position_age_seconds) for feed in measured.feeds] == [(None, None)]
    assert b"feed_last_event_age_seconds{" not in text


async def test_lag_is_measured_in_count_and_in_time_and_parked_records_apart(pipeline: Pipeline) -> None:
    await heard(pipeline.pool, 1)
    await pipeline.park(change("whmcs", "invoice", "1", {"note": "poison"}))
    await pipeline.pool.execute("UPDATE ingest.inbox SET received_at = now() - interval '9 hours'")
    measured, found, text = await look(pipeline.pool)
    assert [(lane.lane, lane.open, lane.oldest_seconds) for lane in measured.lanes] == [
        ("apply", 1, 0.0),
        ("fetch", 0, 0.0),
    ]
    assert measured.dead_letters.count == 1
    assert [sentence for sentence in found if "dead letters" in sentence] == found
    await pipeline.inbox.submit([change("whmcs", "invoice", str(number), {}) for number in range(2, 40)])
    await pipeline.pool.execute("UPDATE ingest.inbox SET received_at = now() - interval '90 s' WHERE record_id = '2'")
    measured, found, text = await look(pipeline.pool)
    assert value(text, 'portal_inbox_open{lane="apply"}') == 39
    oldest = value(text, 'portal_inbox_oldest_open_seconds{lane="apply"}')
    assert oldest is not None
    assert 90 <= oldest < 120
    assert any("apply lane is 9" in sentence for sentence in found)


async def test_notices_drift_canary_and_generations_show(pool: asyncpg.Pool) -> None:
    await heard(pool, 1)
    await pool.execute(
        "INSERT INTO ingest.notices (account_id, slice, item_id, version, created_at) "
        "VALUES (gen_random_uuid(), 'orders', '', 1, now() - interval '2 minutes')"
    )
    await pool.execute(
        "INSERT INTO ingest.drift (source, object, checked, differing) "
        "VALUES ('whmcs', 'invoice', 100, 50), ('whmcs', 'invoice', 200, 1)"
    )
    await pool.execute(
        "INSERT INTO ingest.canaries (feed, nonce, sent_at) VALUES ($1, 'n', now() - interval '61 s')", FEED
    )
    _, found, text = await look(pool)
    assert value(text, "portal_notices_untold") == 1
    assert value(text, 'portal_drift_ratio{object="invoice",source="whmcs"}') == 0.005
    assert (
        'portal_projection_generation{generation="1",projector_version="3",slice="profiles",state="serving"} 1.0'
        in (text.decode())
    )
    assert sorted(sentence.split()[0] for sentence in found) == ["Redis", "The"]
    await pool.execute("UPDATE ingest.canaries SET seen_at = now()")
    _, found, text = await look(pool)
    assert [sentence.split()[0] for sentence in found] == ["Redis"]
    assert value(text, f'portal_canary_unseen_seconds{{feed="{FEED}"}}') == 0


async def test_scrapes_share_a_look_and_no_look_means_no_figures(pool: asyncpg.Pool, engines: tuple[str, str]) -> None:
    own = await asyncpg.create_pool(engines[0], min_size=1, max_size=1)
    metrics = Metrics(own, [FEED])
    first = await metrics.text()
    await heard(pool, 1)
    assert await metrics.text() == first
    await own.close()
    metrics._measured_at = -1e9
    text = await metrics.text()
    assert value(text, "portal_measures_up") == 0
    assert b"inbox_open" not in text


async def test_latency_is_measured_per_lane_and_origin(pipeline: Pipeline) -> None:
    await pipeline.inbox.submit([change("whmcs", "invoice", str(number), {}, origin="cdc") for number in range(10)])
    await pipeline.inbox.submit([change("whmcs", "client", "1", {}, origin="backfill")])
    await pipeline.drain()
    await pipeline.pool.execute(
        "UPDATE ingest.inbox SET occurred_at = settled_at - interval '2 s', received_at = settled_at - interval '1 s'"
    )
    await pipeline.pool.execute(
        "UPDATE ingest.inbox SET settled_at = settled_at - interval '1 day' WHERE record_id = '9'"
    )
    found: dict[str, Any] = {each.origin: each for each in await latencies(pipeline.pool, timedelta(minutes=5))}
    cdc, backfill = found["cdc"], found["backfill"]
    assert (cdc.lane, cdc.settled, cdc.last_minute) == ("apply", 9, 9)
    assert (cdc.lag_p50_seconds, cdc.wait_p99_seconds) == (2.0, 1.0)
    assert (backfill.lag_p50_seconds, backfill.wait_p50_seconds) == (None, 1.0)
