"""Laws of every projector: the read model is a function of the mirror, not of the order or form of its changes."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import hypothesis
from hypothesis import strategies as st
from redis.asyncio import Redis

from app import projections
from app.events import Change
from app.ingest.versions import publish
from app.projections.registry import SLICES
from app.queries import changes
from app.queries.changes import Event
from app.queries.reading.store import Store
from app.readmodels import documents
from app.readmodels.profiles import DOCUMENT as PROFILE
from app.settings import Settings
from tests.fixtures.changes import (
    ADDON,
    CARD,
    CASE,
    CLIENT,
    CLOSED,
    COMMENT,
    DUNNED,
    FOLLOWED,
    HOSTED,
    INVOICE,
    ORDER,
    PLANNED,
    PRODUCT,
    SERVICE,
    T0,
    TAKEN_BACK,
    UPGRADE,
    change,
)

Feed = Callable[[Sequence[Change]], Awaitable[None]]
VPN = {"Product2Categories1__c": "VPN", "WH_Product_ID__c": 401.0}
YEN = {"monthly": "1500.00", "msetupfee": "0.00", "quarterly": "-1.00", "qsetupfee": "0.00"}
SOLD = {"name": "VPN", "paytype": "recurring", "pricing": {"JPY": YEN}}
MOVED_VPN = {**VPN, "WH_Product_ID__c": 402.0}
FEE = {"Item_Class__c": "Activation", "WH_Product_ID__c": 333.0}
EXTRAS = [
    {"id": "1", "type": "Addon", "relid": "7", "description": "Backup", "amount": "500.00", "taxed": "1"},
    {"id": "2", "type": "Upgrade", "relid": "3", "description": "SIM 10 GB", "amount": "500.00", "taxed": "1"},
]
NOT_SLICES = {"__init__", "projector", "registry"}


def history(settings: Settings) -> list[Change]:
    """Every slice's records, some of them twice, in whole records so that any order is legitimate."""
    price = {
        "Product2Id": "01tA",
        "Pricebook2Id": settings.salesforce_pricebook_id,
        "IsActive": True,
        "UnitPrice": 1480.0,
    }
    item = {"Product2Id": "01tA", "Quantity": 2.0, "UnitPrice": 1480.0}
    return [
        change("salesforce", "Product2", "01tA", PRODUCT),
        change("salesforce", "Product2", "01tA", {**PRODUCT, "Name": "SIM 5 GB renewed"}, at=4000),
        change("salesforce", "Product2", "01tB", {**PRODUCT, "StockKeepingUnit": "VPN", **VPN}),
        change("salesforce", "Product2", "01tB", {**PRODUCT, "StockKeepingUnit": "VPN", **MOVED_VPN}, at=3500),
        change("salesforce", "PricebookEntry", "01uA", price, parent_id="01tA"),
        change("salesforce", "Account", "001A", {"Internet_Eligibility__c": "Home 1G"}, owner_id="001A"),
        change("salesforce", "Order", "801A", ORDER, owner_id="001A"),
        change("salesforce", "Order", "801A", {**ORDER, "Status": "Approved"}, at=3000, owner_id="001A"),
        change("salesforce", "OrderItem", "802A", item, parent_id="801A"),
        change("salesforce", "OrderItem", "802B", item, parent_id="801A"),
        change("salesforce", "OrderItem", "802B", at=5000, kind="deleted"),
        change("salesforce", "Case", "500A", CASE, owner_id="001A"),
        change("salesforce", "Case", "500A", {**CASE, **CLOSED}, at=3000, owner_id="001A"),
        change("salesforce", "CaseComment", "00aA", COMMENT, parent_id="500A"),
        change("salesforce", "CaseComment", "00aB", COMMENT, parent_id="500A"),
        change("salesforce", "CaseComment", "00aB", {**COMMENT, "IsPublished": False}, at=4000, parent_id="500A"),
        change("whmcs", "client", "1001", CLIENT, owner_id="1001"),
        change("whmcs", "service", "55", SERVICE, owner_id="1001"),
        change("whmcs", "service", "56", {**SERVICE, "pid": "401", "groupname": ""}, owner_id="1001"),
        change("whmcs", "service", "57", {**SERVICE, "pid": "402", "groupname": ""}, owner_id="1001"),
        change("whmcs", "service", "58", {**SERVICE, "billingcycle": "One Time"}, owner_id="1001"),
        change("salesforce", "Product2", "01tC", {**PRODUCT, "StockKeepingUnit": "FEE", **FEE}),
        change("whmcs", "service", "59", {**SERVICE, "pid": "333"}, owner_id="1001"),
        change("whmcs", "addon", "7", ADDON, owner_id="1001", parent_id="55"),
        change("whmcs", "addon", "8", ADDON, owner_id="1001", parent_id="55"),
        change("whmcs", "addon", "8", at=5500, kind="deleted"),
        change("whmcs", "cancel_request", "55", {"type": "Immediate", "date": "2026-02-01"}, parent_id="55"),
        change("whmcs", "upgrade", "55", UPGRADE, owner_id="1001", parent_id="55"),
        change("whmcs", "scheduled_change", "a1", PLANNED, owner_id="1001", parent_id="55"),
        change("whmcs", "scheduled_change", "a1", {**PLANNED, **TAKEN_BACK}, at=3000, owner_id="1001", parent_id="55"),
        change("whmcs", "scheduled_change", "a2", PLANNED, at=4000, owner_id="1001", parent_id="55"),
        change("whmcs", "invoice", "77", INVOICE, owner_id="1001"),
        change("whmcs", "invoice", "77", {**INVOICE, "status": "Paid", "balance": "0.00"}, at=2000, owner_id="1001"),
        change("whmcs", "invoice", "78", {**INVOICE, "items": EXTRAS}, owner_id="1001"),
        change("whmcs", "invoice_upgrade", "78:", {"upgrade_id": "", "service_id": "56"}, parent_id="78"),
        change("whmcs", "client_invoices", "1001", {"ids": ["77"]}, owner_id="1001"),
        change("whmcs", "pay_method", "3", CARD, owner_id="1001"),
        change("whmcs", "pay_method", "4", CARD, owner_id="1001"),
        change("whmcs", "pay_method", "4", at=6000, kind="deleted"),
        change("whm", "account", "cabc1234", HOSTED, owner_id="1001"),
        change("whm", "account", "cabc1234", {**HOSTED, "suspended": "1"}, at=3000, owner_id="1001"),
        change("whm", "account", "cxyz9876", {"service_id": "56", "absent": "1"}, owner_id="1001"),
        change("whmcs", "dunning", "78", DUNNED, owner_id="1001", parent_id="78"),
        change("whmcs", "dunning", "78", {**DUNNED, "attempts": 2}, at=3000, owner_id="1001", parent_id="78"),
        change("whmcs", "service_dunning", "78:55", {**DUNNED, "steps": []}, owner_id="1001", parent_id="55"),
        change("whmcs", "provider_state", "55", FOLLOWED, owner_id="1001", parent_id="55"),
        change("whmcs", "gateway", "mailin", {"displayname": "Bank transfer"}),
        change("whmcs", "product", "401", SOLD),
        change("whmcs", "product", "401", {**SOLD, "pricing": {"JPY": {**YEN, "monthly": "-1.00"}}}, at=3000),
        change("whmcs", "product", "402", SOLD),
        change("whmcs", "product", "402", at=4000, kind="deleted"),
        change("whmcs", "tax", "installation", {"enabled": True, "type": "exclusive"}),
    ]


UNSTATED = frozenset({"version", "as_of", "approval", "approved_despite"})


async def state(pool: asyncpg.Pool, settings: Settings) -> dict[str, Any]:
    """Return every read-model row, without the counter of its recomputations, and without an order's last approval.

    That is a step from one seen state to the next, and a state that comes late was never seen.
    """
    found: dict[str, Any] = {}
    for module in SLICES:
        table = module.projector(settings).table
        rows = await pool.fetch(f"SELECT * FROM read_model.{table.name} ORDER BY {', '.join(table.keys)}")
        found[table.name] = [{k: v for k, v in row.items() if k not in UNSTATED} for row in rows]
    documents = await pool.fetch(
        "SELECT account_id, name, etag, body FROM read_model.documents ORDER BY account_id, name"
    )
    return {**found, "documents": [dict(row) for row in documents]}


async def empty(pool: asyncpg.Pool, settings: Settings) -> None:
    await pool.execute("TRUNCATE ingest.inbox, mirror.records, read_model.documents")
    for module in SLICES:
        await pool.execute(f"DELETE FROM read_model.{module.projector(settings).table.name}")


@hypothesis.settings(
    max_examples=12, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(data=st.data())
async def test_any_order_and_repetition_of_the_same_changes_gives_equal_rows(
    pool: asyncpg.Pool, settings: Settings, account: UUID, feed: Feed, data: st.DataObject
) -> None:
    whole = history(settings)
    await empty(pool, settings)
    await feed(whole)
    expected = await state(pool, settings)
    assert all(expected[module.projector(settings).table.name] for module in SLICES), "history speaks of every slice"
    await empty(pool, settings)
    twice = [whole[n] for n in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=8), label="told twice")]
    await feed(data.draw(st.permutations(whole + twice)))
    assert await state(pool, settings) == expected


def told_in_part(old: Change) -> tuple[Change, Change]:
    """Return an event that names only some fields, and the whole record as it is after that."""
    names = sorted(old.data)
    part = {name: old.data[name] for name in names[::2]}
    owned = {"owner_id": old.owner_id, "parent_id": old.parent_id}
    partial = change(old.source, old.object, old.record_id, part, at=20_000, kind="partial")
    whole = change(old.source, old.object, old.record_id, old.data, at=20_000, origin="backfill", **owned)
    return partial, whole


@hypothesis.settings(
    max_examples=12, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(data=st.data())
async def test_parts_and_whole_records_of_one_state_in_any_order_give_equal_rows(
    pool: asyncpg.Pool, settings: Settings, account: UUID, feed: Feed, data: st.DataObject
) -> None:
    last = {(each.source, each.object, each.record_id): each for each in history(settings) if each.kind == "full"}
    first = [
        change(o.source, o.object, o.record_id, o.data, owner_id=o.owner_id, parent_id=o.parent_id)
        for o in last.values()
    ]
    pairs = [told_in_part(each) for each in last.values() if each.source == "salesforce"]
    await empty(pool, settings)
    await feed([*first, *(whole for _, whole in pairs)])
    expected = await state(pool, settings)
    await empty(pool, settings)
    await feed(first)
    news = [each for pair in pairs for each in pair]
    await feed(data.draw(st.permutations(news)))
    assert await state(pool, settings) == expected


@hypothesis.settings(
    max_examples=8, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(data=st.data())
async def test_what_is_deleted_stays_away_whatever_older_news_come_late(
    pool: asyncpg.Pool, settings: Settings, account: UUID, feed: Feed, data: st.DataObject
) -> None:
    whole = history(settings)
    parts = [told_in_part(each)[0] for each in whole if each.source == "salesforce" and each.kind == "full"]
    records = {(each.source, each.object, each.record_id) for each in whole}
    deletions = [change(*key, at=30_000, kind="deleted") for key in sorted(records)]
    late = data.draw(st.lists(st.sampled_from([*whole, *parts]), max_size=12), label="late")
    await empty(pool, settings)
    await feed([*whole, *deletions])
    gone = await state(pool, settings)
    assert not any(gone[module.projector(settings).table.name] for module in SLICES)
    await feed(
        [
            change(o.source, o.object, o.record_id, o.data, at=o.version - T0, kind=o.kind, owner_id=o.owner_id)
            for o in late
        ]
    )
    assert await state(pool, settings) == gone


async def test_records_of_an_account_that_is_not_linked_wait_until_it_is(
    pool: asyncpg.Pool, settings: Settings, feed: Feed
) -> None:
    await feed(history(settings))
    assert await pool.fetchval("SELECT count(*) FROM read_model.orders") == 0
    user, account_id = UUID(int=7), UUID(int=8)
    await pool.execute(
        "INSERT INTO portal.users (id, email, password_hash) VALUES ($1, 'a@example.jp', 'unused')", user
    )
    await pool.execute("INSERT INTO portal.id_mappings VALUES ($1, $2, '1001', '001A', 'C-000001')", account_id, user)
    link = {"whmcs_client_id": "1001", "salesforce_account_id": "001A"}
    await feed([change("portal", "account", str(account_id), link, origin="portal", owner_id=str(account_id))])
    assert await pool.fetchval("SELECT count(*) FROM read_model.orders WHERE account_id = $1", account_id) == 1
    assert await pool.fetchval("SELECT count(*) FROM read_model.invoices WHERE account_id = $1", account_id) == 2


async def test_a_read_without_changes_raises_no_version_and_publishes_nothing(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    await feed([change("whmcs", "service", "55", SERVICE, owner_id="1001")])
    version = await pool.fetchval("SELECT version FROM read_model.account_versions WHERE account_id = $1", account)
    await pool.execute("TRUNCATE ingest.notices")
    await feed([change("whmcs", "service", "55", SERVICE, at=9000, owner_id="1001")])
    assert (
        await pool.fetchval("SELECT version FROM read_model.account_versions WHERE account_id = $1", account) == version
    )
    assert await pool.fetchval("SELECT count(*) FROM ingest.notices") == 0
    as_of = await pool.fetchval("SELECT as_of FROM read_model.subscriptions WHERE subscription_id = '55'")
    assert as_of == change("whmcs", "service", "55", at=9000).occurred_at


async def test_a_read_that_found_nothing_new_makes_documents_younger_and_is_no_news(
    pool: asyncpg.Pool, redis: Redis, account: UUID, feed: Feed
) -> None:
    await feed([change("whmcs", "client", "1001", CLIENT, owner_id="1001")])
    await publish.publish(pool, redis)
    store = Store(pool, "feed", "Asia/Tokyo")
    version = await changes.current(store, account)
    async with redis.pubsub() as listener:
        await listener.subscribe(documents.event_channel(account))
        await feed([change("whmcs", "client", "1001", CLIENT, at=9000, owner_id="1001")])
        assert await publish.publish(pool, redis) == []
        heard = [await listener.get_message(timeout=0.05) for _ in range(3)]
    assert [each["type"] for each in heard if each] == ["subscribe"]
    copy = await documents.read(pool, account, PROFILE)
    assert copy is not None
    assert copy.as_of == change("whmcs", "client", "1001", at=9000).occurred_at
    assert (await changes.since(store, account, version - 1)).events == (Event("profile.changed", "", version),)
    await pool.execute("DELETE FROM ingest.notices")  # as retention does
    assert (await changes.since(store, account, version - 1)).lost, "no news must not hide that news is lost"


async def test_one_poisonous_entry_parks_its_own_record_and_nobody_elses(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    poison = change("whmcs", "invoice", "66", {**INVOICE, "note": "poison"}, owner_id="1001")
    await feed([poison, change("whmcs", "invoice", "77", INVOICE, owner_id="1001")])
    for version in range(1, 6):
        await pool.execute("UPDATE ingest.inbox SET next_attempt_at = now() - interval '1 second'")
        await feed([change("whmcs", "invoice", "77", INVOICE, at=version, owner_id="1001")])
    letters = await pool.fetch("SELECT record_id, error, stack FROM ingest.dead_letters")
    assert [letter["record_id"] for letter in letters] == ["66"]
    assert "Poisoned" in letters[0]["error"]
    assert "Traceback" in letters[0]["stack"]
    assert await pool.fetchval("SELECT count(*) FROM read_model.invoices WHERE invoice_id = '77'") == 1
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE record_id = '77' AND settled_at IS NULL") == 0


async def test_a_value_the_database_cannot_take_is_the_entrys_fault_and_blocks_nobody(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    records = [change("whmcs", "service", f"{number}", SERVICE, owner_id="1001") for number in range(40)]
    poison = change("whmcs", "invoice", "9" * 30, INVOICE, owner_id="1001")
    await feed([poison, *records])
    assert await pool.fetchval("SELECT count(*) FROM read_model.subscriptions") == 40
    assert await pool.fetchval("SELECT attempts FROM ingest.inbox WHERE object = 'invoice' AND settled_at IS NULL") >= 1


async def test_what_changed_of_a_record_waits_behind_a_failing_entry_and_the_whole_record_goes_ahead(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    unsettled = "SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL"
    await feed([change("whmcs", "invoice", "66", {**INVOICE, "note": "poison"}, owner_id="1001")])
    await feed([change("whmcs", "invoice", "66", {"status": "Paid"}, at=1, kind="partial", owner_id="1001")])
    assert await pool.fetchval(unsettled) == 2
    await feed([change("whmcs", "invoice", "66", INVOICE, at=2, owner_id="1001")])
    assert await pool.fetchval(unsettled) == 0
    assert await pool.fetchval("SELECT count(*) FROM read_model.invoices WHERE invoice_id = '66'") == 1


def test_every_projection_module_is_registered() -> None:
    folder = Path(projections.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - NOT_SLICES
    assert modules == {module.__name__.rsplit(".", 1)[1] for module in SLICES}
