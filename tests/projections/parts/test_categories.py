"""The category of a service follows from its product, however it and its siblings are called."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.events import Change
from app.intake import unreadable
from app.projections.engine import fan_outs, referrers
from app.projections.parts.categories import group_categories
from app.projections.registry import projectors
from app.settings import Settings, SettingsError
from tests.fixtures.changes import PRODUCT, SERVICE, change

Feed = Callable[[Sequence[Change]], Awaitable[None]]


def service(name: str = "A service", *, pid: str = "900", group: str = "", number: int = 55, at: int = 0) -> Change:
    data = {**SERVICE, "name": name, "pid": pid, "groupname": group}
    return change("whmcs", "service", str(number), data, at=at, owner_id="1001")


def product(category: Any, record_id: str = "01tA", *, at: int = 0, number: Any = 900.0, **more: Any) -> Change:
    data = {**PRODUCT, "Product2Categories1__c": category, "WH_Product_ID__c": number, **more}
    return change("salesforce", "Product2", record_id, data, at=at)


async def category(pool: asyncpg.Pool, number: int = 55) -> str:
    row = await pool.fetchrow(
        "SELECT category, convert_from(document, 'UTF8')::jsonb ->> 'category' AS shown FROM read_model.subscriptions "
        "WHERE subscription_id = $1",
        str(number),
    )
    assert row["category"] == row["shown"]
    return str(row["category"])


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("VPN for Internet travellers", ""),
        ("PASSIMO VPN", ""),
        ("Simple Hosting", ""),
        ("SonixNet", "NTT Fiber Internet plans"),
        ("Internet", "Simulation"),
        ("sim", "SIM cards"),
    ],
)
async def test_no_name_makes_a_category(pool: asyncpg.Pool, account: UUID, feed: Feed, name: str, group: str) -> None:
    unreadable.taken()
    await feed([service(name, group=group)])
    assert await category(pool) == "other"
    assert ("service", "pid", "55") in [(each.object, each.field, each.record_id) for each in unreadable.taken()]


@pytest.mark.parametrize(
    ("group", "expected"),
    [("VPN", "vpn"), (" vpn ", "vpn"), ("ＳＩＭ", "sim"), ("Web hosting", "hosting"), ("Internet", "internet")],
)
async def test_a_group_that_is_called_as_a_category_is_of_it(
    pool: asyncpg.Pool, account: UUID, feed: Feed, group: str, expected: str
) -> None:
    await feed([service("Internet SIM VPN Hosting", group=group)])
    assert await category(pool) == expected


@pytest.mark.parametrize("number", [900.0, "900", " 900", 900])
@pytest.mark.parametrize("first", ["service", "product"])
async def test_the_catalog_knows_better_than_the_group(
    pool: asyncpg.Pool, account: UUID, feed: Feed, first: str, number: Any
) -> None:
    news = [service("VPN for Internet travellers", group="Internet"), product("VPN", number=number)]
    await feed(news if first == "service" else news[::-1])
    assert await category(pool) == "vpn"


async def test_a_product_that_changes_takes_its_services_with_it(pool: asyncpg.Pool, account: UUID, feed: Feed) -> None:
    await feed([product("VPN"), service(), service(pid="901", number=56)])
    assert (await category(pool), await category(pool, 56)) == ("vpn", "other")
    await feed([product("SIM", at=1000)])
    assert await category(pool) == "sim"
    await feed([product("SIM", at=2000, number=901.0)])
    assert (await category(pool), await category(pool, 56)) == ("other", "sim")
    await feed([change("salesforce", "Product2", "01tA", at=3000, kind="deleted")])
    assert await category(pool, 56) == "other"


async def test_contradicting_products_give_no_category(pool: asyncpg.Pool, account: UUID, feed: Feed) -> None:
    await feed([service(group="VPN"), product("VPN"), product("SIM", "01tB")])
    assert await category(pool) == "other"
    await feed([product("SIM", "01tB", at=1000, IsActive=False)])
    assert await category(pool) == "vpn", "of what is not sold any more it was the category before"


async def test_a_product_of_very_many_services_is_followed_in_the_background(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(referrers, "AT_ONCE", 3)
    await feed([service(number=number) for number in range(60, 67)])
    await feed([product("VPN")])
    assert await category(pool, 60) == "other", "left to the background"
    assert [size async for size in fan_outs.run(pool, projectors(settings))] == [3, 3, 1, 0] * 3, (
        "charges, subscriptions and the timeline"
    )
    assert {await category(pool, number) for number in range(60, 67)} == {"vpn"}


async def test_a_product_read_again_unchanged_touches_no_service(
    pool: asyncpg.Pool, account: UUID, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    await feed([product("VPN"), service()])
    monkeypatch.setattr(referrers, "AT_ONCE", 0)
    await feed([product("VPN", at=5000)])
    assert await pool.fetchval("SELECT count(*) FROM ingest.fanouts") == 0
    await feed([product("SIM", at=6000)])
    assert await pool.fetchval("SELECT count(*) FROM ingest.fanouts") == 3, "charges, subscriptions, timeline"


def test_groups_with_names_of_their_own_are_a_setting() -> None:
    found = group_categories("Fibre 1G = internet, Mobile=SIM,")
    assert (found["fibre 1g"], found["mobile"], found["vpn"]) == ("internet", "sim", "vpn")


@pytest.mark.parametrize("setting", ["Fibre=cable", "Fibre", "=sim"])
def test_a_category_that_there_is_not_is_refused(setting: str) -> None:
    with pytest.raises(SettingsError, match="WHMCS_GROUP_CATEGORIES"):
        group_categories(setting)
