"""Releases and generations: new code with old rows, documents, one account alone, and the end of a generation."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from app.errors import Conflict, NotFound, ReleaseMismatch
from app.events import Change
from app.ingest.apply import drain
from app.ingest.inbox.inbox import Inbox, open_shards
from app.ingest.versions import publish
from app.projections import rebuild
from app.projections.engine import generations, recompute
from app.projections.projector import Group, Projected, Projector
from app.projections.rebuild import compare
from app.projections.registry import SLICES, projectors
from app.readmodels import documents
from app.readmodels.catalog import public_document
from app.readmodels.table import GLOBAL_ACCOUNT
from app.settings import Settings
from tests.fixtures.changes import CARD, CLIENT, ORDER, PRODUCT, change
from tests.projections.generated import content, invoices, of

Feed = Callable[[Sequence[Change]], Awaitable[None]]

pytestmark = pytest.mark.usefixtures("first_generations")


def with_note(group: Group) -> Projected:
    """Return what a later release makes of a payment method."""
    rows = [
        {
            "payment_method_id": record.record_id,
            "kind": "card",
            "brand": "new",
            "last_four": None,
            "expires": None,
            "description": "second version",
            "is_default": None,
            "sort_id": 1,
            "as_of": record.verified_at,
            "document": b"{}",
        }
        for record in group.of("pay_method")
    ]
    return Projected(rows=rows)


async def drained(pool: asyncpg.Pool, changes: Sequence[Change], *known: Projector) -> None:
    async def nobody() -> None:
        return None

    async def wake(pairs: object) -> None:
        return None

    await Inbox(pool, wake).submit(changes)
    for lane, shard in await open_shards(pool):
        if lane == "apply":
            await drain.drain(pool, shard, partial(recompute.project, known), wake, nobody)


async def test_a_raised_version_is_due_and_both_versions_are_fed_until_the_old_one_goes(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    old = of(settings, "payment_methods")
    new = msgspec.structs.replace(old, version=old.version + 1, project=with_note)
    await feed([change("whmcs", "pay_method", "3", CARD, owner_id="1001")])
    assert await rebuild.due(pool, [old]) == []
    assert await rebuild.due(pool, [new]) == [new]
    assert (await rebuild.rebuild(pool, new)).serving  # every row changed, and that is what a new version is for
    assert await rebuild.due(pool, [new]) == []
    await drained(pool, [change("whmcs", "pay_method", "4", CARD, at=2000, owner_id="1001")], new, old)
    texts = "SELECT description FROM {} ORDER BY payment_method_id"
    assert [r[0] for r in await pool.fetch(texts.format("read_model.payment_methods"))] == ["second version"] * 2
    first = [r[0] for r in await pool.fetch(texts.format("generations.payment_methods_1"))]
    assert len(first) == 2
    assert "second version" not in first
    assert await rebuild.rollback(pool, [new, old], "payment_methods") == 1


async def test_a_worker_of_an_older_release_stops_feeding_and_loses_nothing(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    old = of(settings, "payment_methods")
    new = msgspec.structs.replace(old, version=old.version + 1, project=with_note)
    await generations.begin(pool, new)
    with pytest.raises(ReleaseMismatch):
        await drained(pool, [change("whmcs", "pay_method", "4", CARD, owner_id="1001")], old)
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL AND attempts = 0") == 1
    await drained(pool, [], new)
    assert await pool.fetchval("SELECT description FROM read_model.payment_methods") == "second version"


async def test_documents_follow_the_generation_in_both_directions(
    pool: asyncpg.Pool, redis: Redis, account: UUID, feed: Feed, settings: Settings
) -> None:
    price = {"Product2Id": "01tA", "Pricebook2Id": settings.salesforce_pricebook_id, "IsActive": True, "UnitPrice": 1.0}
    await feed(
        [
            change("salesforce", "Product2", "01tA", PRODUCT),
            change("salesforce", "PricebookEntry", "01uA", price, parent_id="01tA"),
        ]
    )
    await publish.publish(pool, redis)
    old = of(settings, "catalog")

    def louder(group: Group) -> Projected:
        done = old.project(group)
        return Projected(done.rows, [msgspec.structs.replace(each, body=b'{"new":1}') for each in done.documents])

    new = msgspec.structs.replace(old, version=old.version + 1, project=louder)
    before = await documents.read(pool, GLOBAL_ACCOUNT, public_document())
    assert (await rebuild.rebuild(pool, new)).serving
    await publish.publish(pool, redis)
    after = await documents.read(pool, GLOBAL_ACCOUNT, public_document())
    assert before is not None
    assert after is not None
    assert after.body == b'{"new":1}'
    assert after.version > before.version
    assert after.etag != before.etag
    await rebuild.rollback(pool, [new, old], "catalog")
    await publish.publish(pool, redis)
    back = await documents.read(pool, GLOBAL_ACCOUNT, public_document())
    assert back is not None
    assert back.body == before.body
    assert back.version > after.version


async def test_one_account_is_rebuilt_alone_and_in_place(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    await feed(
        [
            *invoices(3),
            change("whmcs", "client", "1001", CLIENT, owner_id="1001"),
            change("salesforce", "Order", "801A", ORDER, owner_id="001A"),
        ]
    )
    right = await content(pool, "read_model.invoices")
    await pool.execute("UPDATE read_model.invoices SET total = 0 WHERE invoice_id = '100'")
    await pool.execute("UPDATE read_model.invoices SET invoice_id = 'rogue' WHERE invoice_id = '101'")
    await pool.execute("DELETE FROM read_model.orders")
    await pool.execute("DELETE FROM read_model.profiles")
    await rebuild.rebuild_account(pool, projectors(settings), account)
    assert await content(pool, "read_model.invoices") == right
    assert await pool.fetchval("SELECT count(*) FROM read_model.orders") == 1
    assert await pool.fetchval("SELECT count(*) FROM read_model.profiles") == 1
    with pytest.raises(NotFound):
        await rebuild.rebuild_account(pool, projectors(settings), uuid4())


async def test_two_rebuilds_of_one_slice_do_not_mix(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    await feed(invoices(2))
    projector = of(settings, "invoices")
    both = await asyncio.gather(
        rebuild.rebuild(pool, projector), rebuild.rebuild(pool, projector), return_exceptions=True
    )
    assert sum(isinstance(each, Conflict) for each in both) <= 1
    assert any(isinstance(each, rebuild.RebuildResult) and each.serving for each in both)


async def test_what_serves_cannot_be_dropped_and_what_retired_long_ago_is(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings
) -> None:
    projector = of(settings, "invoices")
    await feed(invoices(1))
    await rebuild.rebuild(pool, projector)
    with pytest.raises(Conflict):
        await generations.drop(pool, projector, 2)
    assert await rebuild.drop_old(pool, projectors(settings)) == []
    await pool.execute(
        "UPDATE read_model.generations SET retired_at = now() - interval '2 days' WHERE state = 'retired'"
    )
    assert await rebuild.drop_old(pool, projectors(settings)) == ["invoices_1"]
    await pool.execute("CREATE TABLE generations.invoices_1 (LIKE generations.invoices_2 INCLUDING ALL)")
    await pool.execute("INSERT INTO read_model.generations VALUES ('invoices', 1, 1, 'retired')")


@pytest.mark.parametrize("name", [module.__name__.rpartition(".")[2] for module in SLICES])
async def test_every_slice_can_be_rebuilt(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings, name: str
) -> None:
    from tests.projections.test_laws import history

    await feed(history(settings))
    count = await pool.fetchval(f"SELECT count(*) FROM read_model.{name}")
    count += await pool.fetchval("SELECT count(*) FROM read_model.documents WHERE slice = $1 AND body <> ''", name)
    outcome = await rebuild.rebuild(pool, of(settings, name))
    assert outcome.serving
    assert outcome.comparison == compare.Comparison(same=count, changed=0, added=0, removed=0)
    assert count


async def test_a_database_that_was_not_migrated_is_refused_loudly_instead_of_projecting_nothing(
    pool: asyncpg.Pool, account: UUID, settings: Settings
) -> None:
    await pool.execute("UPDATE read_model.generations SET slice = 'elsewhere' WHERE slice = 'invoices'")
    try:
        with pytest.raises(ReleaseMismatch, match="invoices"):
            await drained(pool, invoices(1), *projectors(settings))
    finally:
        await pool.execute("UPDATE read_model.generations SET slice = 'invoices' WHERE slice = 'elsewhere'")
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL AND attempts = 0") == 1
