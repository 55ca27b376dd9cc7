"""What every list can do: filter by several values, search, and count what it filters, of one account only."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from app.queries.reading import page
from tests.fixtures.changes import CLIENT, INVOICE, ORDER, PRODUCT, SERVICE, change
from tests.fixtures.linked import add_account
from tests.projections.conftest import feed

__all__ = ["feed"]

Feed = Callable[[Sequence[Any]], Awaitable[None]]
LISTS = (
    "/api/orders",
    "/api/invoices",
    "/api/subscriptions",
    "/api/charges",
    "/api/payment-methods",
    "/api/account/timeline",
    "/api/account/notifications",
)
VPN = {**PRODUCT, "StockKeepingUnit": "VPN-GLOBAL", "Name": "ＶＰＮ グローバル", "WH_Product_ID__c": 401.0}
FEE = {**PRODUCT, "StockKeepingUnit": "FEE", "Item_Class__c": "Activation", "WH_Product_ID__c": 333.0}
LINE = {"id": "1", "type": "Hosting", "relid": "55", "description": "SIM 5 GB (1/2)", "amount": "1480.00", "taxed": "1"}


def records(account: str, client: str, offset: int) -> list[Any]:
    """Two orders, three invoices, two services and a fee of one customer."""
    owner, order, service = {"owner_id": client}, f"801{account}", str(offset)
    item = {"Product2Id": "01tB", "Quantity": 1.0, "UnitPrice": 980.0}
    approved = {**ORDER, "OrderNumber": "00000200", "Status": "Approved", "WHMCS_Order_ID__c": f"0{offset}.0"}
    return [
        change("whmcs", "client", client, CLIENT, **owner),
        change("salesforce", "Account", account, {}, owner_id=account),
        change("salesforce", "Order", f"{order}1", ORDER, owner_id=account),
        change("salesforce", "OrderItem", f"802{account}", item, parent_id=f"{order}1"),
        change("salesforce", "Order", f"{order}2", approved, owner_id=account),
        change("whmcs", "service", service, {**SERVICE, "orderid": str(offset), "domain": "070-1234-5678"}, **owner),
        change("whmcs", "service", f"{offset + 1}", {**SERVICE, "status": "Suspended", "pid": "401"}, **owner),
        change("whmcs", "service", f"{offset + 2}", {**SERVICE, "pid": "333"}, **owner),
        *(
            change("whmcs", "invoice", f"{offset + n}", {**INVOICE, "status": word, "items": [LINE]}, **owner)
            for n, word in enumerate(("Paid", "Unpaid", "Refunded"))
        ),
    ]


async def read_whole(pool: asyncpg.Pool, accounts: Sequence[UUID]) -> None:
    """Say that every list of these accounts was read, and that the feed answers."""
    for resource in ("client_services", "client_invoices", "pay_methods"):
        for account in accounts:
            await pool.execute("INSERT INTO read_model.freshness VALUES ($1, $2, now())", account, resource)
    await pool.execute(
        "INSERT INTO read_model.feeds (feed, as_of) VALUES ('/data/Portal__chn', now()) "
        "ON CONFLICT (feed) DO UPDATE SET as_of = now(), silent_since = NULL"
    )


@pytest.fixture
async def hana(
    api: httpx.AsyncClient, pool: asyncpg.Pool, feed: Feed, log_in: Any, password_hash: str
) -> Callable[..., Awaitable[Any]]:
    """Read a list as Hana; Kenji has the same of everything."""
    accounts = []
    for name, client, account in (("hana", "1001", "001A"), ("kenji", "1002", "001B")):
        ids = {"whmcs_client_id": client, "salesforce_account_id": account, "customer_number": f"C-{name}"}
        person = {"email": f"{name}@example.jp", **ids}
        accounts.append((await add_account(pool, person, password_hash=password_hash))[1])
    products = [
        change("salesforce", "Product2", f"01t{n}", each) for n, each in (("A", PRODUCT), ("B", VPN), ("C", FEE))
    ]
    await feed([*products, *records("001A", "1001", 55), *records("001B", "1002", 75)])
    await read_whole(pool, accounts)
    token = (await log_in(api, "hana"))["token"]

    async def read(path: str, status: int = 200) -> Any:
        response = await api.get(path, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == status, response.text
        return response.json()

    return read


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_is_counted_on_request_and_whatever_its_page(hana: Any, path: str) -> None:
    whole = await hana(f"{path}?limit=100")
    assert "count" not in whole
    first = await hana(f"{path}?limit=1&count=true")
    assert first["count"] == len(whole["items"])
    if first["next_cursor"]:
        later = await hana(f"{path}?limit=1&count=true&cursor={first['next_cursor']}")
        assert later["count"] == first["count"]


@pytest.mark.parametrize(
    ("path", "ids", "expected"),
    [
        ("/api/invoices?status=paid&status=refunded", "invoice_id", ["57", "55"]),
        ("/api/invoices?status=overdue&status=refunded", "invoice_id", ["57", "56"]),
        ("/api/invoices?status=paid&status=paid", "invoice_id", ["55"]),
        ("/api/subscriptions?status=active&status=suspended", "subscription_id", ["56", "55"]),
        ("/api/subscriptions?status=suspended", "subscription_id", ["56"]),
        ("/api/charges?status=active&status=pending", "charge_id", ["57"]),
        ("/api/orders?status=approved&status=cancelled", "order_id", ["801001A2"]),
    ],
)
async def test_of_several_values_of_a_filter_any_will_do(hana: Any, path: str, ids: str, expected: list[str]) -> None:
    found = await hana(f"{path}&count=true")
    assert [each[ids] for each in found["items"]] == expected
    assert found["count"] == len(expected)


async def test_areas_of_the_timeline_are_counted_together(hana: Any) -> None:
    orders, services = (
        await hana("/api/account/timeline?area=orders"),
        await hana("/api/account/timeline?area=services"),
    )
    both = await hana("/api/account/timeline?area=orders&area=services&count=true")
    assert both["count"] == len(both["items"]) == len(orders["items"]) + len(services["items"])
    assert orders["items"]
    assert services["items"]


@pytest.mark.parametrize(
    "path", ["/api/invoices?status=paid,refunded", "/api/orders?status=", "/api/orders?count=maybe"]
)
async def test_a_value_that_is_none_is_refused(hana: Any, path: str) -> None:
    assert (await hana(path, 400))["code"] in ("invalid_request", "invalid_parameter")


@pytest.mark.parametrize(
    ("path", "ids", "expected"),
    [
        ("/api/orders?q=vpn", "order_id", ["801001A1"]),
        ("/api/orders?q=グローバル", "order_id", ["801001A1"]),
        ("/api/orders?q=vpn-global", "order_id", ["801001A1"]),
        ("/api/orders?q=00000200", "order_id", ["801001A2"]),
        ("/api/orders?q=%20", "order_id", ["801001A2", "801001A1"]),
        ("/api/orders?q=nothing", "order_id", []),
        ("/api/invoices?q=５ gb (1/2)", "invoice_id", ["57", "56", "55"]),
        ("/api/invoices?q=1_2", "invoice_id", []),
        ("/api/invoices?q=%25", "invoice_id", []),
        ("/api/subscriptions?q=07012345678", "subscription_id", ["55"]),
        ("/api/subscriptions?q=070-1234", "subscription_id", ["55"]),
        ("/api/subscriptions?q=sim&status=suspended", "subscription_id", ["56"]),
    ],
)
async def test_a_search_finds_numbers_and_names_of_the_account_and_nothing_else(
    hana: Any, path: str, ids: str, expected: list[str]
) -> None:
    found = await hana(f"{path}&count=true")
    assert [each[ids] for each in found["items"]] == expected
    assert found["count"] == len(expected)


async def test_a_search_is_bounded(hana: Any) -> None:
    assert (await hana(f"/api/orders?q={'a' * 101}", 400))["code"] in ("invalid_request", "invalid_parameter")
    assert (await hana("/api/orders?q=a%00b", 400))["code"] in ("invalid_request", "invalid_parameter")


async def test_rows_of_the_release_before_are_searched_in_what_they_show(hana: Any, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE read_model.subscriptions SET search = NULL")
    assert [each["subscription_id"] for each in (await hana("/api/subscriptions?q=5 GB"))["items"]] == ["56", "55"]


async def test_counting_stops_where_a_list_is_too_long(hana: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_COUNTED", 1)
    page._count_statement.cache_clear()
    assert (await hana("/api/invoices?count=true"))["count"] == 1
    page._count_statement.cache_clear()


async def test_an_order_in_a_list_names_its_items(hana: Any) -> None:
    named = {each["order_id"]: each["item_names"] for each in (await hana("/api/orders"))["items"]}
    assert named == {"801001A1": ["ＶＰＮ グローバル"], "801001A2": []}


async def test_a_subscription_names_its_sku_and_the_accounts_own_order(hana: Any) -> None:
    found = {
        each["subscription_id"]: (each["sku"], each["order_id"]) for each in (await hana("/api/subscriptions"))["items"]
    }
    assert found == {"55": ("SIM-5GB", "801001A2"), "56": ("VPN-GLOBAL", None)}


async def test_a_number_typed_into_another_customers_order_names_no_order(hana: Any, feed: Feed) -> None:
    """Kenji's order claims the WHMCS order of Hana's service."""
    claimed = {**ORDER, "Status": "Approved", "WHMCS_Order_ID__c": "55"}
    await feed([change("salesforce", "Order", "801001A2", {**ORDER, "Status": "Approved"}, at=9000, owner_id="001A")])
    await feed([change("salesforce", "Order", "801001B1", claimed, at=9000, owner_id="001B")])
    found = {each["subscription_id"]: each["order_id"] for each in (await hana("/api/subscriptions"))["items"]}
    assert found == {"55": None, "56": None}
