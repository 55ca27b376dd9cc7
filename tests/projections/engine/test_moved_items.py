"""Moved records: when the owner of a record changes, its rows move too and nothing stays with the old customer."""

from uuid import UUID

import asyncpg
import pytest

from app.readmodels.table import GLOBAL_ACCOUNT
from tests.fixtures.changes import CARD, CLIENT, INVOICE, ORDER, change
from tests.fixtures.linked import add_account


@pytest.fixture
async def other(pool: asyncpg.Pool, account: UUID) -> UUID:
    """A second linked account: WHMCS client 2002, Salesforce account 001B."""
    ids = {"whmcs_client_id": "2002", "salesforce_account_id": "001B", "customer_number": "C-000002"}
    _, account_id = await add_account(pool, {"email": "ken@example.jp", **ids})
    return account_id


async def holders(pool: asyncpg.Pool, slice_name: str) -> list[UUID]:
    rows = await pool.fetch(f"SELECT account_id FROM read_model.{slice_name} ORDER BY account_id")
    return [row["account_id"] for row in rows]


async def test_a_record_that_changes_owner_leaves_nothing_behind(
    pool: asyncpg.Pool, account: UUID, other: UUID, feed
) -> None:
    await feed(
        [
            change("salesforce", "Order", "801A", ORDER, owner_id="001A"),
            change("whmcs", "invoice", "77", INVOICE, owner_id="1001"),
            change("whmcs", "pay_method", "3", CARD, owner_id="1001"),
        ]
    )
    assert await holders(pool, "orders") == await holders(pool, "invoices") == [account]
    await feed(
        [
            change("salesforce", "Order", "801A", ORDER, at=5000, owner_id="001B"),
            change("whmcs", "invoice", "77", INVOICE, at=5000, owner_id="2002"),
            change("whmcs", "pay_method", "3", CARD, at=5000, owner_id="2002"),
        ]
    )
    for slice_name in ("orders", "invoices", "payment_methods"):
        assert await holders(pool, slice_name) == [other]


async def test_a_record_that_goes_to_nobody_we_know_is_shown_to_nobody(pool: asyncpg.Pool, account: UUID, feed) -> None:
    await feed([change("salesforce", "Order", "801A", ORDER, owner_id="001A")])
    await feed([change("salesforce", "Order", "801A", ORDER, at=5000, owner_id="001Z")])
    assert await holders(pool, "orders") == []


async def test_both_customers_hear_of_a_move(pool: asyncpg.Pool, account: UUID, other: UUID, feed) -> None:
    await feed([change("whmcs", "invoice", "77", INVOICE, owner_id="1001")])
    await pool.execute("TRUNCATE ingest.notices")
    await feed([change("whmcs", "invoice", "77", INVOICE, at=5000, owner_id="2002")])
    told = await pool.fetch("SELECT account_id, item_id FROM ingest.notices WHERE slice = 'invoices'")
    assert {(row["account_id"], row["item_id"]) for row in told} == {(account, "77"), (other, "77")}


async def test_a_mapping_that_moves_takes_the_old_owners_rows_away(pool: asyncpg.Pool, account: UUID, feed) -> None:
    data = {"whmcs_client_id": "1001", "salesforce_account_id": "001A"}
    linked = change("portal", "account", str(account), data, owner_id=str(account))
    await feed(
        [
            linked,
            change("salesforce", "Order", "801A", ORDER, owner_id="001A"),
            change("salesforce", "Order", "801M", ORDER, owner_id="001M"),
            change("whmcs", "client", "1001", CLIENT, owner_id="1001"),
            change("whmcs", "client", "3003", CLIENT, owner_id="3003"),
        ]
    )
    await pool.execute(
        "UPDATE portal.id_mappings SET salesforce_account_id = '001M', whmcs_client_id = '3003' WHERE account_id = $1",
        account,
    )
    moved = {"whmcs_client_id": "3003", "salesforce_account_id": "001M"}
    await feed([change("portal", "account", str(account), moved, at=9000, owner_id=str(account))])
    rows = await pool.fetch("SELECT account_id, order_id FROM read_model.orders")
    assert [tuple(row) for row in rows] == [(account, "801M")]
    assert await pool.fetchval("SELECT whmcs_client_id FROM read_model.profiles") == "3003"


async def test_a_withdrawn_document_is_gone_from_every_copy(pool: asyncpg.Pool, account: UUID, feed, settings) -> None:
    from tests.fixtures.changes import PRODUCT

    price = {"Product2Id": "01tA", "Pricebook2Id": settings.salesforce_pricebook_id, "IsActive": True, "UnitPrice": 1.0}
    await feed(
        [
            change("salesforce", "Product2", "01tA", PRODUCT),
            change("salesforce", "PricebookEntry", "01uA", price, parent_id="01tA"),
        ]
    )
    name = f"catalog/sim/{PRODUCT['StockKeepingUnit']}"
    where = "SELECT body FROM read_model.documents WHERE account_id = $1 AND name LIKE '%' || $2"
    assert await pool.fetchval(where, GLOBAL_ACCOUNT, PRODUCT["StockKeepingUnit"]), name
    await feed([change("salesforce", "PricebookEntry", "01uA", {**price, "IsActive": False}, at=5000)])
    assert await pool.fetchval(where, GLOBAL_ACCOUNT, PRODUCT["StockKeepingUnit"]) == b""
