"""Every documented bound: what an upstream changes in silence is answered as old once it may be, and then made up for.

Until its bound an answer is trusted and asks nothing. Past it, it comes at once, says that it is stale, and has a
worker read again; the next one shows the change.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from msgspec import Struct

from app.commands.execution.context import Actor
from app.readmodels.freshness import BOUND_SECONDS
from tests.commands.conftest import Desk
from tests.fixtures.remembered import forget_everywhere
from tests.http.logged_in import api, desk, hana, short_timeouts

__all__ = ["api", "desk", "hana", "short_timeouts"]

DOCUMENTED = {
    "client_invoices": 90,
    "invoice": 300,
    "client_services": 300,
    "service": 600,
    "pay_methods": 900,
    "gateways": 3_600,
    "products": 3_600,
    "client": 1_800,
}
MARGIN_SECONDS = 20

Change = Callable[[Desk, dict[str, str]], Awaitable[httpx.Response]]


class Case(Struct, frozen=True):
    """A query, a change upstream without any notification, and the part of the answer that shows it."""

    path: str
    change: Change
    shown: Callable[[Any], Any]


def patch(path: str, **fields: Any) -> Change:
    async def run(desk: Desk, ids: dict[str, str]) -> httpx.Response:
        return await desk.sandbox.control.patch(path.format(**ids), json={**fields, "silent": True})

    return run


def post(path: str, **fields: Any) -> Change:
    async def run(desk: Desk, ids: dict[str, str]) -> httpx.Response:
        return await desk.sandbox.control.post(path.format(**ids), json={**fields, "silent": True})

    return run


async def rename_gateways(desk: Desk, ids: dict[str, str]) -> httpx.Response:
    return await desk.sandbox.control.put("/whmcs/gateways", json={"stripe": "Card", "konbini": "Convenience store"})


def listed(name: str) -> Callable[[Any], Any]:
    return lambda answer: sorted(str(each[name]) for each in answer["items"])


CASES = {
    "client_invoices": Case("/api/invoices", patch("/whmcs/invoices/{invoice}", status="Cancelled"), listed("status")),
    "invoice": Case("/api/invoices/{invoice}", post("/whmcs/invoices/{invoice}/pay"), lambda answer: answer["status"]),
    "client_services": Case(
        "/api/subscriptions", patch("/whmcs/services/{service}", status="Terminated"), listed("status")
    ),
    "service": Case(
        "/api/subscriptions/{service}",
        patch("/whmcs/services/{service}", status="Terminated"),
        lambda answer: answer["status"],
    ),
    "pay_methods": Case(
        "/api/payment-methods", post("/whmcs/clients/{client}/pay-methods"), listed("payment_method_id")
    ),
    "gateways": Case("/api/payment-gateways", rename_gateways, listed("gateway")),
    "products": Case(
        "/api/public/services/vpn",
        patch("/whmcs/products/401", price="-1"),
        lambda answer: [each["orderable"] for each in answer["plans"]],
    ),
    "client": Case(
        "/api/account/profile",
        patch("/whmcs/clients/{client}", firstname="Hanako"),
        lambda answer: answer["first_name"],
    ),
}


@pytest.fixture
async def ids(request: pytest.FixtureRequest, desk: Desk, hana: Actor) -> dict[str, str]:
    if request.node.callspec.params["resource"] == "products":
        await desk.open()
        await desk.pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ('/data/Portal__chn', now())")
    service = await desk.pool.fetchval("SELECT min(subscription_id) FROM read_model.subscriptions")
    return {"invoice": await desk.bill(hana), "service": service, "client": hana.whmcs_client_id}


async def aged(desk: Desk, seconds: float) -> None:
    """As if everything had last been read so long ago."""
    await desk.pool.execute("UPDATE read_model.freshness SET verified_at = now() - $1 * interval '1 second'", seconds)
    for table in ("invoices", "subscriptions", "documents", "profiles"):
        await desk.pool.execute(f"UPDATE read_model.{table} SET as_of = now() - $1 * interval '1 second'", seconds)
    await forget_everywhere(desk.pool, desk.resources.redis)


async def asked(desk: Desk) -> int:
    """Return how often a re-read was requested."""
    return int(await desk.pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE event_id LIKE 'verify:%'"))


async def asked_behind(desk: Desk) -> None:
    """Wait until a request is written, which happens after the answer."""
    async with asyncio.timeout(20):
        while not await asked(desk):
            await asyncio.sleep(0.02)


def test_every_bound_is_as_documented_and_is_tried() -> None:
    assert BOUND_SECONDS == DOCUMENTED
    assert set(CASES) == set(BOUND_SECONDS)


@pytest.mark.parametrize("resource", CASES)
async def test_a_silent_change_shows_once_its_bound_has_passed_and_no_sooner_is_anything_asked(
    api: httpx.AsyncClient, desk: Desk, ids: dict[str, str], resource: str
) -> None:
    case = CASES[resource]
    path = case.path.format(**ids)
    before = (await api.get(path)).json()
    (await case.change(desk, ids)).raise_for_status()

    await aged(desk, BOUND_SECONDS[resource] - MARGIN_SECONDS)
    trusted = (await api.get(path)).json()
    assert (case.shown(trusted), trusted["stale"]) == (case.shown(before), False)
    assert await asked(desk) == 0

    await aged(desk, BOUND_SECONDS[resource] + 1)
    late = (await api.get(path)).json()
    assert (case.shown(late), late["stale"]) == (case.shown(before), True), "an answer comes at once, with its age"
    assert (datetime.now(UTC) - datetime.fromisoformat(late["as_of"])).total_seconds() > BOUND_SECONDS[resource]
    await asked_behind(desk)
    assert await asked(desk) == 1

    await desk.settle()
    after = (await api.get(path)).json()
    assert case.shown(after) != case.shown(before)
    assert after["stale"] is False


@pytest.mark.parametrize("resource", CASES)
async def test_what_did_not_change_is_fresh_again_once_it_was_read(
    api: httpx.AsyncClient, desk: Desk, ids: dict[str, str], resource: str
) -> None:
    path = CASES[resource].path.format(**ids)
    await aged(desk, BOUND_SECONDS[resource] + 1)
    first = (await api.get(path)).json()
    await asked_behind(desk)
    await desk.settle()
    second = (await api.get(path)).json()
    assert (first["stale"], second["stale"]) == (True, False)
    same = {"as_of": 0, "stale": 0, "stale_reason": 0}
    assert {**first, **same} == {**second, **same}


async def test_a_customer_number_is_looked_up_live_and_kept_for_half_a_minute(
    api: httpx.AsyncClient, desk: Desk
) -> None:
    async def check() -> Any:
        return (await api.post("/api/auth/customer-number/check", json={"customer_number": "C-NEW-1"})).json()

    assert await check() == {"can_sign_up": False, "reason": "unknown"}
    account = {"Name": "New", "SF_Account_No__c": "C-NEW-1"}
    (await desk.sandbox.control.post("/salesforce/Account", json=account)).raise_for_status()
    assert (await check())["reason"] == "unknown", "negative answers are kept too"
    [kept] = [key async for key in desk.resources.redis.scan_iter("portal:customer-number:*")]
    assert 0 < await desk.resources.redis.ttl(kept) <= 30
    await desk.resources.redis.delete(kept)
    assert (await check())["can_sign_up"] is True


async def test_support_cases_are_read_live(api: httpx.AsyncClient, desk: Desk, hana: Actor) -> None:
    assert (await api.get("/api/cases")).json()["items"] == []
    case = {
        "AccountId": hana.salesforce_account_id,
        "Subject": "A question",
        "Description": "About my line.",
        "Origin": "Portal Website",
        "Status": "New",
    }
    (await desk.sandbox.control.post("/salesforce/Case", json=case)).raise_for_status()
    assert [each["subject"] for each in (await api.get("/api/cases")).json()["items"]] == ["A question"]
