"""Queries: an account's own rows and nobody else's, paged stably, with their age."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from app.errors import NotFound, NotReady
from app.queries import invoices, orders, payment_methods, profiles, subscriptions
from app.queries.reading.page import Page
from app.queries.reading.store import Answer, Store

FEED = "/data/Portal__chn"
HANA, KENJI = uuid4(), uuid4()


@pytest.fixture
async def store(pool: asyncpg.Pool) -> Store:
    """Two accounts; Hana has five invoices, Kenji one."""
    await pool.execute("INSERT INTO read_model.feeds VALUES ($1, now())", FEED)
    for number, account_id in enumerate((HANA, KENJI)):
        user = uuid4()
        await pool.execute(
            "INSERT INTO portal.users (id, email, password_hash) VALUES ($1, $2, 'unused')", user, f"{user}@example.jp"
        )
        await pool.execute(
            "INSERT INTO portal.id_mappings VALUES ($1, $2, $3, $4, $5)",
            account_id,
            user,
            f"100{number}",
            f"001{number}",
            f"C-{number}",
        )
        await pool.execute("INSERT INTO read_model.freshness VALUES ($1, 'client_invoices', now())", account_id)
    for number in range(1, 6):
        await add_invoice(pool, HANA, number)
    await add_invoice(pool, KENJI, 9)
    return Store(pool, FEED, "Asia/Tokyo")


async def add_invoice(pool: asyncpg.Pool, account_id: UUID, number: int, status: str = "unpaid") -> None:
    body = msgspec.json.encode({"invoice_id": str(number)})
    await pool.execute(
        "INSERT INTO read_model.invoices (account_id, invoice_id, status, upstream_status, subtotal, tax, credit, "
        "total, balance, currency, sort_id, version, as_of, summary, document) "
        "VALUES ($1, $2, $3, 'Unpaid', 1, 0, 0, 1, 1, 'JPY', $4, 1, now(), $5, $5)",
        account_id,
        str(number),
        status,
        number,
        body,
    )


async def ids(store: Store, account_id: UUID, page: Page) -> tuple[list[str], str | None]:
    answer = await invoices.list_invoices(store, account_id, page, lambda after: after)
    body = msgspec.json.decode(answer.body)
    return [item["invoice_id"] for item in body["items"]], body["next_cursor"]


async def test_a_list_holds_the_accounts_own_rows_newest_first(store: Store) -> None:
    assert await ids(store, HANA, Page()) == (["5", "4", "3", "2", "1"], None)
    assert await ids(store, KENJI, Page()) == (["9"], None)


async def test_pages_stay_stable_while_rows_are_inserted(store: Store) -> None:
    first, cursor = await ids(store, HANA, Page(2))
    await add_invoice(store.pool, HANA, 6)
    second, cursor_after = await ids(store, HANA, Page(2, cursor))
    third, end = await ids(store, HANA, Page(2, cursor_after))
    assert (first, second, third, end) == (["5", "4"], ["3", "2"], ["1"], None)


async def test_another_accounts_invoice_is_as_absent_as_an_unknown_one(store: Store) -> None:
    problems = []
    for invoice_id in ("9", "nothing"):
        with pytest.raises(NotFound) as caught:
            await invoices.invoice(store, HANA, invoice_id)
        problems.append((caught.value.code, caught.value.detail))
    assert problems[0] == problems[1] == ("invoice_not_found", "Invoice not found.")


async def test_an_account_never_read_is_not_shown_as_empty(store: Store) -> None:
    for query in (subscriptions.list_subscriptions, payment_methods.list_payment_methods):
        with pytest.raises(NotReady):
            await query(store, HANA, Page(), lambda after: after)
    with pytest.raises(NotReady):
        await profiles.profile(store, HANA)


async def test_past_its_bound_an_answer_says_so_and_names_what_to_verify(store: Store) -> None:
    old = datetime.now(UTC) - timedelta(seconds=91)
    await store.pool.execute("UPDATE read_model.freshness SET verified_at = $1", old)
    answer = await invoices.list_invoices(store, HANA, Page(), lambda after: after)
    assert answer.stale
    assert [(each.resource, each.record_id) for each in answer.sources] == [("client_invoices", "1000")]
    body = msgspec.json.decode(answer.body)
    assert body["stale"] is True
    assert datetime.fromisoformat(body["as_of"]) == old


async def test_within_its_bound_nothing_is_asked_for(store: Store) -> None:
    answer = await invoices.list_invoices(store, HANA, Page(), lambda after: after)
    assert not answer.stale
    assert not any(source.past_bound for source in answer.sources)


async def test_the_etag_of_a_list_follows_the_account_and_not_its_age(store: Store) -> None:
    first = await listed(store)
    await store.pool.execute("UPDATE read_model.freshness SET verified_at = now() - interval '10 seconds'")
    second = await listed(store)
    await store.pool.execute("INSERT INTO read_model.account_versions (account_id, version) VALUES ($1, 1)", HANA)
    third = await listed(store)
    await store.pool.execute("UPDATE read_model.generations SET epoch = epoch + 1 WHERE slice = 'invoices'")
    fourth = await listed(store)
    await store.pool.execute("UPDATE read_model.generations SET epoch = epoch - 1 WHERE slice = 'invoices'")
    assert first.etag == second.etag
    assert len({first.etag, third.etag, fourth.etag, (await listed(store, Page(limit=2))).etag}) == 4


async def test_a_list_the_caller_holds_is_not_even_read(store: Store) -> None:
    etag = (await listed(store)).etag
    answer = await listed(store, Page(held=frozenset({etag})))
    assert (answer.etag, answer.body) == (etag, b"")


async def test_a_parked_change_makes_the_answer_as_old_as_itself(store: Store) -> None:
    await store.pool.execute(
        "WITH entry AS (INSERT INTO ingest.inbox (source, event_id, object, record_id, kind, origin, version, "
        "occurred_at, owner_id, submission, lane, shard) VALUES ('whmcs', 'e', 'invoice', '5', 'full', 'refetch', 1, "
        "now(), '1000', 1, 'apply', 1) RETURNING id) "
        "INSERT INTO ingest.dead_letters (entry_id, source, object, record_id, error, stack, attempts, parked_at) "
        "SELECT id, 'whmcs', 'invoice', '5', 'e', 's', 5, now() - interval '1 hour' FROM entry"
    )
    parked_at = await store.pool.fetchval("SELECT parked_at FROM ingest.dead_letters")
    answer = await listed(store)
    assert (answer.as_of, answer.stale) == (parked_at, True)
    assert (await invoices.invoice(store, HANA, "5")).stale
    assert not (await invoices.invoice(store, HANA, "4")).stale
    kenji = await invoices.list_invoices(store, KENJI, Page(), lambda after: after)
    assert not kenji.stale


async def listed(store: Store, page: Page = Page()) -> Answer:  # noqa: B008
    return await invoices.list_invoices(store, HANA, page, lambda after: after)


@pytest.fixture
async def pending(store: Store) -> str:
    """An order of Hana's that Salesforce took and no event has confirmed."""
    await store.pool.execute(
        "INSERT INTO read_model.pending (account_id, slice, item_id, submission, summary, document) "
        "VALUES ($1, 'orders', '801P', 1, $2, $3)",
        HANA,
        b'{"order_id":"801P","pending":true}',
        b'{"order_id":"801P","pending":true,"items":[]}',
    )
    return "801P"


async def test_a_pending_order_stands_first_in_the_list_and_has_a_page_of_its_own(store: Store, pending: str) -> None:
    shown = msgspec.json.decode((await orders.list_orders(store, HANA, Page(), lambda after: after)).body)
    assert shown["items"][0] == {"order_id": pending, "pending": True}
    assert msgspec.json.decode((await orders.order(store, HANA, pending)).body)["pending"] is True
    paid = await orders.list_orders(store, HANA, Page(), lambda after: after, statuses=["active"])
    assert msgspec.json.decode(paid.body)["items"] == []


async def test_a_pending_order_is_its_own_accounts_alone(store: Store, pending: str) -> None:
    with pytest.raises(NotFound):
        await orders.order(store, KENJI, pending)
    shown = msgspec.json.decode((await orders.list_orders(store, KENJI, Page(), lambda after: after)).body)
    assert shown["items"] == []


async def test_drafts_are_never_shown(store: Store) -> None:
    await add_invoice(store.pool, HANA, 8, status="draft")
    assert "8" not in (await ids(store, HANA, Page()))[0]
    answer = await invoices.list_invoices(
        store, HANA, Page(), lambda after: after, invoices.InvoiceFilter(statuses=["draft"])
    )
    assert msgspec.json.decode(answer.body)["items"] == []
    with pytest.raises(NotFound):
        await invoices.invoice(store, HANA, "8")


async def test_orders_are_as_fresh_as_the_feed(store: Store) -> None:
    answer = await orders.list_orders(store, HANA, Page(), lambda after: after)
    assert answer.as_of == await store.pool.fetchval("SELECT as_of FROM read_model.feeds")
    await store.pool.execute("DELETE FROM read_model.feeds")
    with pytest.raises(NotReady):
        await orders.list_orders(store, HANA, Page(), lambda after: after)
