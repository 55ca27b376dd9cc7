"""A record that very many rows refer to: its change is one small commit, and the rows follow in the background."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.events import Change
from app.projections.engine import fan_outs, referrers
from app.projections.registry import projectors
from app.settings import Settings
from tests.fixtures.changes import ORDER, PRODUCT, change

Feed = Callable[[Sequence[Change]], Awaitable[None]]
ITEM = {"Product2Id": "01tA", "Quantity": 1.0, "UnitPrice": 1480.0}


@pytest.fixture
async def orders(pool: asyncpg.Pool, account: UUID, feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven orders of one product, where three at once are already many."""
    monkeypatch.setattr(referrers, "AT_ONCE", 3)
    changes = [change("salesforce", "Product2", "01tA", PRODUCT)]
    for i in range(7):
        changes.append(change("salesforce", "Order", f"801{i}", ORDER, owner_id="001A"))
        changes.append(change("salesforce", "OrderItem", f"802{i}", ITEM, parent_id=f"801{i}"))
    await feed(changes)


async def names(pool: asyncpg.Pool) -> list[str]:
    rows = await pool.fetch("SELECT document FROM read_model.orders ORDER BY order_id")
    return [msgspec.json.decode(row["document"])["items"][0]["name"] for row in rows]


async def test_many_referring_rows_follow_in_chunks(
    pool: asyncpg.Pool, orders: None, feed: Feed, settings: Settings
) -> None:
    before = await names(pool)
    await feed([change("salesforce", "Product2", "01tA", {**PRODUCT, "Name": "Renamed"}, at=9000)])
    assert await names(pool) == before, "left to the background"
    sizes = [size async for size in fan_outs.run(pool, projectors(settings))]
    assert sizes == [3, 3, 1, 0] * 2, "orders and their timeline"
    assert await names(pool) == ["Renamed"] * 7
    assert await pool.fetchval("SELECT count(*) FROM ingest.fanouts") == 0


async def test_a_second_change_restarts_the_fan_out(
    pool: asyncpg.Pool, orders: None, feed: Feed, settings: Settings
) -> None:
    await feed([change("salesforce", "Product2", "01tA", {**PRODUCT, "Name": "First"}, at=9000)])
    steps = fan_outs.run(pool, projectors(settings))
    assert await anext(steps) == 3
    await feed([change("salesforce", "Product2", "01tA", {**PRODUCT, "Name": "Second"}, at=9500)])
    assert [size async for size in steps] == [3, 3, 1, 0] * 2
    assert await names(pool) == ["Second"] * 7


async def test_a_few_referring_rows_follow_at_once(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    await feed(
        [
            change("salesforce", "Product2", "01tA", PRODUCT),
            change("salesforce", "Order", "8010", ORDER, owner_id="001A"),
            change("salesforce", "OrderItem", "8020", ITEM, parent_id="8010"),
            change("salesforce", "Product2", "01tA", {**PRODUCT, "Name": "Renamed"}, at=9000),
        ]
    )
    assert await names(pool) == ["Renamed"]
