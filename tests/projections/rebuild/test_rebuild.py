"""A rebuild fills a generation next to the serving one, is compared, swaps in an instant and can be reverted."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.errors import Conflict, NotFound
from app.events import Change
from app.projections import rebuild
from app.projections.engine import generations
from app.projections.rebuild import compare, fill
from app.projections.registry import projectors
from app.settings import Settings
from tests.fixtures.changes import INVOICE, change
from tests.projections.generated import content, invoices, of

Feed = Callable[[Sequence[Change]], Awaitable[None]]

pytestmark = pytest.mark.usefixtures("first_generations")


async def test_a_new_generation_equals_the_old_one_and_serves(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    await feed(invoices(5))
    before = await content(pool, "read_model.invoices")
    seen: list[tuple[int, int]] = []
    outcome = await rebuild.rebuild(
        pool, of(settings, "invoices"), on_progress=lambda done, expected: seen.append((done, expected))
    )
    assert outcome.serving
    assert (outcome.generation, outcome.comparison) == (2, compare.Comparison(same=5, changed=0, added=0, removed=0))
    assert outcome.swap_seconds is not None
    assert seen[-1] == (5, 5)
    assert await content(pool, "read_model.invoices") == before == await content(pool, "generations.invoices_2")


async def test_live_changes_flow_into_both_generations_while_one_fills(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "CHUNK", 2)
    await feed(invoices(6))
    projector = of(settings, "invoices")
    generation = await generations.begin(pool, projector)
    steps = fill.fill(pool, projector, generation)
    await anext(steps)
    await feed(
        [
            change(
                "whmcs", "invoice", "100", {**INVOICE, "status": "Paid"}, at=5000, owner_id="1001"
            ),  # filled already
            change("whmcs", "invoice", "105", {**INVOICE, "status": "Paid"}, at=5000, owner_id="1001"),  # still to come
            change("whmcs", "invoice", "999", INVOICE, owner_id="1001"),
            change("whmcs", "invoice", "101", at=6000, kind="deleted"),
        ]
    )
    async for _ in steps:
        pass
    assert await content(pool, "generations.invoices_1") == await content(pool, "generations.invoices_2")
    assert len(await content(pool, "generations.invoices_2")) == 6


async def test_a_stopped_rebuild_goes_on_where_it_was(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "CHUNK", 2)
    await feed(invoices(6))

    def stop(done: int, expected: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rebuild.rebuild(pool, of(settings, "invoices"), on_progress=stop)
    seen: list[int] = []
    outcome = await rebuild.rebuild(
        pool, of(settings, "invoices"), on_progress=lambda done, expected: seen.append(done)
    )
    assert (outcome.generation, outcome.serving) == (2, True)
    assert seen == [2, 4, 6]


async def test_a_generation_that_lacks_rows_does_not_serve_until_confirmed(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    await feed(invoices(3))
    await pool.execute(
        "INSERT INTO read_model.invoices "
        "SELECT account_id, 'rogue', invoice_number, status, upstream_status, issued_on, "
        "due_on, paid_at, subtotal, tax, credit, total, balance, currency, sort_id, version, as_of, summary, document "
        "FROM read_model.invoices WHERE invoice_id = '100'"
    )
    projector = of(settings, "invoices")
    outcome = await rebuild.rebuild(pool, projector)
    assert not outcome.serving
    assert outcome.refusal is not None
    assert "disappear" in outcome.refusal
    async with pool.acquire() as connection:
        (difference,) = await compare.differences(connection, projector, 1, outcome.generation, 10)
    assert (difference.kind, difference.item_id) == ("removed", "rogue")
    assert (await rebuild.rebuild(pool, projector, threshold=1)).serving
    assert len(await content(pool, "read_model.invoices")) == 3


async def test_a_damaged_row_shows_in_the_comparison_column_by_column(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    await feed(invoices(3))
    await pool.execute("""UPDATE read_model.invoices SET total = 1, document = '{"x":1}' WHERE invoice_id = '101'""")
    projector = of(settings, "invoices")
    outcome = await rebuild.rebuild(pool, projector)
    assert outcome.refusal is not None
    assert "read differently" in outcome.refusal
    async with pool.acquire() as connection:
        (difference,) = await compare.differences(connection, projector, 1, outcome.generation, 10)
    assert difference.kind == "changed"
    assert set(difference.columns) == {"total", "document"}
    assert difference.columns["document"][0] == {"x": 1}
    assert difference.columns["document"][1]["invoice_id"] == "101"


async def test_the_old_generation_is_fed_and_serves_again_on_rollback(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    await feed(invoices(2))
    await rebuild.rebuild(pool, of(settings, "invoices"))
    await feed([change("whmcs", "invoice", "100", {**INVOICE, "status": "Paid"}, at=5000, owner_id="1001")])
    assert await rebuild.rollback(pool, projectors(settings), "invoices") == 1
    status = "SELECT status FROM read_model.invoices WHERE invoice_id = '100'"
    assert await pool.fetchval(status) == "paid"
    assert await rebuild.rollback(pool, projectors(settings), "invoices") == 2
    assert await pool.fetchval(status) == "paid"


async def test_a_generation_that_was_not_fed_is_never_gone_back_to(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    present = of(settings, "invoices")
    newer = msgspec.structs.replace(present, version=present.version + 1)
    await feed(invoices(1))
    await rebuild.rebuild(pool, newer)
    with pytest.raises(NotFound, match="no earlier generation"):
        await rebuild.rollback(pool, [newer], "invoices")


async def test_readers_and_analysts_never_see_less_than_everything(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    await feed(invoices(20))
    await pool.execute("CREATE VIEW read_model.of_an_analyst AS SELECT status, total FROM read_model.invoices")
    done = asyncio.Event()

    async def read() -> set[int]:
        counts = set()
        while not done.is_set():
            counts.add(await pool.fetchval("SELECT count(*) FROM read_model.invoices"))
            counts.add(await pool.fetchval("SELECT count(*) FROM read_model.of_an_analyst"))
        return counts

    reader = asyncio.create_task(read())
    for _ in range(3):
        assert (await rebuild.rebuild(pool, of(settings, "invoices"))).serving
    await pool.execute("TRUNCATE generations.invoices_1")  # whoever still read it would see nothing
    done.set()
    assert await reader == {20}
    assert await pool.fetchval("SELECT count(*) FROM read_model.of_an_analyst") == 20


async def test_a_long_query_delays_the_swap_and_nobody_else(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    await feed(invoices(2))
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetch("SELECT FROM read_model.invoices")
        swap = asyncio.create_task(rebuild.rebuild(pool, of(settings, "invoices")))
        waits: list[float] = []
        clock = asyncio.get_running_loop().time
        for _ in range(10):
            started = clock()
            await pool.fetch("SELECT FROM read_model.invoices")
            waits.append(clock() - started)
            await asyncio.sleep(0.05)
        assert not swap.done()
        assert max(waits) < 1
        await transaction.rollback()
    assert (await swap).serving


async def test_a_query_that_never_ends_keeps_the_view_and_that_is_said(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "SWAP_ATTEMPTS", 1)
    await feed(invoices(2))
    async with pool.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT count(*) FROM read_model.invoices")
        with pytest.raises(Conflict) as refused:
            await rebuild.rebuild(pool, of(settings, "invoices"))
    assert refused.value.code == "view_busy"
    assert (await rebuild.rebuild(pool, of(settings, "invoices"))).serving, "what was filled is kept"
