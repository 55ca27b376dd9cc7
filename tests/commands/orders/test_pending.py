"""Pending orders: an order is shown under its final id as soon as Salesforce took it, marked pending until the read
model has it."""

from typing import Any

import msgspec

from app.commands.orders.place_order import place_order


async def pending(desk: Any) -> list[Any]:
    return list(await desk.pool.fetch("SELECT * FROM read_model.pending"))


async def test_a_placed_order_is_pending_until_it_is_applied(desk: Any) -> None:
    actor = await desk.customer(internet="Home 1G")
    basket = await desk.basket("internet")
    done = await place_order(desk.context, actor, basket)

    [row] = await pending(desk)
    shown = msgspec.json.decode(row["document"])
    assert (row["account_id"], row["slice"], row["item_id"]) == (actor.account_id, "orders", done.result.order_id)
    assert (shown["pending"], shown["status"], shown["order_id"]) == (True, "in_review", done.result.order_id)
    assert [item["sku"] for item in shown["items"]] == [item.sku for item in basket.items]
    assert msgspec.json.decode(row["summary"])["total"] == shown["total"]

    await desk.settle()
    assert await pending(desk) == []
    where = "WHERE order_id = $1"
    stored = await desk.pool.fetchval(f"SELECT document FROM read_model.orders {where}", done.result.order_id)
    confirmed = msgspec.json.decode(stored)
    assert confirmed["total"] == shown["total"]
    assert set(confirmed) == set(shown) - {"pending"}


async def test_an_order_that_cannot_be_read_back_is_read_later_and_its_token_resolves(desk: Any) -> None:
    actor = await desk.customer(internet="Home 1G")
    basket = await desk.basket("internet")
    await desk.sandbox.fault("salesforce", "status", "sobjects.get:Order", count=5, status=503)
    done = await place_order(desk.context, actor, basket)
    await desk.sandbox.clear_faults()
    desk.let_in()

    assert done.submission is not None
    assert len(await pending(desk)) == 1
    assert not await desk.context.inbox.settled(done.submission, 0.05)
    await desk.settle()
    assert await desk.context.inbox.settled(done.submission, 0.05)
    assert await pending(desk) == []
    where = "WHERE order_id = $1"
    assert await desk.pool.fetchval(f"SELECT item_count FROM read_model.orders {where}", done.result.order_id)
