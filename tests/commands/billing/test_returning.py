"""Customers come back from WHMCS's pages: to the portal's own addresses, and only where WHMCS has the hook file."""

from typing import Any

import httpx
import msgspec
import pytest

from app.commands.billing.create_payment_link import PayInvoice, PayInvoices, create_payment_link, create_payments_link
from app.commands.billing.create_payment_methods_link import ManagePaymentMethods, create_payment_methods_link
from app.commands.billing.sso_link import Link
from app.commands.execution.context import Actor, Context
from app.errors import RuleViolated
from tests.commands.billing.test_create_payment_link import browser

PORTAL = "https://portal.example.jp"
BACK = f"{PORTAL}/invoices?paid=1&from=a+b#top"


@pytest.fixture
async def hana(desk: Any) -> Actor:
    """A customer with one card."""
    found: Actor = await desk.customer()
    return found


@pytest.fixture
def context(desk: Any) -> Context:
    """A portal that allows one origin."""
    settings = msgspec.structs.replace(desk.context.settings, return_origins=PORTAL)
    found: Context = msgspec.structs.replace(desk.context, settings=settings)
    return found


async def install_hook_file(desk: Any, *origins: str) -> None:
    (await desk.sandbox.control.put("/whmcs/return-origins", json={"origins": list(origins)})).raise_for_status()


async def paid(desk: Any, link: Link, *, several: bool = False) -> httpx.Response:
    """Follow a link and pay; the answer to the payment, a redirect not followed."""
    async with browser(desk) as visitor:
        page = await visitor.get(link.url)
        if several:
            page = await visitor.post(str(page.url), data={"geninvoice": "true"})
        return await visitor.post(str(page.url), data={"pay": "1"}, follow_redirects=False)


async def test_a_paid_invoice_leads_back(desk: Any, context: Context, hana: Actor) -> None:
    await install_hook_file(desk, PORTAL)
    invoice_id = await desk.bill(hana)
    done = await create_payment_link(context, hana, PayInvoice(invoice_id, return_url=BACK))
    left = await paid(desk, done.result)
    assert (left.status_code, left.headers["location"]) == (303, BACK)


async def test_several_paid_at_once_lead_back(desk: Any, context: Context, hana: Actor) -> None:
    await install_hook_file(desk, PORTAL)
    wanted = PayInvoices([await desk.bill(hana), await desk.bill(hana)], return_url=BACK)
    left = await paid(desk, (await create_payments_link(context, hana, wanted)).result, several=True)
    assert (left.status_code, left.headers["location"]) == (303, BACK)


async def test_the_page_of_payment_methods_shows_the_way_back(desk: Any, context: Context, hana: Actor) -> None:
    await install_hook_file(desk, PORTAL)
    done = await create_payment_methods_link(context, hana, ManagePaymentMethods(return_url=BACK))
    async with browser(desk) as visitor:
        page = await visitor.get(done.result.url)
        assert f'href="{BACK}"'.replace("&", "&amp;") in page.text
        card = {"card_number": "5555555555554444", "expiry": "12/30"}
        assert "Back to the customer portal" in (await visitor.post(str(page.url), data=card)).text


@pytest.mark.parametrize("origins", [(), ("https://other.example.jp",)])
async def test_without_the_hook_file_customers_stay(
    desk: Any, context: Context, hana: Actor, origins: tuple[str, ...]
) -> None:
    await install_hook_file(desk, *origins)
    done = await create_payment_link(context, hana, PayInvoice(await desk.bill(hana), return_url=BACK))
    stayed = await paid(desk, done.result)
    assert stayed.status_code == 200
    assert "Back to the customer portal" not in stayed.text


async def test_another_address_gives_no_link_at_all(desk: Any, context: Context, hana: Actor) -> None:
    invoice_id = await desk.bill(hana)
    evil = f"{PORTAL}@evil.example/"
    before = len(await desk.sandbox.calls("whmcs"))
    for work, request in (
        (create_payment_link, PayInvoice(invoice_id, gateway="stripe", return_url=evil)),
        (create_payments_link, PayInvoices([invoice_id], return_url=evil)),
        (create_payment_methods_link, ManagePaymentMethods(return_url=evil)),
    ):
        with pytest.raises(RuleViolated) as refused:
            await work(context, hana, request)  # type: ignore[operator]
        assert refused.value.code == "return_url_not_allowed"
    assert len(await desk.sandbox.calls("whmcs")) == before, "nothing was sent, not even the gateway"
