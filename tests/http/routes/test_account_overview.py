"""Timeline and notifications over the API: paged stably, read once and for good, and nobody else's."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from app.projections import rebuild
from app.queries import changes
from app.queries.reading.store import Store
from app.settings import Settings
from tests.fixtures.changes import CARD, CASE, CLOSED, COMMENT, INVOICE, ORDER, change
from tests.http.guards.test_roles import without_command
from tests.projections.conftest import feed, first_generations
from tests.projections.generated import of

__all__ = ["feed", "first_generations"]

Headers = dict[str, str]
LogIn = Callable[[httpx.AsyncClient, str], Awaitable[dict[str, str]]]


async def customer(api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: LogIn, name: str) -> Headers:
    account_id = await add_customer(name)
    await pool.execute("UPDATE portal.id_mappings SET linked_at = '2026-01-01' WHERE account_id = $1", account_id)
    for resource in ("client_invoices", "client_services", "pay_methods"):
        await pool.execute("INSERT INTO read_model.freshness VALUES ($1, $2, now())", account_id, resource)
    return {"authorization": f"Bearer {(await log_in(api, name))['token']}"}


@pytest.fixture
async def hana(api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: LogIn, feed: Any) -> Headers:
    """An invoice before and one after she joined, an order, a case that was answered and closed."""
    headers = await customer(api, pool, add_customer, log_in, "hana")
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ('/data/Portal__chn', now())")
    before = {**INVOICE, "date": "2025-06-01", "duedate": "2025-06-15", "status": "Paid"}
    await feed(
        [
            change("whmcs", "invoice", "76", before, owner_id="client-hana"),
            change("whmcs", "invoice", "77", INVOICE, owner_id="client-hana"),
            change("salesforce", "Order", "801A", ORDER, owner_id="account-hana"),
            change("salesforce", "Case", "500A", {**CASE, **CLOSED}, owner_id="account-hana"),
            change("salesforce", "CaseComment", "00aA", COMMENT, parent_id="500A"),
        ]
    )
    return headers


@pytest.fixture
async def kenji(api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: LogIn, hana: Headers) -> Headers:
    return await customer(api, pool, add_customer, log_in, "kenji")


async def read(api: httpx.AsyncClient, headers: Headers, path: str, **params: Any) -> dict[str, Any]:
    answer = await api.get(f"/api/account/{path}", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


TOLD = [
    "case_closed",
    "case_answered",
    "case_opened",
    "order_in_review",
    "invoice_overdue",
    "invoice_issued",
    "invoice_issued",
]
NOTIFIED = ["case_closed", "case_answered", "invoice_overdue", "invoice_issued"]


async def test_one_history_over_all_areas_newest_first(api: httpx.AsyncClient, hana: Headers) -> None:
    found = await read(api, hana, "timeline")
    assert [item["kind"] for item in found["items"]] == TOLD
    assert (found["next_cursor"], found["stale"]) == (None, False)
    assert [item["kind"] for item in (await read(api, hana, "timeline", area="cases"))["items"]] == TOLD[:3]


async def test_pages_of_it_join_without_gap_or_repetition_while_entries_are_added(
    api: httpx.AsyncClient, hana: Headers, feed: Any
) -> None:
    seen, page = [], await read(api, hana, "timeline", limit=2)
    seen += page["items"]
    answer = {**COMMENT, "CreatedDate": "2026-02-09T01:00:00.000+0000"}
    await feed([change("salesforce", "CaseComment", "00aB", answer, parent_id="500A")])
    while cursor := page["next_cursor"]:
        page = await read(api, hana, "timeline", limit=2, cursor=cursor)
        seen += page["items"]
    assert [item["kind"] for item in seen] == TOLD
    assert (await read(api, hana, "timeline", limit=1))["items"][0]["kind"] == "case_answered"


async def test_an_unchanged_history_is_not_sent_again(api: httpx.AsyncClient, hana: Headers) -> None:
    for path in ("timeline", "notifications", "summary"):
        first = await api.get(f"/api/account/{path}", headers=hana)
        again = await api.get(f"/api/account/{path}", headers={**hana, "if-none-match": first.headers["etag"]})
        assert (first.status_code, again.status_code, again.content) == (200, 304, b""), path
        assert first.headers["cache-control"] == "private, no-cache"


async def test_notifications_are_what_matters_since_the_customer_joined(api: httpx.AsyncClient, hana: Headers) -> None:
    found = await read(api, hana, "notifications")
    assert [item["kind"] for item in found["items"]] == NOTIFIED
    assert (found["unread"], [item["read"] for item in found["items"]]) == (4, [False] * 4)
    assert found["items"][2]["invoice_id"] == "77"
    assert (await read(api, hana, "summary"))["unread_notifications"] == 4


async def test_every_change_of_the_notifications_is_an_event(
    api: httpx.AsyncClient, hana: Headers, feed: Any, pool: asyncpg.Pool
) -> None:
    account = await pool.fetchval("SELECT account_id FROM portal.id_mappings")
    store = Store(pool, "/data/Portal__chn", "Asia/Tokyo")

    async def told(work: Awaitable[Any]) -> int:
        before = await changes.current(store, account)
        await work
        found = (await changes.since(store, account, before)).events
        return [each.name for each in found].count("notification.changed")

    answer = {**COMMENT, "CreatedDate": "2026-02-09T01:00:00.000+0000"}
    assert await told(feed([change("salesforce", "CaseComment", "00aB", answer, parent_id="500A")])) == 1
    target = (await read(api, hana, "notifications"))["items"][0]["notification_id"]
    path = f"/api/account/notifications/{target}/read"
    assert await told(api.post(path, headers=hana)) == 1
    assert await told(api.post(path, headers=hana)) == 0, "it was read already"
    assert await told(api.post("/api/account/notifications/read", json={}, headers=hana)) == 1
    assert await told(feed([change("whmcs", "pay_method", "9", CARD, owner_id="client-hana")])) == 0


async def test_one_is_read_and_stays_read(api: httpx.AsyncClient, hana: Headers) -> None:
    target = (await read(api, hana, "notifications"))["items"][1]["notification_id"]
    for _ in range(2):
        answer = await api.post(f"/api/account/notifications/{target}/read", headers=hana)
        assert (answer.status_code, answer.json()) == (200, {"unread": 3})
    found = await read(api, hana, "notifications")
    assert [item["read"] for item in found["items"]] == [False, True, False, False]
    unread = await read(api, hana, "notifications", unread="true")
    assert target not in [item["notification_id"] for item in unread["items"]]
    assert len(unread["items"]) == unread["unread"] == 3


async def test_all_that_were_seen_are_read_and_one_that_came_meanwhile_is_not(
    api: httpx.AsyncClient, hana: Headers, feed: Any
) -> None:
    newest = (await read(api, hana, "notifications"))["items"][0]["notification_id"]
    answer = {**COMMENT, "CreatedDate": "2026-02-09T01:00:00.000+0000"}
    await feed([change("salesforce", "CaseComment", "00aB", answer, parent_id="500A")])
    path = "/api/account/notifications/read"
    assert (await api.post(path, json={"up_to": newest}, headers=hana)).json() == {"unread": 1}
    assert (await api.post(path, json={}, headers=hana)).json() == {"unread": 0}
    assert (await read(api, hana, "notifications", unread="true"))["items"] == []


@pytest.mark.usefixtures("first_generations")
async def test_a_repeated_event_and_a_rebuild_make_no_new_notification(
    api: httpx.AsyncClient, hana: Headers, pool: asyncpg.Pool, feed: Any, settings: Settings
) -> None:
    await api.post("/api/account/notifications/read", json={}, headers=hana)
    again = [
        change("whmcs", "invoice", "77", INVOICE, at=9000, owner_id="client-hana"),
        change("salesforce", "CaseComment", "00aA", COMMENT, at=9000, parent_id="500A"),
    ]
    await feed([*again, *again])
    for name in ("timeline_invoices", "timeline_cases", "timeline_orders"):
        assert (await rebuild.rebuild(pool, of(settings, name))).serving
    found = await read(api, hana, "notifications")
    assert [item["kind"] for item in found["items"]] == NOTIFIED
    assert found["unread"] == 0


async def test_they_are_the_accounts_own(api: httpx.AsyncClient, hana: Headers, kenji: Headers) -> None:
    hers = (await read(api, hana, "notifications"))["items"][0]["notification_id"]
    for path in ("timeline", "notifications"):
        assert (await read(api, kenji, path))["items"] == []
    answers = [
        await api.post(f"/api/account/notifications/{each}/read", headers={**kenji, "x-request-id": "same"})
        for each in (hers, str(UUID(int=1)))
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert without_command(answers[0]) == without_command(answers[1])
    assert answers[0].json()["code"] == "notification_not_found"
    await api.post("/api/account/notifications/read", json={"up_to": hers}, headers=kenji)
    assert (await read(api, hana, "notifications"))["unread"] == 4


async def test_a_cursor_of_one_account_or_list_is_none_of_another(
    api: httpx.AsyncClient, hana: Headers, kenji: Headers
) -> None:
    cursor = (await read(api, hana, "timeline", limit=1))["next_cursor"]
    for headers, path in ((kenji, "timeline"), (hana, "notifications")):
        answer = await api.get(f"/api/account/{path}", params={"cursor": cursor}, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "token_invalid")


async def test_an_account_never_read_has_no_empty_history(
    api: httpx.AsyncClient, pool: asyncpg.Pool, hana: Headers
) -> None:
    await pool.execute("DELETE FROM read_model.freshness")
    for path in ("timeline", "notifications", "summary"):
        answer = await api.get(f"/api/account/{path}", headers=hana)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
