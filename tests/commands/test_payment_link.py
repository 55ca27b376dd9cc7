"""Links into WHMCS: for one's own unpaid invoice, for one click, and kept nowhere."""

from typing import Any

import httpx
import pytest

from app.commands.billing_link import Link
from app.commands.context import Actor
from app.commands.create_payment_link import PayInvoice, create_payment_link
from app.commands.create_payment_methods_link import create_payment_methods_link
from app.errors import Conflict, NotFound, UpstreamUnavailable


async def someone_with_invoices(desk: Any) -> tuple[Actor, dict[str, str]]:
    """A customer with an invoice of each status: status → invoice id."""
    for customer in desk.sandbox.state["customers"]:
        if not customer["whmcs_client_id"]:
            continue
        body = await desk.resources.whmcs.call("GetInvoices", {"userid": customer["whmcs_client_id"], "limitnum": 100})
        rows = body["invoices"]["invoice"] if body.get("invoices") else []
        if {"Paid", "Unpaid"} <= {row["status"] for row in rows}:
            actor = await desk.link(customer, None)
            return actor, {row["status"].lower(): str(row["id"]) for row in rows}
    raise AssertionError("no sample customer has both a paid and an unpaid invoice")


async def open_link(desk: Any, url: str) -> httpx.Response:
    """What a browser sees behind a link."""
    import ssl

    trust = ssl.create_default_context(cafile=desk.context.settings.ca_file)
    async with httpx.AsyncClient(verify=trust, follow_redirects=True, trust_env=False) as browser:
        return await browser.get(url)


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
