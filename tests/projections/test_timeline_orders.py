"""An order's timeline: every state it was seen to enter, in order, with its time; rebuilt, repeated and late alike."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.events import Change
from app.ingest.apply import drain
from app.ingest.apply.status_history import STAGE
from app.ingest.inbox.inbox import Inbox, open_shards
from app.projections.engine import recompute
from app.projections.registry import projectors
from app.settings import Settings
from tests.fixtures.changes import ORDER, T0, change

Feed = Callable[[Sequence[Change]], Awaitable[None]]

PLACED = {"Status": "Pending Review", "Activation_Status__c": None, "Activation_Error_Code__c": None}
STEPS: list[tuple[int, dict[str, Any]]] = [
    (1_000, {"Status": "Approved"}),
    (2_000, {"Activation_Status__c": "Created"}),
    (2_001, {"Activation_Status__c": "Activating"}),
    (3_000, {"Activation_Error_Code__c": "PAYMENT_METHOD_MISSING"}),
    (3_500, {"PoNumber": "4711"}),
    (9_000, {"Activation_Error_Code__c": None}),
    (9_700, {"Status": "Processed", "Activation_Status__c": "Activated"}),
]
SEEN = [
    ("in_review", None),
    ("approved", 1_000),
    ("created", 2_000),
    ("activating", 2_001),
    ("awaiting_payment_method", 3_000),
    ("activating", 9_000),
    ("active", 9_700),
]


def placed() -> Change:
    return change("salesforce", "Order", "801A", ORDER | PLACED, owner_id="001A")


def moves() -> list[Change]:
    return [
        change("salesforce", "Order", "801A", data, at=at, kind="partial", owner_id="001A", event_id=f"move-{at}")
        for at, data in STEPS
    ]


async def timeline(pool: asyncpg.Pool, account: UUID) -> list[tuple[str, int | None]]:
    document = await pool.fetchval(
        "SELECT document FROM read_model.orders WHERE account_id = $1 AND order_id = '801A'", account
    )
    entries = msgspec.json.decode(document)["timeline"]
    assert all(entry["text"].endswith(".") for entry in entries)
    moments = [round(datetime.fromisoformat(entry["at"]).timestamp() * 1000) for entry in entries]
    return [
        (entry["state"], None if number == 0 else moment - T0)
        for number, (entry, moment) in enumerate(zip(entries, moments, strict=True))
    ]


async def test_every_state_has_its_time(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    await feed([placed(), *moves()])
    assert await timeline(pool, account) == SEEN


async def test_a_repeated_or_late_event_adds_nothing(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    again = [change_of(each) for each in moves()]
    await feed([placed(), *moves(), *again, placed()])
    assert await timeline(pool, account) == SEEN


def change_of(event: Change) -> Change:
    """Return the same change under another event id, as a replay from another feed brings it."""
    return msgspec.structs.replace(event, event_id=f"again-{event.event_id}")


async def test_states_that_arrive_in_one_batch_all_have_events(
    feed: Feed, pool: asyncpg.Pool, account: UUID, settings: Settings
) -> None:
    async def nothing(*_: object) -> None:
        return None

    await Inbox(pool, nothing).submit([placed(), *moves()])
    for _, shard in await open_shards(pool):
        await drain.drain(pool, shard, partial(recompute.project, projectors(settings)), nothing, nothing)
    assert await timeline(pool, account) == SEEN


SECOND: list[dict[str, Any]] = [
    {"Status": "Approved"},
    {"Activation_Error_Code__c": "PAYMENT_METHOD_MISSING"},
    {"Activation_Error_Code__c": "WHMCS_UNAVAILABLE"},
    {"Activation_Error_Code__c": "SIM_NOT_ASSIGNED"},
    {"Activation_Error_Code__c": "PAYMENT_METHOD_MISSING"},
    {"Activation_Error_Code__c": None, "Activation_Status__c": "Activating"},
    {"Status": "Processed", "Activation_Status__c": "Activated"},
]
"""What may happen to an order within one second, which is the resolution of Salesforce's times."""
IN_ORDER = [
    "approved",
    "awaiting_payment_method",
    "paused",
    "paused",
    "awaiting_payment_method",
    "created",
    "activating",
    "active",
]


@pytest.mark.parametrize("together", [True, False])
async def test_states_of_one_second_all_appear_in_order(
    feed: Feed, pool: asyncpg.Pool, account: UUID, together: bool
) -> None:
    events = [
        change("salesforce", "Order", "801A", data, at=1_000, kind="partial", owner_id="001A", event_id=f"at-once-{n}")
        for n, data in enumerate(SECOND)
    ]
    for batch in [[placed(), *events]] if together else [[each] for each in (placed(), *events)]:
        await feed(batch)
    assert await timeline(pool, account) == [("in_review", None), *((state, 1_000) for state in IN_ORDER)]
    kinds = await pool.fetch("SELECT kind FROM read_model.timeline WHERE account_id = $1 ORDER BY at", account)
    assert [each["kind"] for each in kinds] == ["order_in_review", *(f"order_{state}" for state in IN_ORDER)]


async def test_a_read_after_an_event_of_the_same_second_keeps_the_order(
    feed: Feed, pool: asyncpg.Pool, account: UUID
) -> None:
    approved = change("salesforce", "Order", "801A", {"Status": "Approved"}, at=1_700, kind="partial", owner_id="001A")
    known = ORDER | PLACED | {"Status": "Approved", "Activation_Error_Code__c": "SIM_NOT_ASSIGNED"}
    whole = change("salesforce", "Order", "801A", known, at=1_000, owner_id="001A")
    read = msgspec.structs.replace(whole, read_at=datetime.now(UTC) + timedelta(seconds=1))
    for each in (placed(), approved, read):
        await feed([each])
    assert await timeline(pool, account) == [("in_review", None), ("approved", 1_700), ("paused", 1_700)]


async def test_a_rebuilt_order_remembers_its_states(
    feed: Feed, pool: asyncpg.Pool, account: UUID, settings: Settings
) -> None:
    await feed([placed(), *moves()])
    orders = next(each for each in projectors(settings) if each.name == "orders")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("DELETE FROM read_model.orders")
        await recompute.recompute(connection, projectors(settings), orders, [("", "801A")])
    assert await timeline(pool, account) == SEEN


async def test_an_order_without_history_shows_when_it_was_placed_and_its_state(
    feed: Feed, pool: asyncpg.Pool, account: UUID
) -> None:
    late = {"Status": "Processed", "Activation_Status__c": "Activated"}
    await feed([change("salesforce", "Order", "801A", ORDER | late, at=5_000, owner_id="001A")])
    assert await timeline(pool, account) == [("in_review", None), ("active", 5_000)]


async def test_stages_are_kept_of_orders_only(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    await feed([placed(), change("salesforce", "OrderItem", "802A", {"Quantity": 1.0}, parent_id="801A")])
    kept = await pool.fetchval("SELECT count(*) FROM mirror.records WHERE object = $1", STAGE["Order"])
    assert kept == 1
