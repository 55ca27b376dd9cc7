"""`POST /api/account/refresh` is a read barrier: its token means that everything true upstream at that moment shows."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from app.commands.account.refresh_account import MOST_WAITING, PACE_SECONDS, READS
from app.commands.execution.context import Actor
from app.ingest.inbox.inbox import Inbox
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.http.logged_in import api, desk, hana, short_timeouts

__all__ = ["api", "desk", "hana", "short_timeouts"]

SILENT = {"silent": True}
LATER = {"Prefer": "wait=0"}
ACTIONS = {
    "profile": "GetClientsDetails",
    "invoices": "GetInvoices",
    "payment_methods": "GetPayMethods",
    "subscriptions": "GetClientsProducts",
}


async def refresh(api: httpx.AsyncClient, *areas: str) -> httpx.Response:
    return await api.post("/api/account/refresh", json={"areas": list(areas)})


async def token(api: httpx.AsyncClient, *areas: str) -> dict[str, str]:
    """Ask for a refresh; the headers of a query that waits for it."""
    response = await refresh(api, *areas)
    assert response.status_code == 202, response.text
    return {"Consistency-Token": response.headers["Consistency-Token"]}


async def change_everything_silently(desk: Desk, actor: Actor) -> dict[str, str]:
    """Change something in every area without any hook; what each area shows then."""
    control, client = desk.sandbox.control, actor.whmcs_client_id
    made = await control.post("/whmcs/invoices", json={"userid": client, "amount": "700", **SILENT})
    card = await control.post(
        f"/whmcs/clients/{client}/pay-methods", json={"card_number": "5555555555554444", **SILENT}
    )
    await control.patch(f"/whmcs/clients/{client}", json={"city": "Atamioka", **SILENT})
    pid = (await desk.resources.whmcs.services(client))[0].data["pid"]
    service = await control.post("/whmcs/services", json={"clientid": client, "pid": pid, **SILENT})
    for each in (made, card, service):
        each.raise_for_status()
    return {
        "/api/invoices": str(made.json()["id"]),
        "/api/payment-methods": str(card.json()["id"]),
        "/api/account/address": "Atamioka",
        "/api/subscriptions": str(service.json()["id"]),
    }


async def test_what_changed_without_a_word_shows_to_who_comes_back(
    api: httpx.AsyncClient, desk: Desk, hana: Actor
) -> None:
    expected = await change_everything_silently(desk, hana)
    for path, word in expected.items():
        assert word not in (await api.get(path)).text, path
    wait = await token(api, "profile", "invoices", "payment_methods", "subscriptions")
    assert (await api.get("/api/invoices", headers={**wait, **LATER})).headers["Consistency"] == "pending"
    await desk.settle()
    for path, word in expected.items():
        shown = await api.get(path, headers=wait)
        assert shown.headers["Consistency"] == "reached"
        assert word in shown.text, path


async def test_a_change_of_salesforces_shows_too(api: httpx.AsyncClient, desk: Desk, hana: Actor) -> None:
    await desk.resources.salesforce.update(
        "Account",
        hana.salesforce_account_id,
        {"Internet_Eligibility__c": "Home 10G", "Internet_Eligibility_Status__c": "Eligible"},
    )
    wait = await token(api, "eligibility")
    await desk.settle()
    shown = await api.get("/api/account/eligibility", headers=wait)
    assert (shown.headers["Consistency"], "10g" in shown.text.lower()) == ("reached", True)


async def test_only_the_areas_asked_for_are_read(api: httpx.AsyncClient, desk: Desk) -> None:
    before = len(await desk.sandbox.calls("whmcs"))
    response = await refresh(api, "payment_methods", "payment_methods")
    assert response.json() == {"areas": [{"area": "payment_methods", "upstream": "whmcs", "upstream_away": False}]}
    await desk.settle()
    called = {each["operation"] for each in (await desk.sandbox.calls("whmcs"))[before:]}
    assert called == {"GetPayMethods"}


@pytest.mark.parametrize("area", ACTIONS)
async def test_many_requests_are_one_read(api: httpx.AsyncClient, desk: Desk, area: str) -> None:
    before = len(await desk.sandbox.calls("whmcs"))
    answers = await asyncio.gather(*(refresh(api, area) for _ in range(MOST_WAITING - 2)))
    assert {each.status_code for each in answers} == {202}
    await asyncio.sleep(PACE_SECONDS)
    await desk.settle()
    counted = Counter(each["operation"] for each in (await desk.sandbox.calls("whmcs"))[before:])
    assert counted[ACTIONS[area]] <= 2
    for each in answers:
        wait = {"Consistency-Token": each.headers["Consistency-Token"], **LATER}
        assert (await api.get("/api/account/profile", headers=wait)).headers["Consistency"] == "reached"


async def test_every_request_reads_again(api: httpx.AsyncClient, desk: Desk, hana: Actor) -> None:
    await token(api, "payment_methods")
    await desk.settle()
    card = {"card_number": "5555555555554444", **SILENT}
    added = await desk.sandbox.control.post(f"/whmcs/clients/{hana.whmcs_client_id}/pay-methods", json=card)
    wait = await token(api, "payment_methods")
    await desk.settle()
    shown = await api.get("/api/payment-methods", headers=wait)
    assert str(added.json()["id"]) in [each["payment_method_id"] for each in shown.json()["items"]]


async def test_a_request_during_a_read_is_not_answered_by_it(api: httpx.AsyncClient, desk: Desk, hana: Actor) -> None:
    before = len(await desk.sandbox.calls("whmcs"))
    await desk.sandbox.fault("whmcs", "drip", operation="GetPayMethods", rate=1_500)  # the work is done before
    await token(api, "payment_methods")
    reading = asyncio.create_task(desk.settle())
    async with asyncio.timeout(20):
        while "GetPayMethods" not in {each["operation"] for each in (await desk.sandbox.calls("whmcs"))[before:]}:
            await asyncio.sleep(0.01)
    card = {"card_number": "5555555555554444", **SILENT}
    added = await desk.sandbox.control.post(f"/whmcs/clients/{hana.whmcs_client_id}/pay-methods", json=card)
    wait = await token(api, "payment_methods")
    await reading
    await desk.settle()
    shown = await api.get("/api/payment-methods", headers=wait)
    assert shown.headers["Consistency"] == "reached"
    assert str(added.json()["id"]) in [each["payment_method_id"] for each in shown.json()["items"]]


async def test_reads_of_one_list_keep_their_distance(api: httpx.AsyncClient, desk: Desk) -> None:
    await token(api, "invoices")
    await desk.settle()
    for _ in range(3):
        await token(api, "invoices")
    due = await desk.pool.fetch(
        "SELECT extract(epoch FROM next_attempt_at - received_at)::float8 AS seconds FROM ingest.inbox "
        "WHERE object = 'client_invoices' AND event_id LIKE 'refresh:%' ORDER BY id"
    )
    first, *others = [row["seconds"] for row in due]
    assert first <= 0.1
    assert all(0 < each <= PACE_SECONDS for each in others), "all wait for the same next read"


async def test_what_waits_is_bounded_and_says_so(api: httpx.AsyncClient, desk: Desk) -> None:
    await desk.sandbox.fault("whmcs", "down", count=1000)
    for _ in range(MOST_WAITING):
        await token(api, "profile", "orders")
    refused = await refresh(api, "profile")
    assert (refused.status_code, refused.json()["code"]) == (409, "refresh_in_progress")
    assert int(refused.headers["Retry-After"]) >= 1
    assert (await refresh(api, "payment_methods")).status_code == 202


async def test_while_an_upstream_is_away_the_barrier_is_not_reached_and_says_why(
    api: httpx.AsyncClient, desk: Desk, hana: Actor
) -> None:
    await desk.sandbox.fault("whmcs", "down", count=1000)
    await desk.pool.execute(
        "INSERT INTO read_model.upstreams (upstream, state) VALUES ('whmcs', 'open') "
        "ON CONFLICT (upstream) DO UPDATE SET state = 'open'"
    )
    response = await refresh(api, "invoices", "orders")
    assert [(each["area"], each["upstream_away"]) for each in response.json()["areas"]] == [
        ("invoices", True),
        ("orders", False),
    ]
    wait = {"Consistency-Token": response.headers["Consistency-Token"], "Prefer": "wait=0.3"}
    await desk.work.sweep()
    shown = await api.get("/api/invoices", headers=wait)
    assert (shown.status_code, shown.headers["Consistency"]) == (200, "pending")
    await desk.sandbox.clear_faults()
    await desk.pool.execute("UPDATE read_model.upstreams SET state = 'closed' WHERE upstream = 'whmcs'")
    desk.let_in()
    await desk.settle()
    assert (await api.get("/api/invoices", headers=wait)).headers["Consistency"] == "reached"


async def test_the_same_key_gets_the_same_token_and_reads_nothing_twice(api: httpx.AsyncClient, desk: Desk) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    answers = [await api.post("/api/account/refresh", json={"areas": ["profile"]}, headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert [each.status_code for each in answers] == [202, 202]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    hints = "SELECT count(*) FROM ingest.inbox WHERE event_id LIKE 'refresh:%'"
    assert await desk.pool.fetchval(hints) == 1


@pytest.mark.parametrize(
    "body",
    [{}, {"areas": []}, {"areas": ["everything"]}, {"areas": ["profile"] * (len(READS) + 1)}, {"areas": "profile"}],
)
async def test_what_to_read_is_named(api: httpx.AsyncClient, body: Any) -> None:
    assert (await api.post("/api/account/refresh", json=body)).status_code == 400


async def test_another_accounts_token_is_of_no_use(api: httpx.AsyncClient, desk: Desk, serve: Any) -> None:
    wait = await token(api, "profile")
    other = await desk.customer(number=1)
    from app.commands.identity.sessions.session_store import open_session

    assert other.user_id is not None
    opened = await open_session(desk.pool, desk.context.settings, other.user_id, "", "")
    headers = {"Authorization": f"Bearer {opened.token}", **wait}
    assert (await api.get("/api/account/profile", headers=headers)).status_code == 400


async def test_requests_are_limited(desk: Desk, hana: Actor, serve: Any, short_timeouts: Settings) -> None:
    from app.commands.identity.sessions.session_store import open_session

    strict = msgspec.structs.replace(short_timeouts, live_rate_per_minute=2)
    async with serve(strict) as client:
        assert hana.user_id is not None
        opened = await open_session(desk.pool, strict, hana.user_id, "", "")
        client.headers["Authorization"] = f"Bearer {opened.token}"
        statuses = [(await refresh(client, "profile")).status_code for _ in range(3)]
    assert statuses == [202, 202, 429]


async def test_a_refresh_is_recorded_as_a_whole_or_not_at_all(
    api: httpx.AsyncClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await token(api, *READS)
    rows = await desk.pool.fetch("SELECT submission, object FROM ingest.inbox WHERE event_id LIKE 'refresh:%'")
    assert len({row["submission"] for row in rows}) == 1
    assert {row["object"] for row in rows} == {name for names in READS.values() for name in names}
    assert isinstance(desk.context.inbox, Inbox)
