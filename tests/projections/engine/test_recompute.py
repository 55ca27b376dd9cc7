"""Workers that meet: whatever shards commit in whatever order, no record is left out of what it belongs to."""

import asyncio
from collections.abc import Iterable
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.ingest.apply import drain
from app.ingest.inbox.inbox import SHARDS, Inbox
from app.projections.engine import recompute
from app.projections.registry import projectors
from app.settings import Settings
from tests.fixtures.changes import ORDER, change

ORDERS = 60


async def quiet(pairs: Iterable[tuple[str, int]] = ()) -> None:
    return None


async def drain_everything_at_once(pool: asyncpg.Pool, settings: Settings) -> None:
    project = partial(recompute.project, projectors(settings))
    await asyncio.gather(*(drain.drain(pool, shard, project, quiet, quiet) for shard in range(SHARDS)))


@pytest.mark.parametrize("attempt", range(4))
async def test_an_order_and_its_items_from_different_shards_always_end_together(
    pool: asyncpg.Pool, settings: Settings, account: UUID, attempt: int
) -> None:
    changes = []
    for number in range(ORDERS):
        order_id = f"801{number:04}{attempt}"
        changes.append(change("salesforce", "Order", order_id, ORDER, owner_id="001A"))
        for item in range(3):
            line = {"Quantity": 1.0, "UnitPrice": 100.0, "Product2Id": f"01t{number % 5}"}
            changes.append(
                change("salesforce", "OrderItem", f"802{number:04}{item}{attempt}", line, parent_id=order_id)
            )
    for number in range(5):
        changes.insert(number * 40, change("salesforce", "Product2", f"01t{number}", {"Name": "SIM 5 GB"}))
    await Inbox(pool, quiet).submit(changes)
    await drain_everything_at_once(pool, settings)
    nameless = "SELECT count(*) FROM read_model.orders WHERE convert_from(document, 'UTF8') LIKE '%\"name\":\"\"%'"
    assert await pool.fetchval(nameless) == 0
    counts = await pool.fetch("SELECT item_count, count(*) AS orders FROM read_model.orders GROUP BY item_count")
    assert {row["item_count"]: row["orders"] for row in counts} == {3: ORDERS}


@pytest.mark.parametrize("attempt", range(4))
async def test_records_that_arrive_while_their_account_is_being_linked_are_not_left_out(
    pool: asyncpg.Pool, settings: Settings, attempt: int
) -> None:
    user, account_id = uuid4(), uuid4()
    inbox = Inbox(pool, quiet)
    await inbox.submit(
        [change("salesforce", "Order", f"801L{number:04}", ORDER, owner_id="001L") for number in range(ORDERS)]
    )
    draining = asyncio.create_task(drain_everything_at_once(pool, settings))
    await asyncio.sleep(0.002 * attempt)
    await pool.execute(
        "INSERT INTO portal.users (id, email, password_hash) VALUES ($1, 'l@example.jp', 'unused')", user
    )
    await pool.execute("INSERT INTO portal.id_mappings VALUES ($1, $2, '1009', '001L', 'C-9')", account_id, user)
    link = {"whmcs_client_id": "1009", "salesforce_account_id": "001L"}
    await inbox.submit([change("portal", "account", str(account_id), link, origin="portal")])
    await drain_everything_at_once(pool, settings)
    await draining
    assert await pool.fetchval("SELECT count(*) FROM read_model.orders WHERE account_id = $1", account_id) == ORDERS
