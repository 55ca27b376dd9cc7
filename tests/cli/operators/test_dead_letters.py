"""`portal dead-letters`, `explain` and `lag` as an operator sees them."""

import json
from typing import Any

import asyncpg
import pytest

from tests.fixtures.changes import INVOICE, change
from tests.ingest.poisoned import Pipeline


@pytest.fixture
async def parked(pool: asyncpg.Pool) -> Pipeline:
    """One parked invoice, and a later change of it that waits."""
    pipeline = Pipeline(pool)
    await pipeline.park(change("whmcs", "invoice", "77", {**INVOICE, "note": "poison", "email": "taro@example.jp"}))
    await pipeline.inbox.submit([change("whmcs", "invoice", "77", INVOICE, at=1)])
    return pipeline


def answered(told: Any) -> Any:
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


async def test_dead_letters_are_listed_shown_and_retried(portal: Any, parked: Pipeline) -> None:
    (letter,) = answered(portal("dead-letters", "list", "--json"))["dead_letters"]
    assert (letter["record_id"], letter["waiting"], letter["attempts"]) == ("77", 1, 5)
    assert answered(portal("dead-letters", "--json"))["dead_letters"] == [letter]
    told = portal("dead-letters")
    assert "whmcs invoice 77" in told.stdout
    assert "taro@example.jp" not in told.stdout
    shown = portal("dead-letters", "show", "1")
    assert "Poisoned" in shown.stdout
    assert "taro@example.jp" not in shown.stdout
    assert "taro@example.jp" in portal("dead-letters", "show", "1", "--reveal").stdout
    told = portal("dead-letters", "retry", "--all", "--wait", "0.1", "--json")
    assert answered(told) == {"retried": [1], "already_resolved": [], "read_again": False}
    told = portal("dead-letters", "retry", "1", "--json")
    assert answered(told) == {"retried": [], "already_resolved": [1], "read_again": True}
    rows = await parked.pool.fetch("SELECT action, detail ->> 'operator' AS name FROM portal.audit ORDER BY id")
    assert [row["action"] for row in rows] == ["dead_letter.reveal", "dead_letter.retry"]
    assert all(row["name"] for row in rows)
    assert "No dead letters." in portal("dead-letters").stdout


async def test_discarding_needs_a_reason_and_keeps_it(portal: Any, parked: Pipeline) -> None:
    assert portal("dead-letters", "discard", "1").returncode == 2
    assert "1 discarded: 1." in portal("dead-letters", "discard", "1", "--reason", "never real").stdout
    assert await parked.pool.fetchval("SELECT detail ->> 'reason' FROM portal.audit") == "never real"
    assert "discarded" in portal("dead-letters", "list", "--resolved").stdout


async def test_an_unknown_dead_letter_is_said_in_a_sentence(portal: Any, parked: Pipeline) -> None:
    for arguments in (("show", "9"), ("retry", "9")):
        told = portal("dead-letters", *arguments)
        assert told.returncode == 1
        assert "There is no dead letter 9" in told.stderr
        assert "Traceback" not in told.stderr
    assert portal("dead-letters", "retry").returncode == 2


async def test_explain_shows_the_tree_and_what_is_odd(portal: Any, parked: Pipeline) -> None:
    told = portal("explain", "invoices", "77")
    assert told.returncode == 0, told.stderr
    assert "is parked since" in told.stdout
    assert "#1 full by cdc" in told.stdout
    found = answered(portal("explain", "invoices", "77", "--json"))
    assert [entry["id"] for entry in found["sources"][0]["entries"]] == [1, 2]
    refused = portal("explain", "invoces", "77")
    assert refused.returncode == 2
    assert "invoices" in refused.stderr


async def test_lag_names_what_is_behind_and_a_feed_that_was_never_heard(portal: Any, parked: Pipeline) -> None:
    found = answered(portal("lag", "--json"))
    assert found["status"] == "degraded"
    assert found["measures"]["dead_letters"]["count"] == 1
    assert {feed["state"] for feed in found["measures"]["feeds"]} == {"never"}
    told = portal("lag")
    assert told.returncode == 0, told.stderr
    assert "has never answered" in told.stdout
    assert "degraded" in told.stdout


async def test_lag_and_doctor_name_an_upstream_that_nobody_calls(portal: Any, pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO read_model.upstreams (upstream, state, retry_at, reason, error) "
        "VALUES ('whmcs', 'open', now() + interval '10 minutes', 'limit', 'HTTP 429')"
    )
    found = answered(portal("lag", "--json"))
    whmcs = next(each for each in found["upstreams"] if each["upstream"] == "whmcs")
    assert (found["status"], whmcs["state"], whmcs["reason"], whmcs["error"]) == (
        "degraded",
        "open",
        "limit",
        "HTTP 429",
    )
    assert any(
        "Calls to whmcs are suspended" in sentence and "asked us to wait" in sentence for sentence in found["concerns"]
    )
    assert "HTTP 429" in portal("lag").stdout
    checks = json.loads(portal("doctor", "--json").stdout)["checks"]
    breakers = next(each for each in checks if each["check"] == "breakers")
    assert (breakers["status"], "whmcs" in breakers["detail"]) == ("failed", True)
