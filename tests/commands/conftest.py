"""A desk to order and fulfil from: real clients on the sandbox, the worker's own jobs, the real database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from app.clock import now
from app.commands import fulfilment
from app.commands.execution.context import Actor
from app.commands.orders.basket import Basket
from app.commands.orders.place_order import place_order
from app.events import Change
from app.ingest.catch_up.backfill import Backfill
from app.ingest.refetch import owners
from app.processes.worker import WorkerJobs
from app.resources import Resources, open_resources
from app.settings import Settings
from tests.fixtures.linked import add_account

SETTLE_SECONDS = 90
EID = "89049032000000000000000000000001"


class Desk:
    """A driver of the portal in tests: it acts as customers, as staff and as the worker."""

    def __init__(self, resources: Resources, sandbox: Any) -> None:
        r = self.resources = resources
        self.sandbox = sandbox
        self.pool = r.pool
        self.context = r.context
        self.work = WorkerJobs(r)

    async def open(self) -> None:
        """Fill the catalog with what Salesforce has."""
        fill = Backfill(self.pool, self.resources.inbox)
        async for _ in fill.salesforce(self.resources.salesforce, ("Product2", "PricebookEntry")):
            pass
        await self.settle()

    def hint(self, object_name: str, record_id: str) -> Change:
        """News of a Salesforce record, as the listener would bring it."""
        at = now()
        return Change(
            source="salesforce",
            object=object_name,
            record_id=record_id,
            kind="hint",
            event_id=f"test:{uuid4()}",
            version=int(at.timestamp() * 1000),
            occurred_at=at,
            origin="cdc",
        )

    def whmcs_news(self, object_name: str, record_id: str) -> Change:
        """News of a WHMCS record or list, as a webhook would bring it."""
        return owners.whmcs_hint(object_name, record_id, f"test:{uuid4()}")

    async def settle(self) -> None:
        """Work until the inbox is empty."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while await self.pool.fetchval("SELECT EXISTS (SELECT FROM ingest.inbox WHERE settled_at IS NULL)"):
                await self.work.sweep()
        parked = await self.pool.fetch("SELECT object, error, stack FROM ingest.dead_letters WHERE resolved_at IS NULL")
        assert not parked, parked

    async def customer(self, *, with_card: bool = True, internet: str | None = None, number: int = 0) -> Actor:
        """Return a linked customer of the sandbox, the `number`-th that has a card or has none."""
        fitting = []
        for each in self.sandbox.state["customers"]:
            client_id = each["whmcs_client_id"]
            if client_id and bool(await self.resources.whmcs.pay_methods(client_id)) == with_card:
                services = await self.resources.whmcs.services(client_id)
                if not any("nternet" in service.data["name"] for service in services):
                    fitting.append(each)
            if len(fitting) > number:
                return await self.link(fitting[number], internet)
        raise AssertionError("the sandbox has no such customer")

    async def link(self, customer: dict[str, Any], internet: str | None) -> Actor:
        """Create the portal account of a sandbox customer; `internet` is what its address is eligible for."""
        client_id, salesforce_id = str(customer["whmcs_client_id"]), customer["salesforce_account_id"]
        if internet is not None:
            fields = {"Internet_Eligibility__c": internet, "Internet_Eligibility_Status__c": "Eligible"}
            await self.resources.salesforce.update("Account", salesforce_id, fields)
        user_id, account_id = await add_account(self.pool, customer)
        await owners.link(self.resources.inbox, account_id, client_id, salesforce_id)
        await self.settle()
        return Actor(
            role="customer",
            user_id=user_id,
            account_id=account_id,
            whmcs_client_id=client_id,
            salesforce_account_id=salesforce_id,
            request_id=uuid4().hex,
            command_key=uuid4().hex,
        )

    async def skus(self, category: str, item_class: str, **facts: Any) -> list[str]:
        """SKUs of the catalog, cheapest first."""
        rows = await self.pool.fetch(
            "SELECT sku, facts FROM read_model.catalog WHERE category = $1 AND item_class = $2 AND orderable "
            "ORDER BY unit_price, sku",
            category,
            item_class,
        )
        return [row["sku"] for row in rows if all(row["facts"].get(name) == value for name, value in facts.items())]

    async def basket(self, category: str, **more: Any) -> Basket:
        """Return a complete basket of a category."""
        plans = await self.skus(category, "service")
        plans = [sku for sku in plans if "FAMILY" not in sku.upper()]
        skus, configuration = plans[:1], {}
        if category == "internet":
            skus = (await self.skus("internet", "service", internet_offering_type="Home 1G"))[:1]
            skus += [sku for sku in await self.skus("internet", "installation") if "SINGLE" in sku]
        if category == "sim":
            skus += (await self.skus("sim", "activation"))[:1]
            configuration = {"sim_type": "esim", "eid": EID}
        if category == "vpn":
            skus += (await self.skus("vpn", "activation"))[:1]
            region = await self.pool.fetchval(
                "SELECT facts ->> 'vpn_region' FROM read_model.catalog WHERE sku = $1", plans[0]
            )
            configuration = {"vpn_region": region}
        if category == "hosting":
            configuration = {"domain": f"d{uuid4().hex[:8]}.example"}
        body = {"items": [{"sku": sku} for sku in skus], "configuration": configuration, "address_confirmed": True}
        return msgspec.convert({**body, **more}, Basket)

    async def place(self, actor: Actor, basket: Basket) -> str:
        """Order; the order's id."""
        done = await place_order(self.context, actor, basket)
        await self.settle()
        return str(done.result.order_id)

    async def approve(self, order_id: str) -> None:
        """Staff approve in Salesforce, and the news of it arrives."""
        (await self.sandbox.control.post(f"/salesforce/orders/{order_id}/approve")).raise_for_status()
        await self.news(order_id)
        await fulfilment.take_up(self.pool)

    async def news(self, order_id: str) -> None:
        """Read an order from Salesforce again and wait until the read model shows it."""
        await self.resources.inbox.submit([self.hint("Order", order_id)])
        await self.settle()

    async def ordered(self, category: str, actor: Actor, **more: Any) -> str:
        """Place and approve an order of a category."""
        order_id = await self.place(actor, await self.basket(category, **more))
        await self.approve(order_id)
        return order_id

    async def fulfil(self, order_id: str, *, tries: int = 60) -> str:
        """Run the fulfilment until it is done, paused or failed, without sitting out its retries; the final state."""
        for _ in range(tries):
            await fulfilment.run(self.context, order_id)
            state = await self.pool.fetchval("SELECT state FROM portal.fulfilments WHERE order_id = $1", order_id)
            if state != "running":
                return str(state)
            await asyncio.sleep(0.05)
            await self.hurry(order_id)
        return "running"

    def let_in(self) -> None:
        """No upstream is left alone any longer: the pause of every breaker has passed."""
        for gate in self.resources.admission.upstreams.values():
            if gate.state != "closed":
                gate.close()

    async def hurry(self, order_id: str) -> None:
        """Whatever the fulfilment waits for, enough time has passed."""
        self.let_in()
        await self.pool.execute(
            "UPDATE portal.fulfilments SET next_attempt_at = now(), facts = facts || (SELECT coalesce("
            "jsonb_object_agg(key, to_jsonb((value #>> '{}')::timestamptz - interval '5 minutes')), '{}') "
            "FROM jsonb_each(facts) WHERE key LIKE '%\\_at' AND value <> 'null') WHERE order_id = $1",
            order_id,
        )

    async def set_up(self, order_id: str, *, tries: int = 40) -> dict[str, str]:
        """Run what comes after activation until no step is running, without sitting out its waits; step → state."""
        for _ in range(tries):
            await fulfilment.run(self.context, order_id)
            rows = await self.pool.fetch(
                "SELECT step, state FROM portal.provision_steps WHERE order_id = $1 ORDER BY position", order_id
            )
            states = {row["step"]: row["state"] for row in rows}
            if "running" not in states.values():
                return states
            await asyncio.sleep(0.1)
            await self.hurry_steps(order_id, "running")
        raise AssertionError(states)

    async def hurry_steps(self, order_id: str, state: str) -> None:
        """Whatever the steps after activation in this state wait for, two and a half minutes have passed."""
        self.let_in()
        await self.pool.execute(
            "UPDATE portal.provision_steps SET next_attempt_at = now(), facts = facts || (SELECT coalesce("
            "jsonb_object_agg(key, to_jsonb((value #>> '{}')::timestamptz - interval '150 seconds')), '{}') "
            "FROM jsonb_each(facts) WHERE key LIKE '%\\_at') WHERE order_id = $1 AND state = $2",
            order_id,
            state,
        )

    async def hosted(self, order_id: str) -> dict[str, Any]:
        """Return the order's hosting account as the server has it, with its contents."""
        name = (await self.journal(order_id))["facts"]["hosting_username"]
        [account] = (await self.sandbox.control.get("/whm/accounts", params={"user": name})).json()["records"]
        return dict(account)

    async def server(self, **changed: Any) -> None:
        """Change what the hosting server lacks or allows."""
        (await self.sandbox.control.patch("/whm/server", json=changed)).raise_for_status()

    async def journal(self, order_id: str) -> asyncpg.Record:
        """Return the journal entry of the fulfilment."""
        return await self.pool.fetchrow("SELECT * FROM portal.fulfilments WHERE order_id = $1", order_id)

    async def assert_whole(self, actor: Actor, order_id: str) -> None:
        """Assert that the order is activated everywhere, exactly once."""
        [order] = [each for each in await self.salesforce_orders(actor) if each["Id"] == order_id]
        [billed] = await self.whmcs_orders(actor, order_id)
        assert (order["Status"], order["Activation_Status__c"]) == ("Processed", "Activated")
        assert order["Activation_Error_Code__c"] is None
        assert order["WHMCS_Order_ID__c"] == str(billed["id"])
        assert billed["status"] == "Active"
        items = await self.salesforce_items(order_id)
        services = {str(service.record_id) for service in await self.resources.whmcs.services(actor.whmcs_client_id)}
        linked = {item["WHMCS_Service_ID__c"] for item in items}
        assert len(linked) == len(items)
        assert linked <= services

    async def bill(self, actor: Actor, *, gateway: str = "stripe", amount: str = "1000.00") -> str:
        """Create an unpaid invoice, wait until the read model shows it, and return its number. Tax adds a tenth."""
        line = {"itemdescription1": "SIM", "itemamount1": amount, "itemtaxed1": 1}
        fields = {"userid": actor.whmcs_client_id, "paymentmethod": gateway, **line}
        invoice_id = str((await self.resources.whmcs.call("CreateInvoice", fields, timeout_seconds=30))["invoiceid"])
        await self.reread("invoice", invoice_id)
        return invoice_id

    async def reread(self, resource: str, record_id: str) -> None:
        """Let the worker read a record of WHMCS again."""
        await self.resources.inbox.submit([owners.whmcs_hint(resource, record_id, f"test:{uuid4()}")])
        await self.settle()

    async def payments(self, invoice_id: str) -> list[dict[str, Any]]:
        """Return the payments of an invoice in WHMCS."""
        response = await self.sandbox.control.get("/whmcs/transactions", params={"invoiceid": invoice_id})
        found: list[dict[str, Any]] = response.json()["records"]
        return [each for each in found if each["amountin"] != "0.00"]

    async def salesforce_orders(self, actor: Actor) -> list[dict[str, Any]]:
        """Return the customer's orders in Salesforce that the portal placed."""
        fields = (
            "Id, Status, Activation_Status__c, Activation_Error_Code__c, Activation_Error_Message__c, "
            "WHMCS_Order_ID__c, Address_Changed__c, BillingStreet, BillingCity, Portal_Order_Key__c, TotalAmount"
        )
        rows = await self.resources.salesforce.query(
            f"SELECT {fields} FROM Order WHERE AccountId = '{actor.salesforce_account_id}'"
        )
        return [row for row in rows if row["Portal_Order_Key__c"]]

    async def salesforce_items(self, order_id: str) -> list[dict[str, Any]]:
        """Return an order's items in Salesforce."""
        return await self.resources.salesforce.query(
            f"SELECT Id, UnitPrice, WHMCS_Service_ID__c FROM OrderItem WHERE OrderId = '{order_id}'"
        )

    async def whmcs_orders(self, actor: Actor, order_id: str) -> list[dict[str, Any]]:
        """Return the WHMCS orders that name this Salesforce order."""
        body = await self.resources.whmcs.call(
            "GetOrders", {"userid": actor.whmcs_client_id, "limitnum": 100}, timeout_seconds=30
        )
        orders = body["orders"]["order"] if body.get("orders") else []
        return [order for order in orders if order_id in str(order.get("notes"))]


@pytest.fixture(scope="session")
def impatient_settings(sandbox_settings: Settings) -> Settings:
    """Short time-outs."""
    return msgspec.structs.replace(
        sandbox_settings,
        salesforce_timeout_seconds=1.5,
        whmcs_write_timeout_seconds=1.0,
        whmcs_charge_timeout_seconds=1.0,
        whmcs_read_timeout_seconds=2.0,
        freebit_timeout_seconds=1.0,
        whm_timeout_seconds=1.0,
    )


@pytest.fixture
async def desk(pool: asyncpg.Pool, redis: Redis, sandbox: Any, impatient_settings: Settings) -> AsyncIterator[Desk]:
    """An empty portal with the sandbox's catalog."""
    async with open_resources(impatient_settings) as resources:
        desk = Desk(resources, sandbox)
        await desk.open()
        yield desk
