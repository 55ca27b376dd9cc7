"""Bills over HTTP: what a customer may ask for, and what is said while the billing system is away."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.commands.execution.context import Actor
from app.http.answering.problems import BillingUnavailable
from tests.commands.conftest import Desk
from tests.fixtures.remembered import forget_everywhere
from tests.http.logged_in import api, desk, hana, short_timeouts

__all__ = ["api", "desk", "hana", "short_timeouts"]

ADDRESS = {"address1": "1-1", "city": "Chiyoda", "state": "Tokyo", "postcode": "100-0001", "country": "JP"}
WRITES: dict[str, tuple[str, str, Any]] = {
    "payment link": ("POST", "/api/invoices/{invoice}/payment-link", None),
    "payment link for several": ("POST", "/api/invoices/payment-link", {"invoice_ids": ["{invoice}", "{other}"]}),
    "payment": ("POST", "/api/invoices/{invoice}/pay", None),
    "PDF link": ("POST", "/api/invoices/{invoice}/pdf-link", None),
    "payment methods link": ("POST", "/api/payment-methods/link", None),
    "profile": ("PATCH", "/api/account/profile", {"first_name": "Hanako"}),
    "address": ("PUT", "/api/account/address", ADDRESS),
}
FAULTS: dict[str, dict[str, Any]] = {
    "down": {"kind": "down", "count": 1000},
    "silent": {"kind": "timeout", "count": 1000},
    "cut off": {"kind": "reset", "count": 1000},
    "spoiled": {"kind": "garbage", "count": 1000},
    "500": {"kind": "status", "status": 500, "count": 1000},
}
READS = (
    "/api/invoices",
    "/api/invoices/{invoice}",
    "/api/subscriptions",
    "/api/subscriptions/{service}",
    "/api/subscriptions/{service}/invoices",
    "/api/payment-methods",
    "/api/payment-gateways",
    "/api/account/profile",
    "/api/account/address",
)
LONG_AGO = timedelta(hours=2)


@pytest.fixture
async def ids(desk: Desk, hana: Actor) -> dict[str, str]:
    """Return what Hana has."""
    service = await desk.pool.fetchval("SELECT min(subscription_id) FROM read_model.subscriptions")
    return {"invoice": await desk.bill(hana), "other": await desk.bill(hana), "service": service}


async def write(api: httpx.AsyncClient, name: str, ids: dict[str, str]) -> httpx.Response:
    method, path, body = WRITES[name]
    if body and "invoice_ids" in body:
        body = {"invoice_ids": [ids["invoice"], ids["other"]]}
    return await api.request(method, path.format(**ids), json=body, headers={"Idempotency-Key": str(uuid4())})


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert (response.status_code, body.get("code")) == (status, code), body
    return body


@pytest.mark.parametrize("name", WRITES)
async def test_every_link_and_write_succeeds_and_is_stored_by_nobody(
    api: httpx.AsyncClient, ids: dict[str, str], name: str
) -> None:
    response = await write(api, name, ids)
    assert response.status_code == 200, response.text
    assert "no-store" in response.headers["cache-control"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", WRITES)
async def test_while_the_billing_system_is_away_every_link_and_write_says_so_and_changes_nothing(
    api: httpx.AsyncClient, desk: Desk, ids: dict[str, str], name: str, fault: str
) -> None:
    profile = (await api.get("/api/account/profile")).json()
    await desk.sandbox.fault("whmcs", **FAULTS[fault])
    response = await write(api, name, ids)
    said = problem(response, 503, "billing_unavailable")
    assert said["detail"] == BillingUnavailable.detail
    assert int(response.headers["retry-after"]) == said["retry_after"] > 0
    await desk.sandbox.clear_faults()
    desk.let_in()
    assert await desk.payments(ids["invoice"]) == []
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.captures") == 0
    assert (await api.get("/api/account/profile")).json()["first_name"] == profile["first_name"]


@pytest.mark.parametrize("name", ["payment link", "payment link for several", "payment methods link"])
async def test_an_address_to_return_to_that_is_not_configured_is_a_422(
    api: httpx.AsyncClient, ids: dict[str, str], name: str
) -> None:
    method, path, _ = WRITES[name]
    body: dict[str, Any] = {"return_url": "https://evil.example/"}
    if "several" in name:
        body["invoice_ids"] = [ids["invoice"]]
    said = problem(await api.request(method, path.format(**ids), json=body), 422, "return_url_not_allowed")
    assert [each["field"] for each in said["errors"]] == ["return_url"]


async def test_our_own_credentials_being_refused_is_no_business_of_the_customers(
    api: httpx.AsyncClient, desk: Desk, ids: dict[str, str]
) -> None:
    (await desk.sandbox.control.put("/whmcs/access", json={"allowed_ips": []})).raise_for_status()
    for name in WRITES:
        said = problem(await write(api, name, ids), 503, "billing_unavailable")
        assert "IP" not in said["detail"]


async def test_while_the_billing_system_is_away_queries_answer_whole_and_say_how_old_they_are(
    api: httpx.AsyncClient, desk: Desk, ids: dict[str, str]
) -> None:
    before = {path: (await api.get(path.format(**ids))).json() for path in READS}
    assert not any(answer["stale"] for answer in before.values())
    await everything_aged(desk, LONG_AGO)
    await desk.sandbox.fault("whmcs", "down", count=1000)
    for path in READS:
        response = await api.get(path.format(**ids))
        assert response.status_code == 200, response.text
        now = response.json()
        assert now["stale"] is True, path
        assert datetime.now(UTC) - datetime.fromisoformat(now["as_of"]) >= LONG_AGO, path
        same = {"as_of": 0, "stale": 0, "stale_reason": 0}
        assert {**now, **same} == {**before[path], **same}, path


async def everything_aged(desk: Desk, by: timedelta) -> None:
    """As if nothing had been read for so long."""
    await desk.pool.execute("UPDATE read_model.freshness SET verified_at = verified_at - $1::interval", by)
    for table in ("invoices", "subscriptions", "documents", "profiles"):
        await desk.pool.execute(f"UPDATE read_model.{table} SET as_of = as_of - $1::interval", by)
    await forget_everywhere(desk.pool, desk.resources.redis)


async def test_an_account_that_was_never_read_is_not_answered_in_part(
    api: httpx.AsyncClient, desk: Desk, ids: dict[str, str]
) -> None:
    await desk.pool.execute("DELETE FROM read_model.freshness WHERE resource = 'client_invoices'")
    problem(await api.get("/api/invoices"), 503, "not_ready")


async def test_payment_needs_a_key_and_the_same_key_gets_the_same_answer(
    api: httpx.AsyncClient, desk: Desk, ids: dict[str, str]
) -> None:
    path = f"/api/invoices/{ids['invoice']}/pay"
    problem(await api.post(path), 400, "idempotency_key_required")
    first, second = [await api.post(path, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert first.json() == second.json()
    assert first.json()["amount"] == {"amount": "1100", "currency": "JPY"}
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(await desk.payments(ids["invoice"])) == 1
    token = first.headers["Consistency-Token"]
    await desk.settle()
    shown = await api.get(f"/api/invoices/{ids['invoice']}", headers={"Consistency-Token": token})
    assert (shown.headers["Consistency"], shown.json()["status"]) == ("reached", "paid")


async def test_a_declined_payment_is_a_402_that_says_why(
    api: httpx.AsyncClient, desk: Desk, hana: Actor, ids: dict[str, str]
) -> None:
    [card] = await desk.resources.whmcs.pay_methods(hana.whmcs_client_id)
    await desk.sandbox.control.patch(f"/whmcs/pay-methods/{card.record_id}", json={"card_last_four": "0002"})
    said = problem(await write(api, "payment", ids), 402, "payment_declined")
    assert "nothing was charged" in said["detail"]


async def test_a_paid_invoice_is_refused_with_its_reason(
    api: httpx.AsyncClient, desk: Desk, ids: dict[str, str]
) -> None:
    assert (await write(api, "payment", ids)).status_code == 200
    await desk.settle()
    for name in ("payment link", "payment link for several", "payment"):
        said = problem(await write(api, name, ids), 409, "invoice_not_payable")
        assert [each["code"] for each in said["errors"]] == ["invoice_paid"], name


async def test_filters_and_sorts_are_named_and_nothing_else_is_taken(
    api: httpx.AsyncClient, desk: Desk, ids: dict[str, str]
) -> None:
    good = {"status": "unpaid", "from": "2000-01-01", "to": "2099-12-31", "sort": "-due_on", "limit": 1}
    page = (await api.get("/api/invoices", params=good)).json()
    assert len(page["items"]) == 1
    rest = await api.get("/api/invoices", params={**good, "cursor": page["next_cursor"]})
    assert rest.json()["items"][0]["invoice_id"] != page["items"][0]["invoice_id"]
    other_order = await api.get("/api/invoices", params={"sort": "total", "cursor": page["next_cursor"]})
    assert [each["code"] for each in problem(other_order, 400, "invalid_request")["errors"]] == ["token_invalid"]
    for wrong in ({"status": "late"}, {"sort": "name"}, {"from": "yesterday"}, {"to": "2026-13-01"}):
        problem(await api.get("/api/invoices", params=wrong), 400, "invalid_request")
    backwards = problem(
        await api.get("/api/invoices", params={"from": "2026-02-01", "to": "2026-01-01"}), 400, "invalid_request"
    )
    assert backwards["errors"][0]["field"] == "to"
    problem(await api.get("/api/invoices", params={"issued_from": "2026-01-01"}), 400, "unknown_parameter")


async def test_invoices_are_in_the_currency_of_the_client(api: httpx.AsyncClient, desk: Desk, hana: Actor) -> None:
    await desk.sandbox.control.patch(f"/whmcs/clients/{hana.whmcs_client_id}", json={"currency": "USD"})
    invoice_id = await desk.bill(hana, amount="12.34")
    await desk.reread("client_invoices", hana.whmcs_client_id)
    assert (await api.get(f"/api/invoices/{invoice_id}")).json()["total"] == {"amount": "13.57", "currency": "USD"}
    listed = (await api.get("/api/invoices")).json()["items"]
    assert {each["balance"]["currency"] for each in listed} == {"USD"}


async def test_a_refund_is_shown_with_its_payment(api: httpx.AsyncClient, desk: Desk, ids: dict[str, str]) -> None:
    invoice_id = ids["invoice"]
    await desk.sandbox.control.post(f"/whmcs/invoices/{invoice_id}/pay")
    (await desk.sandbox.control.post(f"/whmcs/invoices/{invoice_id}/refund", json={"amount": "100"})).raise_for_status()
    await desk.reread("invoice", invoice_id)
    shown = (await api.get(f"/api/invoices/{invoice_id}")).json()
    [payment], [refund] = shown["payments"], shown["refunds"]
    assert (payment["refunded"]["amount"], refund["amount"]["amount"]) == ("100", "100")
    assert refund["payment_id"] == payment["payment_id"]
    assert (shown["paid"]["amount"], shown["refunded"]["amount"], shown["balance"]["amount"]) == (
        "1100",
        "100",
        "100",
    )


async def test_a_payment_link_may_name_a_gateway_and_nothing_else(api: httpx.AsyncClient, ids: dict[str, str]) -> None:
    path = f"/api/invoices/{ids['invoice']}/payment-link"
    assert (await api.post(path)).status_code == 200
    assert (await api.post(path, json={})).status_code == 200
    assert (await api.post(path, json={"gateway": "banktransfer"})).status_code == 200
    problem(await api.post(path, json={"gateway": "shells"}), 422, "gateway_unknown")
    problem(await api.post(path, json={"gateway": 7}), 400, "invalid_request")
    problem(await api.post(path, json={"destination": "clientarea.php"}), 400, "unknown_field")
    problem(await api.post(path, json={"return_url": "https://elsewhere.example"}), 422, "return_url_not_allowed")


async def test_an_invoice_that_only_the_body_names_may_be_absent_and_the_document_says_so(
    api: httpx.AsyncClient, ids: dict[str, str]
) -> None:
    for absent in ("999999", "\u00cc\u0016"):
        body = {"invoice_ids": [ids["invoice"], absent]}
        problem(await api.post("/api/invoices/payment-link", json=body), 404, "invoice_not_found")
    document = (await api.get("/schema/openapi.json")).json()
    assert "404" in document["paths"]["/api/invoices/payment-link"]["post"]["responses"]


async def test_a_card_added_on_whmcss_page_is_shown_without_a_webhook(
    api: httpx.AsyncClient, desk: Desk, hana: Actor
) -> None:
    """The steps that the route's description asks of a frontend when the customer returns."""
    before = len((await api.get("/api/payment-methods")).json()["items"])
    added = await desk.sandbox.control.post(f"/whmcs/clients/{hana.whmcs_client_id}/pay-methods", json={"silent": True})
    added.raise_for_status()
    working = asyncio.create_task(_work(desk))
    answer = await api.get("/api/payment-methods", headers={"Cache-Control": "no-cache", "Prefer": "wait=8"})
    working.cancel()
    assert len(answer.json()["items"]) == before + 1


async def _work(desk: Desk) -> None:
    while True:
        await desk.work.sweep()
        await asyncio.sleep(0.05)
