"""Attempts to charge an invoice over HTTP: their customer reads them, and nobody else."""

import httpx

from app.commands.execution.context import Actor
from tests.commands.conftest import Desk
from tests.http.logged_in import api, desk, hana, short_timeouts

__all__ = ["api", "desk", "hana", "short_timeouts"]


async def test_a_customer_reads_every_attempt_and_what_to_do_next(
    api: httpx.AsyncClient, desk: Desk, hana: Actor
) -> None:
    invoice = await desk.bill(hana)
    path = f"/api/invoices/{invoice}/payment-attempts"
    assert (await api.get(path)).json() == {"items": []}
    await desk.sandbox.control.post("/whmcs/declines", json={"code": "insufficient_funds", "count": 1})
    refused = await api.post(f"/api/invoices/{invoice}/pay", headers={"Idempotency-Key": "first"})
    assert (refused.status_code, refused.json()["code"]) == (402, "insufficient_funds")
    await api.post(f"/api/invoices/{invoice}/pay", headers={"Idempotency-Key": "second"})
    found = await api.get(path)
    paid, declined = found.json()["items"]
    assert (paid["outcome"], paid["amount"]) == ("paid", {"amount": "1100", "currency": "JPY"})
    assert (declined["outcome"], declined["reason"], declined["by"]) == ("declined", "insufficient_funds", "you")
    assert declined["message"] == refused.json()["detail"]
    assert found.headers["Cache-Control"] == "private, no-cache"


async def test_anothers_invoice_is_as_absent_as_none(api: httpx.AsyncClient, desk: Desk, hana: Actor) -> None:
    stranger = await desk.customer(number=1)
    answers = [
        await api.get(f"/api/invoices/{number}/payment-attempts")
        for number in (await desk.bill(stranger), "99999999", "x")
    ]
    assert {(each.status_code, each.json()["code"]) for each in answers} == {(404, "invoice_not_found")}
