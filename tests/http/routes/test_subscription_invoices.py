"""The invoices of a subscription are all that bill it, whatever the type of their lines, and nothing else."""

from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from app.commands.execution.context import Actor
from app.commands.subscriptions.change_plan import ChangePlan, NewPlan, change_plan
from app.queries import plans
from app.queries.reading.store import Store
from tests.commands.conftest import Desk
from tests.commands.subscriptions.running_services import someone_with
from tests.http.logged_in import api, desk, short_timeouts

__all__ = ["api", "desk", "short_timeouts"]


@pytest.fixture
async def bought(desk: Desk) -> tuple[Actor, str]:
    """A customer with a SIM in the middle of its period."""
    await desk.open()
    return await someone_with(desk, "sim")


@pytest.fixture
async def hana(bought: tuple[Actor, str]) -> Actor:
    return bought[0]


@pytest.fixture
async def sim(bought: tuple[Actor, str]) -> str:
    return bought[1]


async def add_line(desk: Desk, invoice_id: str, **line: Any) -> None:
    (await desk.sandbox.control.post(f"/whmcs/invoices/{invoice_id}/lines", json=line)).raise_for_status()
    await desk.reread("invoice", invoice_id)


async def listed(api: httpx.AsyncClient, sim: str, limit: int = 100) -> list[str]:
    """Return the ids of all pages."""
    found: list[str] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = (await api.get(f"/api/subscriptions/{sim}/invoices", params=query)).json()
        assert len(page["items"]) <= limit
        found += [each["invoice_id"] for each in page["items"]]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


async def lines(api: httpx.AsyncClient, invoice_id: str) -> dict[str, dict[str, Any]]:
    """Return the last line of each kind."""
    return {each["kind"]: each for each in (await api.get(f"/api/invoices/{invoice_id}")).json()["items"]}


async def upgraded(desk: Desk, hana: Actor, sim: str) -> str:
    """Order a dearer plan through the portal; the invoice."""
    assert hana.account_id is not None
    offered = msgspec.json.decode(
        (await plans.plans(Store(desk.pool, "feed", "Asia/Tokyo"), hana.account_id, sim)).body
    )
    dearest = max(offered["items"], key=lambda each: float(each["price"]["amount"]))
    await change_plan(desk.context, hana, ChangePlan(sim, "upgrade", NewPlan(sku=dearest["sku"])))
    await desk.settle()
    return str(await desk.pool.fetchval("SELECT invoice_id FROM portal.plan_changes WHERE subscription_id = $1", sim))


async def upgraded_by_staff(desk: Desk, sim: str) -> tuple[str, str]:
    """Staff order a dearer product in WHMCS, where the portal does not see it; the invoice and the upgrade order."""
    dearest = await desk.resources.whmcs.call("GetProducts", {}, timeout_seconds=30)
    product = max(dearest["products"]["product"], key=lambda each: float(each["pricing"]["JPY"]["monthly"]))
    wish = {"serviceid": sim, "type": "product", "newproductid": product["pid"], "newproductbillingcycle": "monthly"}
    body = await desk.resources.whmcs.call("UpgradeProduct", {**wish, "paymentmethod": "stripe"}, write=True)
    return str(body["invoiceid"]), str(body["id"])


async def test_an_upgrade_of_the_portals_names_its_service(
    api: httpx.AsyncClient, desk: Desk, hana: Actor, sim: str
) -> None:
    invoice_id = await upgraded(desk, hana, sim)
    line = (await lines(api, invoice_id))["upgrade"]
    assert line["subscription_id"] == sim
    assert line["period_start"] < line["period_end"]
    assert invoice_id in await listed(api, sim)
    told = await desk.pool.fetch("SELECT document FROM read_model.timeline_invoices WHERE record_id = $1", invoice_id)
    assert {tuple(msgspec.json.decode(each["document"])["billed_ids"]) for each in told} == {(sim,)}
    links = (await api.get(f"/api/subscriptions/{sim}")).json()["links"]
    assert invoice_id in links["invoice_ids"]


async def test_an_upgrade_by_staff_names_its_service_once_the_hook_file_tells(
    api: httpx.AsyncClient, desk: Desk, sim: str
) -> None:
    from app.integrations.whmcs import webhook
    from sandbox.whmcs import hooks
    from sandbox.whmcs.state import Webhook

    invoice_id, upgrade_id = await upgraded_by_staff(desk, sim)
    await desk.reread("invoice", invoice_id)
    assert (await lines(api, invoice_id))["upgrade"]["subscription_id"] is None, "never a guess"
    notice = Webhook("m", "InvoiceCreated", "invoice", invoice_id, "", "2026-01-01T00:00:00.000Z")
    notice.upgrades = ((upgrade_id, sim),)
    await desk.resources.inbox.submit(webhook.decode(uuid4().hex, hooks.content(notice)).changes)
    await desk.settle()
    assert (await lines(api, invoice_id))["upgrade"]["subscription_id"] == sim
    assert invoice_id in await listed(api, sim)


async def test_an_add_on_is_billed_to_its_service_whichever_is_heard_of_first(
    api: httpx.AsyncClient, desk: Desk, hana: Actor, sim: str
) -> None:
    made = await desk.sandbox.control.post(f"/whmcs/services/{sim}/addons", json={"name": "Backup", "silent": True})
    invoice_id = await desk.bill(hana)
    await add_line(desk, invoice_id, type="Addon", relid=made.json()["id"], description="2 x Backup", amount="1000")
    assert (await lines(api, invoice_id))["addon"]["subscription_id"] is None
    await desk.reread("client_services", hana.whmcs_client_id)
    line = (await lines(api, invoice_id))["addon"]
    assert (line["subscription_id"], line["quantity"], line["unit_price"]["amount"]) == (sim, "2", "500")
    assert invoice_id in await listed(api, sim)


async def test_a_late_fee_and_a_discount_name_the_service(
    api: httpx.AsyncClient, desk: Desk, hana: Actor, sim: str
) -> None:
    invoice_id = await desk.bill(hana)
    await desk.resources.whmcs.call("UpdateInvoice", {"invoiceid": invoice_id, "deletelineids[0]": 1}, write=True)
    for word, amount in (("Hosting", "1000"), ("PromoHosting", "-100")):
        await add_line(desk, invoice_id, type=word, relid=sim, amount=amount)
    first = await desk.sandbox.control.get(f"/whmcs/invoices/{invoice_id}")
    await add_line(desk, invoice_id, type="LateFee", relid=invoice_id, amount="500")
    found = await lines(api, invoice_id)
    assert found["discount"]["subscription_id"] == sim
    by_hand = [each for each in first.json()["items"] if each["type"] == ""]
    assert found["late_fee"]["subscription_id"] == (None if by_hand else sim)
    assert await listed(api, sim)
    other = await desk.bill(hana)
    assert other not in await listed(api, sim)


async def test_a_mass_payment_stands_at_the_invoices_that_it_collects(
    api: httpx.AsyncClient, desk: Desk, hana: Actor, sim: str
) -> None:
    invoice_id, other = await desk.bill(hana), await desk.bill(hana)
    await add_line(desk, invoice_id, type="Hosting", relid=sim, amount="1000")
    made = await desk.sandbox.control.post("/whmcs/invoices", json={"userid": hana.whmcs_client_id, "amount": "0"})
    parent = str(made.json()["id"])
    for each in (invoice_id, other):
        await desk.sandbox.control.post(
            f"/whmcs/invoices/{parent}/lines", json={"type": "Invoice", "relid": each, "amount": "1100", "taxed": False}
        )
    record = (await desk.sandbox.control.get(f"/whmcs/invoices/{parent}")).json()
    assert [each["type"] for each in record["items"]] == ["", "Invoice", "Invoice"]
    await desk.reread("invoice", parent)
    shown = (await api.get(f"/api/invoices/{invoice_id}")).json()
    assert shown["collected_by"] == [], "a bill with lines of its own does not only collect"


async def test_a_paid_mass_payment_is_where_the_money_is(
    api: httpx.AsyncClient, desk: Desk, hana: Actor, sim: str
) -> None:
    from app.commands.billing.create_payment_link import PayInvoices, create_payments_link
    from tests.commands.billing.test_create_payment_link import browser

    wanted = [await desk.bill(hana), await desk.bill(hana)]
    for each in wanted:
        await add_line(desk, each, type="Hosting", relid=sim, amount="1000")
    done = await create_payments_link(desk.context, hana, PayInvoices(wanted))
    async with browser(desk) as visitor:
        page = await visitor.get(done.result.url)
        bill = await visitor.post(str(page.url), data={"geninvoice": "true"})
        await visitor.post(str(bill.url), data={"pay": "1"})
    await desk.reread("client_invoices", hana.whmcs_client_id)
    parent = bill.url.params["id"]
    found = await listed(api, sim)
    assert set(wanted) <= set(found)
    assert parent not in found, "it would be counted twice"
    for each in wanted:
        shown = (await api.get(f"/api/invoices/{each}")).json()
        assert (shown["status"], shown["collected_by"]) == ("paid", [parent])
    collective = (await api.get(f"/api/invoices/{parent}")).json()
    assert [each["invoice_id"] for each in collective["items"]] == wanted
    assert (collective["collective"], collective["collected_by"]) == (True, [])


async def test_pages_hold_everything_once(api: httpx.AsyncClient, desk: Desk, hana: Actor, sim: str) -> None:
    made = [await desk.bill(hana) for _ in range(7)]
    for each in made[:5]:
        (
            await desk.sandbox.control.post(f"/whmcs/invoices/{each}/lines", json={"type": "Hosting", "relid": sim})
        ).raise_for_status()
    await desk.reread("client_invoices", hana.whmcs_client_id)
    whole = await listed(api, sim)
    assert set(made) & set(whole) == set(made[:5])
    for limit in (1, 2, 5):
        assert await listed(api, sim, limit) == whole
    cursor = (await api.get(f"/api/subscriptions/{sim}/invoices", params={"limit": 1})).json()["next_cursor"]
    other = await desk.pool.fetchval(
        "SELECT subscription_id FROM read_model.subscriptions WHERE subscription_id <> $1", sim
    )
    if other:
        strange = await api.get(f"/api/subscriptions/{other}/invoices", params={"cursor": cursor})
        assert strange.status_code == 400


ADDRESS = {
    "address1": "2-2",
    "address2": "",
    "city": "Naha",
    "state": "Okinawa",
    "postcode": "900-0001",
    "country": "JP",
}


async def test_an_open_invoice_shows_the_present_address_at_once_and_a_paid_one_none(
    api: httpx.AsyncClient, desk: Desk, hana: Actor, sim: str
) -> None:
    unpaid, paid = await desk.bill(hana), await desk.bill(hana)
    await desk.sandbox.control.post(f"/whmcs/invoices/{paid}/pay")
    await desk.reread("invoice", paid)
    before = (await api.get(f"/api/invoices/{unpaid}")).json()["billing_address"]
    assert "" not in (before["first_name"], before["city"])
    changed = await api.put("/api/account/address", json=ADDRESS)
    assert changed.status_code == 200, changed.text
    await desk.settle()
    wait = {"Consistency-Token": changed.headers["Consistency-Token"]}
    after = (await api.get(f"/api/invoices/{unpaid}", headers=wait)).json()["billing_address"]
    assert {**before, **ADDRESS} == after
    assert (await api.get(f"/api/invoices/{paid}")).json()["billing_address"] is None


async def test_an_invoice_that_goes_to_a_contact_shows_no_address_of_the_client(
    api: httpx.AsyncClient, desk: Desk, hana: Actor, sim: str
) -> None:
    unpaid = await desk.bill(hana)
    await desk.sandbox.control.patch(f"/whmcs/clients/{hana.whmcs_client_id}", json={"billingcid": 12, "silent": True})
    await desk.reread("client", hana.whmcs_client_id)
    assert (await api.get(f"/api/invoices/{unpaid}")).json()["billing_address"] is None
    await desk.pool.execute("UPDATE read_model.profiles SET billing_contact_id = NULL")
    fresh = await api.get(f"/api/invoices/{unpaid}", headers={"Cache-Control": "no-cache", "Prefer": "wait=0"})
    assert fresh.json()["billing_address"] is None, "not known yet is no address"


async def test_an_old_profile_makes_the_open_invoice_stale(
    api: httpx.AsyncClient, desk: Desk, hana: Actor, sim: str
) -> None:
    unpaid = await desk.bill(hana)
    assert (await api.get(f"/api/invoices/{unpaid}")).json()["stale"] is False
    await desk.pool.execute("UPDATE read_model.profiles SET as_of = as_of - interval '2 hours'")
    from tests.fixtures.remembered import forget_everywhere

    await forget_everywhere(desk.pool, desk.resources.redis)
    assert (await api.get(f"/api/invoices/{unpaid}")).json()["stale_reason"] == "past_bound"
