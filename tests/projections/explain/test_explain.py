"""Explain: every read model's row leads back to the records and changes that made it, and what is odd is said."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.errors import NotFound
from app.events import Change
from app.ingest.apply.status_history import STAGE
from app.projections.explain import explain
from app.projections.explain.shapes import Explanation
from app.projections.registry import projectors
from app.settings import Settings
from tests.fixtures.changes import CARD, CLIENT, INVOICE, ORDER, PRODUCT, SERVICE, change
from tests.ingest.poisoned import DUE

Feed = Callable[[Sequence[Change]], Awaitable[None]]
Why = Callable[[str, str], Awaitable[Explanation]]


@pytest.fixture
def why(pool: asyncpg.Pool, settings: Settings, current_generations: None) -> Why:
    named = {projector.name: projector for projector in projectors(settings)}

    async def run(resource: str, item_id: str) -> Explanation:
        async with pool.acquire() as connection:
            return await explain(connection, named[resource], item_id)

    return run


def history(settings: Settings) -> list[Change]:
    price = {
        "Product2Id": "01tA",
        "Pricebook2Id": settings.salesforce_pricebook_id,
        "IsActive": True,
        "UnitPrice": 1480.0,
    }
    item = {"Product2Id": "01tA", "Quantity": 1.0, "UnitPrice": 1480.0}
    return [
        change("salesforce", "Product2", "01tA", PRODUCT),
        change("salesforce", "PricebookEntry", "01uA", price, parent_id="01tA"),
        change("salesforce", "Account", "001A", {"Internet_Eligibility__c": "Home 1G"}, owner_id="001A"),
        change("salesforce", "Order", "801A", ORDER, owner_id="001A"),
        change("salesforce", "OrderItem", "802A", item, parent_id="801A"),
        change("whmcs", "client", "1001", CLIENT, owner_id="1001"),
        change("whmcs", "service", "55", SERVICE, owner_id="1001"),
        change("whmcs", "invoice", "77", INVOICE, owner_id="1001"),
        change("whmcs", "client_invoices", "1001", {"ids": ["77"]}, owner_id="1001"),
        change("whmcs", "pay_method", "3", CARD, owner_id="1001"),
        change("whmcs", "pay_method", "4", CARD, owner_id="1001"),
        change("whmcs", "gateway", "mailin", {"displayname": "Bank transfer"}),
    ]


@pytest.mark.parametrize(
    ("resource", "item_id", "made_of"),
    [
        ("orders", "801A", {("root", "801A"), ("child", "802A"), ("referred to", "01tA")}),
        ("invoices", "77", {("root", "77"), ("list", "1001")}),
        ("subscriptions", "55", {("root", "55")}),
        ("payment_methods", "3", {("member", "3")}),
        ("payment_methods", "1001", {("member", "3"), ("member", "4")}),
        ("profiles", "1001", {("member", "1001")}),
        ("eligibility", "001A", {("member", "001A")}),
        ("catalog", "SIM-5GB", {("member", "01tA"), ("member", "01uA")}),
        ("catalog", "01tA", {("member", "01tA"), ("member", "01uA")}),
        ("gateways", "mailin", {("member", "mailin")}),
        ("freshness", "1001", {("member", "1001")}),
    ],
)
async def test_a_row_leads_back_to_what_it_was_made_of(
    why: Why, feed: Feed, account: UUID, settings: Settings, resource: str, item_id: str, made_of: set[Any]
) -> None:
    await feed(history(settings))
    found = await why(resource, item_id)
    assert found.rows
    assert {(source.role, source.record_id) for source in found.sources} >= made_of
    assert found.remarks == []
    for source in found.sources:
        if source.role in ("root", "child", "member") and source.object not in STAGE.values():
            assert source.record is not None
            assert [entry.outcome for entry in source.entries][-1] == "applied"


async def test_an_id_that_nobody_knows_is_said_for_every_read_model(why: Why, settings: Settings) -> None:
    for projector in projectors(settings):
        with pytest.raises(NotFound, match=f"Nothing is known of {projector.name} unknown"):
            await why(projector.name, "unknown")


async def test_no_data_of_a_record_shows(why: Why, feed: Feed, account: UUID, settings: Settings) -> None:
    await feed(history(settings))
    text = msgspec.json.encode(await why("profiles", "1001")).decode()
    assert CLIENT["email"] not in text
    assert CLIENT["lastname"] not in text


async def test_changes_stand_in_order_with_what_became_of_each(why: Why, feed: Feed, account: UUID) -> None:
    await feed(
        [
            change("whmcs", "invoice", "77", INVOICE, at=1000, owner_id="1001"),
            change("whmcs", "invoice", "77", {**INVOICE, "status": "Paid"}, at=3000, owner_id="1001", origin="refetch"),
            change("whmcs", "invoice", "77", INVOICE, at=2000, owner_id="1001", origin="backfill"),
        ]
    )
    (source,) = (await why("invoices", "77")).sources
    assert [(entry.origin, entry.outcome) for entry in source.entries] == [
        ("cdc", "applied"),
        ("refetch", "applied"),
        ("backfill", "stale"),
    ]
    assert source.record is not None
    assert source.record.version == source.entries[1].version


async def test_what_is_not_linked_waits_and_that_is_said(why: Why, feed: Feed) -> None:
    await feed([change("whmcs", "invoice", "77", INVOICE, owner_id="9")])
    (remark,) = (await why("invoices", "77")).remarks
    assert "owner 9 is linked to no portal account" in remark


async def test_what_is_deleted_upstream_is_said(why: Why, feed: Feed, account: UUID) -> None:
    await feed([change("whmcs", "invoice", "77", INVOICE, owner_id="1001")])
    await feed([change("whmcs", "invoice", "77", at=1, kind="deleted")])
    (remark,) = (await why("invoices", "77")).remarks
    assert remark == "It is deleted upstream, so there is no row."


async def test_a_hint_that_waits_to_be_read_again_is_said(why: Why, feed: Feed, account: UUID) -> None:
    await feed([change("whmcs", "invoice", "77", INVOICE, owner_id="1001")])
    await feed([change("whmcs", "invoice", "77", kind="hint", origin="webhook")])
    (remark,) = (await why("invoices", "77")).remarks
    assert "waits to be read again upstream: entry 2" in remark


async def test_a_parked_record_is_said_with_its_dead_letter(
    why: Why, feed: Feed, account: UUID, pool: asyncpg.Pool
) -> None:
    await feed([change("whmcs", "invoice", "77", INVOICE, owner_id="1001")])
    poison = change("whmcs", "invoice", "77", {**INVOICE, "note": "poison"}, at=1, owner_id="1001")
    later = change("whmcs", "invoice", "77", {"status": "Paid"}, at=2, kind="partial", owner_id="1001")
    await feed([poison])
    for _ in range(5):
        await pool.execute(DUE)
        await feed([change("whmcs", "gateway", "x", {"displayname": "x"})])
    await feed([later])
    found = await why("invoices", "77")
    assert len(found.rows) == 1
    (remark,) = found.remarks
    assert "parked since" in remark
    assert "1 later entries wait behind it" in remark
    (source,) = found.sources
    assert [(letter.entry_id, letter.resolution) for letter in source.letters] == [(2, None)]


async def test_only_the_newest_entries_show_and_how_many_came_before(
    why: Why, feed: Feed, account: UUID, pool: asyncpg.Pool
) -> None:
    await feed([change("whmcs", "invoice", "77", INVOICE, at=n, owner_id="1001") for n in range(25)])
    (source,) = (await why("invoices", "77")).sources
    assert (len(source.entries), source.earlier) == (20, 5)
    assert source.entries[-1].id == 25


async def test_a_row_that_a_command_made_and_nothing_confirmed_is_said(
    why: Why, account: UUID, pool: asyncpg.Pool
) -> None:
    await pool.execute(
        "INSERT INTO read_model.pending (account_id, slice, item_id, submission, summary, document) "
        "VALUES ($1, 'orders', '801P', 42, '', '')",
        account,
    )
    found = await why("orders", "801P")
    assert "pending until submission 42" in found.remarks[-1]
