"""Every price shown is the price billed: over all plans, billing cycles and currencies of the sandbox, up, down and on
a day to come, and also where WHMCS's own prices differ from the price book's."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from app.commands.execution.context import Actor
from app.commands.subscriptions.change_plan import ChangePlan, NewPlan, change_plan
from app.commands.subscriptions.plan_changes.follow import follow
from app.queries import plans as plans_query
from app.queries.plans import OtherPlan, OtherPlans
from app.queries.reading.store import Store
from tests.commands.conftest import Desk
from tests.commands.subscriptions.plan_changes.scheduled_changes import in_days, on_its_day
from tests.commands.subscriptions.running_services import held, someone_with
from tests.commands.subscriptions.test_change_plan import again, price_of

CYCLES = ("Monthly", "Quarterly", "Annually")
EVERY_CYCLE = ("Monthly", "Quarterly", "Semi-Annually", "Annually", "Biennially", "Triennially")
LADDERS = {
    "internet": [f"INTERNET-{tier}-HOME-1G" for tier in ("SILVER", "GOLD", "PLATINUM")],
    "internet 10G": [f"INTERNET-{tier}-HOME-10G" for tier in ("SILVER", "GOLD", "PLATINUM")],
    "internet apartment": [f"INTERNET-{tier}-APARTMENT-1G" for tier in ("SILVER", "GOLD", "PLATINUM")],
    "sim": [f"SIM-DATA-{size}" for size in ("5GB", "10GB", "25GB", "50GB")],
    "sim voice": [f"SIM-VOICE-{size}" for size in ("5GB", "10GB", "25GB", "50GB")],
    "vpn": ["VPN-USA-SF", "VPN-GLOBAL"],
    "hosting": [f"HOSTING-{plan}" for plan in ("BASIC", "PRO", "BUSINESS")],
}
"""Plans that a service can be changed between, cheapest first."""
WALKS = [
    (currency, ladder)
    for currency in ("JPY", "USD")
    for ladder in LADDERS
    if currency == "JPY" or not ladder.startswith("internet")
]
"""The sandbox's WHMCS has no prices in dollars for Internet."""


class Walker(Struct, frozen=True):
    """A customer with a service that is changed from plan to plan."""

    desk: Any
    store: Store
    actor: Actor
    service_id: str

    async def news(self, invoice_id: str | None = None) -> None:
        """Let the portal read the service and an invoice."""
        hints = [("service", self.service_id), *([("invoice", invoice_id)] if invoice_id else [])]
        await self.desk.resources.inbox.submit([self.desk.whmcs_news(*each) for each in hints])
        await self.desk.settle()

    async def set_to(self, sku: str, cycle: str, currency: str) -> None:
        """Give the service a plan and cycle at whatever the sandbox's WHMCS asks for it."""
        number = await self.product_id(sku)
        recurring = await self.own_price(number, currency, cycle)
        fields = {"pid": number, "billingcycle": cycle, "recurringamount": recurring, "status": "Active"}
        await self.desk.resources.whmcs.call(
            "UpdateClientProduct", {"serviceid": self.service_id, **fields}, write=True, timeout_seconds=30
        )
        await self.news()

    async def product_id(self, sku: str) -> str:
        return str(await self.desk.pool.fetchval("SELECT whmcs_product_id FROM read_model.catalog WHERE sku = $1", sku))

    async def own_price(self, number: str, currency: str, cycle: str) -> str:
        body = await self.desk.resources.whmcs.call("GetProducts", {"pid": number}, timeout_seconds=30)
        [product] = body["products"]["product"]
        return str(product["pricing"][currency][cycle.lower().replace("-", "")])

    async def offered(self) -> dict[str, OtherPlan]:
        answer = await plans_query.plans(self.store, self.actor.account_id_or_refuse(), self.service_id)
        return {each.sku: each for each in msgspec.json.decode(answer.body, type=OtherPlans).items}

    async def service(self) -> dict[str, Any]:
        return await held(self.desk, "services", self.service_id)

    async def credit(self) -> Decimal:
        return Decimal((await held(self.desk, "clients", self.actor.whmcs_client_id))["credit"])

    async def change(self, sku: str) -> None:
        """Change the plan as the list offers it, and compare everything shown with what is billed."""
        listed = (await self.offered())[sku]
        shown = await price_of(self.desk, self.actor, self.service_id, sku)
        assert (shown.price, shown.direction, shown.price_with_tax) == (
            listed.price,
            listed.direction,
            listed.price_with_tax,
        )
        before = await self.credit()
        wanted = NewPlan(sku=sku, due_now=shown.due_now, credit=shown.credit, price=shown.price)
        done = (
            await change_plan(
                self.desk.context, again(self.actor), ChangePlan(self.service_id, shown.direction, wanted)
            )
        ).result
        if done.invoice_id:
            await self.compare_bill(done.invoice_id, shown.due_now.amount, shown.due_now_with_tax.amount)
            await self.pay(done.invoice_id)
        else:
            assert Decimal(shown.due_now.amount) == 0
            await self.follow()
        assert await self.credit() - before == Decimal(shown.credit.amount)
        await self.compare_next_bill(shown.price.amount, shown.price_with_tax.amount)

    async def compare_bill(self, invoice_id: str, without: str, with_tax: str) -> None:
        bill = await held(self.desk, "invoices", invoice_id)
        currency = (await held(self.desk, "clients", self.actor.whmcs_client_id))["currency"]
        unit = Decimal(1) if currency == "JPY" else Decimal("0.01")
        assert Decimal(bill["subtotal"]) == Decimal(without)
        assert abs(Decimal(bill["total"]) - Decimal(with_tax)) < unit, "WHMCS keeps cents of yen"

    async def pay(self, invoice_id: str) -> None:
        (await self.desk.sandbox.control.post(f"/whmcs/invoices/{invoice_id}/pay", json={})).raise_for_status()
        await self.follow(invoice_id)

    async def follow(self, invoice_id: str | None = None) -> None:
        """Let the worker follow the change until it is done."""
        for _ in range(100):
            await asyncio.sleep(0.05)  # Freebit does one thing at a time with a line
            await self.news(invoice_id)
            await self.desk.pool.execute("UPDATE portal.plan_changes SET next_attempt_at = now()")
            await follow(self.desk.context)
            states = await self.desk.pool.fetch("SELECT DISTINCT state FROM portal.plan_changes")
            if {row["state"] for row in states} == {"done"}:
                await self.desk.settle()
                return
        raise AssertionError("the change is not done")

    async def compare_next_bill(self, without: str, with_tax: str) -> None:
        """Let WHMCS bill the next period, and compare the line and its tax."""
        service = await self.service()
        assert Decimal(service["recurringamount"]) == Decimal(without)
        today = in_days(0).isoformat()
        due, next_invoice = service["nextduedate"], service["nextinvoicedate"]
        path = f"/whmcs/services/{self.service_id}"
        await self.desk.sandbox.control.patch(path, json={"nextinvoicedate": today, "silent": True})
        body = {"client_id": self.actor.whmcs_client_id}
        made = (await self.desk.sandbox.control.post("/whmcs/cron", json=body)).json()["invoices"]
        bills = [await held(self.desk, "invoices", each["id"]) for each in made]
        [bill] = [b for b in bills if [str(item["relid"]) for item in b["items"]] == [self.service_id]] or bills[:1]
        line = next(item for item in bill["items"] if str(item["relid"]) == self.service_id)
        assert Decimal(line["amount"]) == Decimal(without)
        if len(bill["items"]) == 1:
            await self.compare_bill(bill["id"], without, with_tax)
        restored = {"nextduedate": due, "nextinvoicedate": next_invoice, "silent": True}
        await self.desk.sandbox.control.patch(path, json=restored)


@pytest.fixture
async def dearer(desk: Desk) -> Desk:
    """WHMCS's own prices in yen are a fifth above the price book's, wherever it bills by the month."""
    for sold in (await desk.sandbox.control.get("/whmcs/products")).json()["records"]:
        price = str((Decimal(sold["price"]) * Decimal("1.2")).quantize(Decimal(1)))
        await desk.sandbox.control.patch(f"/whmcs/products/{sold['pid']}", json={"price": price, "silent": True})
    await desk.reread("products", "all")
    return desk


async def walker(desk: Desk, ladder: str, currency: str) -> Walker:
    """Return a customer of this currency with a service of the ladder's category."""
    category = ladder.split()[0]
    actor, service_id = await someone_with(desk, category)
    path = f"/whmcs/clients/{actor.whmcs_client_id}"
    (await desk.sandbox.control.patch(path, json={"currency": currency})).raise_for_status()
    for other in (await desk.sandbox.control.get("/whmcs/services")).json()["records"]:
        if str(other["clientid"]) == actor.whmcs_client_id and other["id"] != service_id:
            await desk.sandbox.control.patch(f"/whmcs/services/{other['id']}", json={"nextinvoicedate": "0000-00-00"})
    await desk.reread("client", actor.whmcs_client_id)
    settings = desk.resources.settings
    store = Store(desk.pool, settings.salesforce_channel, settings.whmcs_time_zone, tax_rates_by_country="JP=10")
    return Walker(desk, store, actor, service_id)


@pytest.mark.parametrize(("currency", "ladder"), WALKS)
async def test_up_and_down_every_ladder_what_is_shown_is_billed(dearer: Desk, currency: str, ladder: str) -> None:
    walk = await walker(dearer, ladder, currency)
    skus = LADDERS[ladder]
    for cycle in EVERY_CYCLE if ladder == "hosting" else CYCLES:
        await walk.set_to(skus[0], cycle, currency)
        for sku in (*skus[1:], *reversed(skus[:-1])):
            await walk.change(sku)


@pytest.mark.parametrize(("currency", "cycle"), [(each, cycle) for each in ("JPY", "USD") for cycle in CYCLES])
async def test_a_change_on_a_day_to_come_is_billed_at_the_price_of_the_day_it_was_chosen(
    dearer: Desk, currency: str, cycle: str
) -> None:
    walk = await walker(dearer, "hosting", currency)
    await walk.set_to("HOSTING-BUSINESS", cycle, currency)
    listed = (await walk.offered())["HOSTING-BASIC"]
    wanted = NewPlan(sku="HOSTING-BASIC", effective_date=in_days(10), price=listed.price)
    await change_plan(dearer.context, walk.actor, ChangePlan(walk.service_id, listed.direction, wanted))
    await dearer.settle()
    made = await on_its_day(dearer, walk.service_id)
    assert made["state"] == "done"
    if made["invoice_id"]:
        await walk.pay(made["invoice_id"])
    assert listed.price_with_tax is not None
    await walk.compare_next_bill(listed.price.amount, listed.price_with_tax.amount)


async def test_a_plan_that_is_not_offered_in_a_currency_or_cycle_is_no_plan_for_the_service(desk: Desk) -> None:
    await desk.sandbox.control.patch("/whmcs/products/502", json={"pricing": {"USD": {"quarterly": "-1"}}})
    await desk.reread("products", "all")
    walk = await walker(desk, "hosting", "USD")
    await walk.set_to("HOSTING-BASIC", "Quarterly", "USD")
    assert set(await walk.offered()) == {"HOSTING-BUSINESS"}
