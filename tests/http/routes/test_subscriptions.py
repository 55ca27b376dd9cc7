"""Running services over the API and the sandbox, with a worker: what a command answers is what queries then show."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.ingest.catch_up.backfill import Backfill
from app.processes.worker import WorkerJobs
from app.resources import open_resources
from app.settings import Settings
from tests.http.routes.test_account import linked


@pytest.fixture
async def api(serve: Any, sandbox_settings: Settings, sandbox: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(sandbox_settings) as client:
        yield client


@pytest.fixture
async def worker(sandbox_settings: Settings, api: httpx.AsyncClient) -> AsyncIterator[None]:
    """A worker of this loop, looking for work all the time."""
    async with open_resources(sandbox_settings, pool_size=4) as resources:
        work, over = WorkerJobs(resources), asyncio.Event()

        async def sweep() -> None:
            while not over.is_set():
                await work.sweep()
                await asyncio.sleep(0.02)

        task = asyncio.create_task(sweep())
        yield
        over.set()
        await task


@pytest.fixture
async def catalog(sandbox_settings: Settings, worker: None) -> None:
    """The plans as Salesforce sells them."""
    async with open_resources(sandbox_settings, pool_size=4) as resources:
        fill = Backfill(resources.pool, resources.inbox)
        async for _ in fill.salesforce(resources.salesforce, ("Product2", "PricebookEntry")):
            pass
        await WorkerJobs(resources).sweep()


async def owner_of(api: httpx.AsyncClient, sandbox: Any, group: str) -> tuple[dict[str, str], str]:
    """Return the session of a customer with an active service of a category, and the service's id."""
    services = (await sandbox.control.get("/whmcs/services", params={"status": "Active"})).json()["records"]
    products = {each["pid"]: each for each in (await sandbox.control.get("/whmcs/products")).json()["records"]}
    clients = {each["whmcs_client_id"]: each for each in sandbox.state["customers"] if each["whmcs_client_id"]}
    for service in services:
        if products[service["pid"]]["groupname"] == group and str(service["clientid"]) in clients:
            headers = await linked(api, clients[str(service["clientid"])])
            await until(api, f"/api/subscriptions/{service['id']}", headers)
            await idle(api)
            return headers, str(service["id"])
    raise AssertionError(f"nobody has {group}")


async def until(api: httpx.AsyncClient, path: str, headers: dict[str, str]) -> Any:
    for _ in range(200):
        answer = await api.get(path, headers=headers)
        if answer.status_code == 200:
            return answer.json()
        await asyncio.sleep(0.05)
    raise AssertionError(answer.text)


async def idle(api: httpx.AsyncClient) -> None:
    """Wait until the worker has read everything that linking requests."""
    for _ in range(200):
        if (await api.get("/api/health/services/cache")).json()["inbox"]["waiting"] == 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the inbox does not empty")


def keyed(headers: dict[str, str], key: str = "") -> dict[str, str]:
    return {**headers, "Idempotency-Key": key or uuid4().hex}


async def test_a_cancellation_shows_in_its_own_answer_and_repeats_as_it_was(
    api: httpx.AsyncClient, sandbox: Any, worker: None
) -> None:
    headers, service_id = await owner_of(api, sandbox, "SIM")
    path = f"/api/subscriptions/{service_id}"
    before = (await api.get(path, headers=headers)).json()
    assert (before["status_text"], before["cancellation"], before["domain"]) == ("Active.", None, None)
    assert before["line"].isdigit()
    body = {"when": "end_of_period", "reason": "Moving"}
    answer = await api.post(f"{path}/cancel", json=body, headers=keyed(headers, "one"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["cancellation"] == {
        "when": "end_of_period",
        "requested_on": answer.json()["cancellation"]["requested_on"],
        "ends_on": before["next_due_on"],
    }
    again = await api.post(f"{path}/cancel", json=body, headers=keyed(headers, "one"))
    assert (again.headers["idempotency-replayed"], again.content) == ("true", answer.content)
    kept = await api.get(path, headers=headers)
    assert answer.headers.get("etag") in (None, kept.headers["etag"]), "none while it does not show"
    assert "etag" not in again.headers, "a replay may be of a former state"
    second = await api.post(f"{path}/cancel", json={"when": "now"}, headers=headers)
    assert (second.status_code, second.json()["code"]) == (409, "cancellation_exists")
    listed = (await api.get("/api/subscriptions", headers=headers)).json()["items"]
    assert [each["cancellation"]["when"] for each in listed if each["subscription_id"] == service_id] == [
        "end_of_period"
    ]
    token = {**headers, "Consistency-Token": answer.headers["consistency-token"]}
    assert (await api.get(path, headers=token)).headers["consistency"] == "reached"


async def test_an_upgrade_is_priced_ordered_and_shows_with_its_invoice(
    api: httpx.AsyncClient, sandbox: Any, worker: None, catalog: None
) -> None:
    headers, service_id = await owner_of(api, sandbox, "Hosting")
    path = f"/api/subscriptions/{service_id}"
    name = (await api.get(path, headers=headers)).json()["name"]
    offered = (await api.get(f"{path}/plans", headers=headers)).json()
    assert offered["sku"] == name.upper().replace(" ", "-")
    assert {each["sku"] for each in offered["items"]} | {offered["sku"]} == {
        "HOSTING-BASIC",
        "HOSTING-PRO",
        "HOSTING-BUSINESS",
    }
    chosen = offered["items"][-1]
    sku, wanted = chosen["sku"], chosen["name"]
    price = await api.post(f"{path}/preview", json={"sku": sku}, headers=headers)
    assert price.status_code == 200, price.text
    direction = price.json()["direction"]
    assert (direction, price.json()["price"]) == (chosen["direction"], chosen["price"])
    other = "downgrade" if direction == "upgrade" else "upgrade"
    wrong = await api.post(f"{path}/{other}", json={"sku": sku}, headers=keyed(headers))
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_direction")
    unkeyed = await api.post(f"{path}/{direction}", json={"sku": sku}, headers=headers)
    assert (unkeyed.status_code, unkeyed.json()["code"]) == (400, "idempotency_key_required")
    agreed = {"sku": sku, "due_now": price.json()["due_now"], "credit": price.json()["credit"]}
    answer = await api.post(f"{path}/{direction}", json=agreed, headers=keyed(headers, "up"))
    assert answer.status_code == 200, answer.text
    done = answer.json()
    if done["invoice_id"]:
        assert done["subscription"]["pending_change"]["invoice_id"] == done["invoice_id"]
        invoice = await api.get(f"/api/invoices/{done['invoice_id']}", headers=headers)
        assert invoice.json()["subtotal"] == price.json()["due_now"]
    else:
        assert done["subscription"]["name"] == wanted
    again = await api.post(f"{path}/{direction}", json=agreed, headers=keyed(headers, "up"))
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_change_planned_for_a_day_is_seen_listed_and_taken_back(
    api: httpx.AsyncClient, sandbox: Any, worker: None, catalog: None
) -> None:
    headers, service_id = await owner_of(api, sandbox, "Hosting")
    path = f"/api/subscriptions/{service_id}"
    before = await api.get(path, headers=headers)
    assert before.json()["scheduled_change"] is None
    chosen = (await api.get(f"{path}/plans", headers=headers)).json()["items"][0]
    day = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    route, body = f"{path}/{chosen['direction']}", {"sku": chosen["sku"], "effective_date": day}
    answer = await api.post(route, json=body, headers=keyed(headers, "later"))
    assert answer.status_code == 200, answer.text
    planned = {"sku": chosen["sku"], "name": chosen["name"], "direction": chosen["direction"], "effective_date": day}
    assert (answer.json()["state"], answer.json()["effective_date"]) == ("scheduled", day)
    assert answer.json()["subscription"]["scheduled_change"] == planned
    again = await api.post(route, json=body, headers=keyed(headers, "later"))
    assert (again.headers["idempotency-replayed"], again.content) == ("true", answer.content)
    token = {**headers, "Consistency-Token": answer.headers["consistency-token"]}
    seen = await api.get(path, headers={**token, "If-None-Match": before.headers["etag"]})
    assert (seen.status_code, seen.json()["scheduled_change"]) == (200, planned)
    listed = (await api.get("/api/subscriptions", headers=token)).json()["items"]
    assert [each["scheduled_change"] for each in listed if each["subscription_id"] == service_id] == [planned]
    wrong = [
        await api.post(route, json={**body, "effective_date": each}, headers=keyed(headers))
        for each in ("tomorrow", "2026-02-30", 20261201, "1999-12-31", "2999-12-31")
    ]
    found = [(each.status_code, each.json()["code"], each.json()["errors"][0]["field"]) for each in wrong]
    assert found == [
        *[(400, "invalid_request", "effective_date")] * 3,
        (422, "date_past", "effective_date"),
        (422, "date_too_far", "effective_date"),
    ]
    for _ in range(2):
        taken_back = await api.delete(f"{path}/scheduled-change", headers=headers)
        assert (taken_back.status_code, taken_back.json()["scheduled_change"]) == (200, None), taken_back.text
    shown = await api.get(path, headers={**headers, "If-None-Match": seen.headers["etag"]})
    assert (shown.status_code, shown.json()["scheduled_change"]) == (200, None)


async def test_where_nothing_is_planned_nothing_is_taken_back(
    api: httpx.AsyncClient, sandbox: Any, worker: None
) -> None:
    headers, service_id = await owner_of(api, sandbox, "SIM")
    answer = await api.delete(f"/api/subscriptions/{service_id}/scheduled-change", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_scheduled_change")


async def test_usage_and_panels_are_asked_for_and_never_kept_as_answers(
    api: httpx.AsyncClient, sandbox: Any, worker: None
) -> None:
    headers, service_id = await owner_of(api, sandbox, "Hosting")
    path = f"/api/subscriptions/{service_id}"
    used = await api.post(f"{path}/usage", headers=headers)
    assert used.status_code == 200, used.text
    assert used.headers["cache-control"] == "no-store"
    assert used.json()["hosting"]["disk_limit_megabytes"]
    links = [await api.post(f"{path}/control-panel-link", headers=keyed(headers, "panel")) for _ in range(2)]
    assert [link.status_code for link in links] == [200, 200]
    assert links[0].json()["url"] != links[1].json()["url"]
    assert '"live"' in links[0].headers["ratelimit-policy"]


async def test_a_strangers_service_is_as_absent_as_none_on_every_route(
    api: httpx.AsyncClient, sandbox: Any, worker: None
) -> None:
    _, service_id = await owner_of(api, sandbox, "SIM")
    stranger, _ = await owner_of(api, sandbox, "VPN")
    for route, body in (
        ("preview", {"sku": "SIM-DATA-5GB"}),
        ("upgrade", {"sku": "SIM-DATA-5GB"}),
        ("downgrade", {"sku": "SIM-DATA-5GB"}),
        ("cancel", {}),
        ("downgrade", {"sku": "SIM-DATA-5GB", "effective_date": "2999-01-01"}),
        ("usage", None),
        ("control-panel-link", None),
    ):
        answers = [
            await api.post(f"/api/subscriptions/{each}/{route}", json=body, headers=keyed(stranger))
            for each in (service_id, "99999999")
        ]
        found = [(answer.status_code, answer.json()["code"], answer.json()["detail"]) for answer in answers]
        assert found == [(404, "subscription_not_found", "There is no such subscription.")] * 2, route
    for each in (service_id, "99999999"):
        answer = await api.delete(f"/api/subscriptions/{each}/scheduled-change", headers=stranger)
        assert (answer.status_code, answer.json()["code"]) == (404, "subscription_not_found")


async def test_while_a_provider_is_away_its_problem_has_a_name(
    api: httpx.AsyncClient, sandbox: Any, worker: None
) -> None:
    headers, service_id = await owner_of(api, sandbox, "SIM")
    path = f"/api/subscriptions/{service_id}"
    await sandbox.fault("freebit", "down", count=50)
    used = await api.post(f"{path}/usage", headers=headers)
    assert (used.status_code, used.json()["code"]) == (503, "network_unavailable")
    assert used.headers["retry-after"]
    await sandbox.fault("whmcs", "down", count=50)
    refused = await api.post(f"{path}/cancel", json={}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "billing_unavailable")
    shown = await api.get(path, headers=headers)
    assert (shown.status_code, shown.json()["cancellation"]) == (200, None)


async def test_only_support_takes_a_cancellation_back_and_the_customer_is_told_how(
    api: httpx.AsyncClient, sandbox: Any, worker: None
) -> None:
    headers, service_id = await owner_of(api, sandbox, "VPN")
    path = f"/api/subscriptions/{service_id}/cancellation"
    none = await api.delete(path, headers=headers)
    assert (none.status_code, none.json()["code"]) == (404, "no_cancellation")
    cancelled = await api.post(f"/api/subscriptions/{service_id}/cancel", json={}, headers=headers)
    ends_on = cancelled.json()["cancellation"]["ends_on"]
    async with asyncio.timeout(30):
        while (await api.delete(path, headers=headers)).json()["code"] == "no_cancellation":
            await asyncio.sleep(0.05)
    refused = await api.delete(path, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "support_must_withdraw")
    assert ends_on in refused.json()["detail"]
    opened = await api.post("/api/cases", json=refused.json()["case"], headers=headers)
    assert opened.status_code == 201, opened.text
    assert service_id in opened.json()["subject"]
    assert ends_on in opened.json()["description"]
    missing = await api.delete("/api/subscriptions/999999/cancellation", headers=headers)
    assert (missing.status_code, missing.json()["code"]) == (404, "subscription_not_found")


async def test_a_cancellation_says_when_and_nothing_else(api: httpx.AsyncClient, sandbox: Any, worker: None) -> None:
    headers, service_id = await owner_of(api, sandbox, "SIM")
    for body in ({"when": "tomorrow"}, {"refund": True}, {"reason": "x" * 1001}):
        answer = await api.post(f"/api/subscriptions/{service_id}/cancel", json=body, headers=headers)
        assert answer.status_code == 400, answer.text
