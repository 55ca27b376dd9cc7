"""Operations and fields whose end is announced: headers until then, 410 from then on, and counts of who still calls."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from app.cli.document import openapi_document, unconfigured
from app.http.policies.ending import AnnouncedEnd
from app.http.policies.policy import OPTION
from app.http.policies.table import routes_of
from app.http.routes.invoices import get_invoice, list_invoices, list_subscriptions
from app.http.versions.endings import overdue_operations
from app.settings import Settings
from tests.http.conftest import served
from tests.http.fast.test_path import hana
from tests.http.versions import invented
from tests.projections.conftest import feed

__all__ = ["feed", "hana"]

AHEAD = AnnouncedEnd(deprecated_on=date(2026, 1, 1), sunset_on=date(2099, 1, 1), see="/docs/versions#bills")
PAST = AnnouncedEnd(deprecated_on=date(2020, 1, 1), sunset_on=date(2021, 1, 1))
FIELDS = AnnouncedEnd(deprecated_on=date(2020, 1, 1), sunset_on=date(2021, 1, 1), fields=("plan",))
DECLARED = {list_invoices: AHEAD, get_invoice: PAST, list_subscriptions: FIELDS}


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    for handler, ending in DECLARED.items():
        policy = msgspec.structs.replace(handler.opt[OPTION], ending=ending)
        monkeypatch.setitem(handler.opt, OPTION, policy)


@pytest.fixture
async def running(declared: None, settings: Settings, pool: asyncpg.Pool, redis: Redis) -> AsyncIterator[Any]:
    rates = dict.fromkeys(("auth_rate_per_minute", "public_rate_per_minute", "account_rate_per_minute"), 100_000)
    async with served(
        msgspec.structs.replace(settings, **rates, read_deadline_seconds=60), invented.contract()
    ) as found:
        yield found


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_an_operation_that_ends_says_so_and_one_that_has_ended_is_gone_on_each_path(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    newest = hana | {"Portal-Version": invented.NEWEST}
    for more in ({"Prefer": "wait=0"}, {}, {}):
        ending = await api.get("/api/invoices", headers=newest | more)
        assert ending.headers["deprecation"] == "@1767225600"
        assert ending.headers["sunset"] == "Thu, 01 Jan 2099 00:00:00 GMT"
        assert ending.headers["link"] == '</docs/versions#bills>; rel="deprecation"; type="text/html"'
        gone = await api.get("/api/invoices/77", headers=newest | more)
        assert (gone.status_code, gone.json()["code"]) == (410, "operation_removed")
        assert "sunset" in gone.headers
        of_fields = await api.get("/api/subscriptions", headers=newest | more)
        assert (of_fields.status_code, of_fields.headers["deprecation"]) == (200, "@1577836800")
        other = await api.get("/api/account/profile", headers=newest | more)
        assert {"deprecation", "sunset", "link"}.isdisjoint(other.headers)
        both = await api.get("/api/invoices", headers=hana | more)
        assert both.headers["sunset"] == "Sat, 01 Jan 2028 00:00:00 GMT"
        assert both.headers["link"].count("rel=") == 2
    assert (await api.get("/docs/versions")).status_code == 200


async def test_uses_are_counted_by_version_and_ending_operation_on_each_path(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    def counts() -> list[float]:
        running[0].state.layers.access_log.flush()
        return [
            counted("portal_version_requests_total", version=invented.FORMER, chosen="default"),
            counted("portal_version_requests_total", version=invented.NEWEST, chosen="named"),
            counted("portal_version_requests_total", version="refused", chosen="named"),
            counted("portal_deprecated_requests_total", operation="listInvoices"),
        ]

    before = counts()
    for more in ({"Prefer": "wait=0"}, {}, {}):
        await api.get("/api/invoices", headers=hana | more)
        await api.get("/api/account/profile", headers=hana | more | {"Portal-Version": invented.NEWEST})
        await api.get("/api/account/profile", headers=hana | more | {"Portal-Version": f"made-up-{more}"})
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [3, 3, 3, 3]
    series = [each for each in REGISTRY.collect() if each.name == "portal_version_requests"]
    versions = {sample.labels["version"] for each in series for sample in each.samples}
    assert versions <= {invented.FORMER, invented.NEWEST, "refused"}


def test_the_document_marks_what_ends_and_the_check_finds_what_must_go(declared: None) -> None:
    document = msgspec.json.decode(openapi_document())
    invoices = document["paths"]["/api/invoices"]["get"]
    assert invoices["deprecated"] is True
    assert {"Deprecation", "Sunset", "Link"} <= set(invoices["responses"]["200"]["headers"])
    assert "410" in invoices["responses"]
    subscriptions = document["paths"]["/api/subscriptions"]["get"]
    assert "deprecated" not in subscriptions
    assert "Sunset" in subscriptions["responses"]["200"]["headers"]


def test_what_ended_long_ago_is_found(declared: None) -> None:
    assert overdue_operations(routes_of(unconfigured()), PAST.ends_at) == []
    overdue = overdue_operations(routes_of(unconfigured()), PAST.ends_at + 30 * 86_400)
    assert overdue == ["getInvoice", "listSubscriptions"]
