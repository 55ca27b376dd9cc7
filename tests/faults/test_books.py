"""Customers order at once while the upstreams fail at random and processes die: at the end the books balance.

`make test` lets twelve of them shop for ten seconds; `PORTAL_SHOPPERS=100 PORTAL_SHOPPING_SECONDS=60 pytest
tests/faults/test_books.py -s` is the whole of it.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from app.audit import Operator
from app.commands import fulfilment
from app.commands.fulfilment import decide
from app.resources import Resources, open_resources
from app.settings import load
from tests.faults.books import BY_HAND, Books
from tests.faults.conftest import IMPATIENT, OPEN, assert_truth, environment_of, settle
from tests.faults.shoppers import Market, shoppers
from tests.journey.conftest import Running, stack

SHOPPERS = int(os.environ.get("PORTAL_SHOPPERS", "12"))
SECONDS = float(os.environ.get("PORTAL_SHOPPING_SECONDS", "10"))
SEED = int(os.environ.get("FAULT_SEED", "20261121"))
FAULTS_PER_SECOND = 8.0
LAST_SECONDS = 300 + 5 * SHOPPERS
STAFF = Operator(name="aya")

HURRY = """
UPDATE portal.fulfilments SET next_attempt_at = now(), facts = facts || (
    SELECT coalesce(jsonb_object_agg(key, to_jsonb((value #>> '{}')::timestamptz - interval '5 minutes')), '{}')
    FROM jsonb_each(facts) WHERE key LIKE '%\\_at' AND value <> 'null')
WHERE order_id IN (
    SELECT order_id FROM portal.fulfilments
    WHERE state IN ('running', 'paused') AND updated_at < now() - interval '2 seconds' FOR UPDATE SKIP LOCKED)
"""
"""Enough time has passed for whatever a fulfilment waits for."""


@pytest.fixture(scope="module")
def impatient() -> Iterator[Running]:
    """A portal that gives up on an upstream within two seconds."""
    with stack(**IMPATIENT) as started:
        yield started


@pytest.fixture
async def staff(impatient: Running) -> AsyncIterator[Resources]:
    async with open_resources(load(environment_of(impatient) | IMPATIENT), pool_size=8) as opened:
        yield opened


async def test_the_books_balance(impatient: Running, staff: Resources) -> None:
    customers = [
        each for each in impatient.state["customers"] if each["whmcs_client_id"] and each["has_payment_method"]
    ]
    everybody = await shoppers(staff, customers[:SHOPPERS])
    assert len(everybody) == SHOPPERS
    await settle(staff)
    market = Market(impatient.state["api_url"], impatient.state["control_url"], SEED)
    books = Books(staff, impatient.state["control_url"])
    storm = asyncio.create_task(market.storm(FAULTS_PER_SECOND))
    killing = asyncio.create_task(_kill(impatient))
    try:
        await market.shop(everybody, SECONDS)
        for task in (storm, killing):
            task.cancel()
        await market.calm()
        approved = [each.order_id for shopper in everybody for each in shopper.bought if each.approved]
        try:
            await _until_done(staff, approved)
        except TimeoutError:
            pytest.fail(f"not done in {LAST_SECONDS} s: {await books.wrong(everybody)}")
        assert await books.wrong(everybody) == []
        sys.stdout.write(f"\n{SHOPPERS} customers, {SECONDS:g} s: {dict(books.tally)}; answers {_answers(everybody)}\n")
        assert books.tally["done"] >= SHOPPERS / 2
        await assert_truth(staff)
    finally:
        storm.cancel()
        killing.cancel()
        await books.close()
        await market.close()


async def _kill(running: Running) -> None:
    """One after the other dies in the middle of it."""
    for name in ("worker", "api", "cdc", "worker"):
        await asyncio.sleep(SECONDS / 5)
        await asyncio.to_thread(running.kill, name)


async def _until_done(staff: Resources, approved: list[str | None]) -> None:
    """Every approval was heard of and nothing runs or waits any more; what failed staff try again, as they would.

    The process that hears Salesforce was killed and may still be starting: what it has yet to hear is nowhere to be
    counted.
    """
    async with asyncio.timeout(LAST_SECONDS):
        while True:
            await fulfilment.take_up(staff.pool)
            failed = await staff.pool.fetch(
                "SELECT order_id FROM portal.fulfilments WHERE state = 'failed' AND error_code <> ALL($1::text[])",
                list(BY_HAND),
            )
            for row in failed:
                await decide.retry(staff.context, STAFF, row["order_id"])
            open_ones = await staff.pool.fetchval(
                "SELECT (SELECT count(*) FROM portal.fulfilments WHERE state IN ('running', 'paused')) "
                "+ (SELECT count(*) FROM unnest($1::text[]) AS approved (order_id) "
                "WHERE order_id NOT IN (SELECT order_id FROM portal.fulfilments))",
                approved,
            )
            if not open_ones and not failed and not await staff.pool.fetchval(OPEN):
                return
            await staff.pool.execute(HURRY)
            await asyncio.sleep(0.5)


def _answers(everybody: list[Any]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for shopper in everybody:
        for purchase in shopper.bought:
            for status in purchase.answers:
                counts[status] = counts.get(status, 0) + 1
    return dict(sorted(counts.items()))
