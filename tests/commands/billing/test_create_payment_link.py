"""Links into WHMCS: for one's own unpaid invoice, for one click, and kept nowhere."""

import ssl
from typing import Any

import httpx
import msgspec
import pytest

from app.commands.billing.create_payment_link import (
    MOST_AT_ONCE,
    PayInvoice,
    PayInvoices,
    create_invoice_pdf_link,
    create_payment_link,
    create_payments_link,
)
from app.commands.billing.create_payment_methods_link import create_payment_methods_link
from app.commands.billing.pay_invoice import pay_invoice
from app.commands.billing.sso_link import Link
from app.commands.execution.context import Actor
from app.errors import Conflict, NotAllowed, NotFound, RuleViolated, UpstreamUnavailable
from app.readmodels.freshness import BOUND_SECONDS


async def someone_with_invoices(desk: Any) -> tuple[Actor, dict[str, str]]:
    """Return a customer with an invoice of each status, and the invoice id by status."""
    for customer in desk.sandbox.state["customers"]:
        if not customer["whmcs_client_id"]:
            continue
        body = await desk.resources.whmcs.call(
            "GetInvoices", {"userid": customer["whmcs_client_id"], "limitnum": 100}, timeout_seconds=30
        )
        rows = body["invoices"]["invoice"] if body.get("invoices") else []
        if {"Paid", "Unpaid"} <= {row["status"] for row in rows}:
            actor = await desk.link(customer, None)
            return actor, {row["status"].lower(): str(row["id"]) for row in rows}
    raise AssertionError("no sample customer has both a paid and an unpaid invoice")


def browser(desk: Any) -> httpx.AsyncClient:
    """Return a customer's browser."""
    trust = ssl.create_default_context(cafile=desk.context.settings.ca_file)
    return httpx.AsyncClient(verify=trust, follow_redirects=True, trust_env=False)


async def open_link(desk: Any, url: str) -> httpx.Response:
    """Open a link in a browser and return what it shows."""
    async with browser(desk) as visitor:
        return await visitor.get(url)


async def test_a_link_opens_the_invoice_once(desk: Any) -> None:
    actor, invoices = await someone_with_invoices(desk)

    done = await create_payment_link(desk.context, actor, PayInvoice(invoices["unpaid"]))

    assert isinstance(done.result, Link)
    assert done.result.expires_in_seconds == 60
    page = await open_link(desk, done.result.url)
    assert page.status_code == 200
    assert page.url.path.endswith("/viewinvoice.php")
    assert page.url.params["id"] == invoices["unpaid"]
    again = await open_link(desk, done.result.url)
    assert "viewinvoice" not in again.url.path


async def test_a_paid_invoice_is_not_payable(desk: Any) -> None:
    actor, invoices = await someone_with_invoices(desk)

    with pytest.raises(Conflict) as refused:
        await create_payment_link(desk.context, actor, PayInvoice(invoices["paid"]))

    assert refused.value.code == "invoice_not_payable"
    assert [(each.field, each.code) for each in refused.value.errors] == [("invoice_id", "invoice_paid")]


@pytest.mark.parametrize(
    ("theirs", "code"),
    [
        ("Paid", "invoice_paid"),
        ("Cancelled", "invoice_cancelled"),
        ("Refunded", "invoice_refunded"),
        ("Payment Pending", "invoice_payment_pending"),
        ("Collections", "invoice_collections"),
    ],
)
async def test_every_status_that_takes_no_payment_says_which_it_is(desk: Any, theirs: str, code: str) -> None:
    actor = await desk.customer()
    invoice_id = await desk.bill(actor)
    await desk.sandbox.control.patch(f"/whmcs/invoices/{invoice_id}", json={"status": theirs, "silent": True})
    await desk.reread("invoice", invoice_id)

    with pytest.raises(Conflict) as refused:
        await create_payment_link(desk.context, actor, PayInvoice(invoice_id))

    assert (refused.value.code, [each.code for each in refused.value.errors]) == ("invoice_not_payable", [code])


async def aged(desk: Any, invoice_id: str) -> None:
    """As if the invoice had last been read longer ago than it may be believed."""
    seconds = BOUND_SECONDS["invoice"] + 1
    await desk.pool.execute(
        "UPDATE read_model.invoices SET as_of = as_of - $2 * interval '1 second' WHERE invoice_id = $1",
        invoice_id,
        seconds,
    )


async def test_past_its_bound_an_invoice_is_asked_live_before_a_link_is_given(desk: Any) -> None:
    actor = await desk.customer()
    paid, gone = await desk.bill(actor), await desk.bill(actor)
    await desk.sandbox.control.post(f"/whmcs/invoices/{paid}/pay", json={"silent": True})
    await desk.sandbox.control.delete(f"/whmcs/invoices/{gone}")
    for invoice_id in (paid, gone):
        await aged(desk, invoice_id)

    with pytest.raises(Conflict) as refused:
        await create_payment_link(desk.context, actor, PayInvoice(paid))
    with pytest.raises(NotFound) as absent:
        await create_payment_link(desk.context, actor, PayInvoice(gone))
    await desk.settle()

    assert [each.code for each in refused.value.errors] == ["invoice_paid"]
    assert absent.value.code == "invoice_not_found"
    assert await desk.pool.fetchval("SELECT status FROM read_model.invoices WHERE invoice_id = $1", paid) == "paid"


async def test_one_link_leads_to_where_several_invoices_are_paid_with_one_payment(desk: Any) -> None:
    actor = await desk.customer()
    wanted, other = [await desk.bill(actor) for _ in range(3)], await desk.bill(actor)

    done = await create_payments_link(desk.context, actor, PayInvoices([*wanted, wanted[0]]))
    async with browser(desk) as visitor:
        page = await visitor.get(done.result.url)
        assert page.url.params["action"] == "masspay"
        bill = await visitor.post(str(page.url), data={"geninvoice": "true"})
        assert "received" in (await visitor.post(str(bill.url), data={"pay": "1"})).text
    await desk.reread("client_invoices", actor.whmcs_client_id)

    rows = await desk.pool.fetch("SELECT invoice_id, status, collective, paid FROM read_model.invoices")
    found = {row["invoice_id"]: row for row in rows}
    assert [found[each]["status"] for each in (*wanted, other)] == ["paid", "paid", "paid", "unpaid"]
    [collective] = [row for row in rows if row["collective"]]
    assert (collective["status"], str(collective["paid"])) == ("paid", "3300")


async def test_one_of_several_goes_to_its_own_page(desk: Any) -> None:
    actor = await desk.customer()
    invoice_id = await desk.bill(actor)
    done = await create_payments_link(desk.context, actor, PayInvoices([invoice_id]))
    assert (await open_link(desk, done.result.url)).url.path.endswith("/viewinvoice.php")


async def test_several_are_refused_together_and_each_says_why(desk: Any) -> None:
    actor, stranger = await desk.customer(), await desk.customer(number=1)
    unpaid, paid, cancelled, foreign = [await desk.bill(who) for who in (actor, actor, actor, stranger)]
    await desk.sandbox.control.post(f"/whmcs/invoices/{paid}/pay")
    await desk.sandbox.control.patch(f"/whmcs/invoices/{cancelled}", json={"status": "Cancelled"})
    await desk.reread("client_invoices", actor.whmcs_client_id)

    with pytest.raises(Conflict) as refused:
        await create_payments_link(desk.context, actor, PayInvoices([unpaid, paid, cancelled]))
    with pytest.raises(NotFound):
        await create_payments_link(desk.context, actor, PayInvoices([unpaid, foreign]))

    problems = [(each.field, each.code) for each in refused.value.errors]
    assert problems == [("invoice_ids.1", "invoice_paid"), ("invoice_ids.2", "invoice_cancelled")]
    assert not [each for each in await desk.sandbox.calls("whmcs") if each["operation"] == "CreateSsoToken"]


@pytest.mark.parametrize("ids", [[], ["1"] * (MOST_AT_ONCE + 1), ["9" * 21]])
def test_how_many_at_once_is_bounded(ids: list[str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"invoice_ids": ids}, PayInvoices)


async def test_a_link_downloads_the_invoice_as_the_billing_system_prints_it(desk: Any) -> None:
    actor, invoices = await someone_with_invoices(desk)
    for invoice_id in invoices.values():
        done = await create_invoice_pdf_link(desk.context, actor, PayInvoice(invoice_id))
        page = await open_link(desk, done.result.url)
        assert page.headers["content-type"] == "application/pdf"
        assert f"Invoice #{invoice_id}".encode() in page.content


async def test_a_draft_and_a_strangers_invoice_are_not_downloaded(desk: Any) -> None:
    actor, stranger = await desk.customer(), await desk.customer(number=1)
    draft = await desk.bill(actor)
    await desk.sandbox.control.patch(f"/whmcs/invoices/{draft}", json={"status": "Draft"})
    await desk.reread("invoice", draft)

    for who in (actor, stranger):
        with pytest.raises(NotFound) as absent:
            await create_invoice_pdf_link(desk.context, who, PayInvoice(draft))
        assert absent.value.code == "invoice_not_found"


@pytest.mark.parametrize("known", [True, False])
async def test_a_draft_is_absent_for_every_payment_also_where_the_read_model_does_not_know_of_it_yet(
    desk: Any, known: bool
) -> None:
    actor = await desk.customer()
    draft = await desk.bill(actor)
    await desk.sandbox.control.patch(f"/whmcs/invoices/{draft}", json={"status": "Draft", "silent": True})
    await (desk.reread("invoice", draft) if known else aged(desk, draft))

    for command, request in (
        (create_payment_link, PayInvoice(draft)),
        (create_invoice_pdf_link, PayInvoice(draft)),
        (create_payments_link, PayInvoices([draft])),
        (pay_invoice, PayInvoice(draft)),
    ):
        with pytest.raises(NotFound) as absent:
            await command(desk.context, actor, request)
        assert absent.value.code == "invoice_not_found"
    assert not [each for each in await desk.sandbox.calls("whmcs") if each["operation"] == "CapturePayment"]


async def test_a_client_barred_from_single_sign_on_is_refused(desk: Any) -> None:
    actor = await desk.customer()
    change = {"allow_single_sign_on": False}
    await desk.sandbox.control.patch(f"/whmcs/clients/{actor.whmcs_client_id}", json=change)

    with pytest.raises(NotAllowed) as refused:
        await create_payment_methods_link(desk.context, actor, None)

    assert refused.value.code == "billing_login_blocked"


async def test_every_link_is_another(desk: Any) -> None:
    actor, invoices = await someone_with_invoices(desk)
    links = {
        (await create_payment_link(desk.context, actor, PayInvoice(invoices["unpaid"]))).result.url for _ in range(3)
    }
    assert len(links) == 3


async def test_a_stranger_s_invoice_is_as_absent_as_none(desk: Any) -> None:
    _, invoices = await someone_with_invoices(desk)
    stranger = await desk.customer(with_card=False, number=1)

    for invoice_id in (invoices["unpaid"], "99999999", "x"):
        with pytest.raises(NotFound) as refused:
            await create_payment_link(desk.context, stranger, PayInvoice(invoice_id))
        assert (refused.value.code, refused.value.detail) == ("invoice_not_found", "Invoice not found.")


async def test_the_payment_methods_link_opens_the_page_where_cards_are_added(desk: Any) -> None:
    actor = await desk.customer(with_card=False)

    done = await create_payment_methods_link(desk.context, actor, None)

    page = await open_link(desk, done.result.url)
    assert page.status_code == 200
    assert page.url.path.endswith("/account/paymentmethods")


async def test_with_whmcs_down_there_is_no_link(desk: Any) -> None:
    actor, invoices = await someone_with_invoices(desk)
    await desk.sandbox.fault("whmcs", "down", count=100)

    with pytest.raises(UpstreamUnavailable) as refused:
        await create_payment_link(desk.context, actor, PayInvoice(invoices["unpaid"]))

    assert refused.value.upstream == "whmcs"


async def test_a_link_is_kept_nowhere(desk: Any) -> None:
    actor, invoices = await someone_with_invoices(desk)

    done = await create_payment_link(desk.context, actor, PayInvoice(invoices["unpaid"]))

    token = httpx.URL(done.result.url).params["access_token"]
    for table in ("portal.audit", "portal.commands", "ingest.inbox", "read_model.documents"):
        rows = await desk.pool.fetch(f"SELECT t::text AS row FROM {table} t")
        assert not any(token in row["row"] for row in rows), table


async def test_a_customer_may_choose_how_to_pay_among_the_ways_there_are(desk: Any) -> None:
    actor = await desk.customer()
    await desk.reread("gateways", "all")
    invoice_id = await desk.bill(actor)

    await create_payment_link(desk.context, actor, PayInvoice(invoice_id, "banktransfer"))
    with pytest.raises(RuleViolated) as refused:
        await create_payment_link(desk.context, actor, PayInvoice(invoice_id, "shells"))

    found = (await desk.sandbox.control.get(f"/whmcs/invoices/{invoice_id}")).json()
    assert (found["paymentmethod"], refused.value.code) == ("banktransfer", "gateway_unknown")


@pytest.mark.parametrize("status", ["unknown", "collections"])
async def test_what_nobody_knows_to_be_payable_is_not_paid(desk: Any, status: str) -> None:
    actor, invoices = await someone_with_invoices(desk)
    await desk.pool.execute(
        "UPDATE read_model.invoices SET status = $2, as_of = now() WHERE invoice_id = $1", invoices["unpaid"], status
    )
    with pytest.raises(Conflict) as refused:
        await create_payment_link(desk.context, actor, PayInvoice(invoices["unpaid"]))
    assert refused.value.code == "invoice_not_payable"
    expected = "invoice_status_unknown" if status == "unknown" else f"invoice_{status}"
    assert [each.code for each in refused.value.errors] == [expected]
