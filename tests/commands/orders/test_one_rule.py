"""One rule: what the account catalog shows as available is what the check, the order and fulfilment accept.

Every plan × eligibility × open order × address, on the sandbox. Each answer is also compared with an expectation of its
own, because rules that agree may still be wrong together.
"""

import itertools
from datetime import date
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.commands.execution.context import Actor
from app.commands.fulfilment import overview
from app.commands.fulfilment.order_rules import CODES, OrderFacts, first_broken
from app.commands.orders.basket import Basket
from app.commands.orders.check_order import check_order
from app.commands.orders.mapping import ordered_address, snapshot
from app.commands.orders.place_order import place_order
from app.errors import RuleViolated, Violation
from app.integrations.salesforce import activation
from app.integrations.salesforce.activation import LiveOrder
from app.integrations.salesforce.orders import Snapshot
from app.ordering.item import MADE_ONCE
from app.ordering.standing import Standing
from app.queries import catalog
from app.queries.reading.store import Store
from app.readmodels.catalog import CATEGORIES
from app.readmodels.ordering.account_standing import standing_of, vpn_regions
from tests.commands.conftest import EID
from tests.fixtures.staff_orders import cancel_order, staff_order

ELSEWHERE = {
    "address1": "9-9-9 Minato",
    "city": "Yokohama",
    "state": "神奈川県",
    "postcode": "2310001",
    "country": "JP",
}
ELSEWHERE_LINE = "231-0001, Kanagawa, Yokohama, 9-9-9 minato, JP"
STATUS, OFFERING = "Internet_Eligibility_Status__c", "Internet_Eligibility__c"
ADDRESS = "Internet_Eligibility_Address__c"
ELIGIBILITIES: dict[str, dict[str, str | None]] = {
    "never asked": {STATUS: None, OFFERING: None, ADDRESS: None},
    "being checked": {STATUS: "Pending", OFFERING: None, ADDRESS: None},
    "an unknown word": {STATUS: "Expired", OFFERING: "Home 1G", ADDRESS: None},
    "no": {STATUS: "Not Available", OFFERING: None, ADDRESS: None},
    "no offering": {STATUS: "Eligible", OFFERING: None, ADDRESS: None},
    "1G, no address": {STATUS: "Eligible", OFFERING: "Home 1G", ADDRESS: None},
    "10G elsewhere": {STATUS: "Eligible", OFFERING: "Home 10G", ADDRESS: ELSEWHERE_LINE},
    "apartment, no address": {STATUS: "Checked", OFFERING: "apartment 1g", ADDRESS: None},
    "a new offering": {STATUS: "Eligible", OFFERING: "Home 100G", ADDRESS: None},
}
COVERED = {
    "1G, no address": ("on file", {"Home 1G"}),
    "10G elsewhere": ("elsewhere", {"Home 1G", "Home 10G"}),
    "apartment, no address": ("on file", {"Apartment 1G"}),
}
"""Eligibility → the address and the lines that it allows; any other allows nothing."""
SITUATIONS = ("nothing", "an open order", "a service", "a suspended service", "a cancelled order", "an ended service")
MOST = ("nothing", "an open order", "a service")
"""Situations that are walked with every eligibility; the others with one."""
IN_THE_WAY = ("an open order", "a service", "a suspended service")
ADDRESSES: dict[str, dict[str, Any]] = {"on file": {}, "elsewhere": {"address": ELSEWHERE}}
LINE = "INTERNET-SILVER-HOME-1G"
INSTALLATION = "INTERNET-INSTALL-SINGLE"


class Walk:
    """One customer whose eligibility, orders and services change between the steps."""

    def __init__(self, desk: Any, actor: Actor, plans: dict[str, dict[str, Any]]) -> None:
        self.desk, self.actor, self.plans = desk, actor, plans
        self.store = Store(desk.pool, "/data/Portal__chn", "Asia/Tokyo")

    async def eligible(self, name: str) -> None:
        """Set the eligibility as staff do."""
        account_id = self.actor.salesforce_account_id
        await self.desk.resources.salesforce.update("Account", account_id, ELIGIBILITIES[name])
        await self.desk.resources.inbox.submit([self.desk.hint("Account", account_id)])
        await self.desk.settle()

    async def situated(self, situation: str) -> None:
        """Give the customer an Internet order or service of this state, and take it away afterwards."""
        if "order" in situation:
            order_id = await staff_order(self.desk, self.actor, LINE, INSTALLATION)
            if "cancelled" in situation:
                await cancel_order(self.desk, order_id)
            self.leave = lambda: cancel_order(self.desk, order_id)
        elif "service" in situation:
            status = "Suspended" if "suspended" in situation else "Active"
            service = {"clientid": self.actor.whmcs_client_id, "pid": 181, "status": status}
            control = self.desk.sandbox.control
            service_id = (await control.post("/whmcs/services", json=service)).raise_for_status().json()["id"]
            self.leave = lambda: self.end(service_id)
            await (self.leave() if situation == "an ended service" else self.services())

    async def end(self, service_id: str) -> None:
        """End a service in WHMCS."""
        path = f"/whmcs/services/{service_id}"
        (await self.desk.sandbox.control.patch(path, json={"status": "Terminated"})).raise_for_status()
        await self.services()

    async def services(self) -> None:
        """Read the services again."""
        await self.desk.reread("client_services", self.actor.whmcs_client_id)

    async def leave(self) -> None:
        """Undo the situation."""

    async def shown(self) -> dict[str, str | None]:
        """SKU → the code with which the account catalog shows a plan, None if it is available; hidden plans lack."""
        found = {}
        for category in MADE_ONCE:
            answer = await catalog.account_category(self.store, self.actor.account_id_or_refuse(), category)
            for plan in msgspec.json.decode(answer.body)["plans"]:
                found[plan["product"]["sku"]] = plan["availability"]["code"]
                assert plan["availability"]["available"] == (plan["availability"]["code"] is None)
        return found

    def basket(self, sku: str, address: str) -> Basket:
        """Return a complete basket of a plan."""
        facts, category = self.plans[sku]["facts"], self.plans[sku]["category"]
        with_it = {"internet": [INSTALLATION], "sim": ["SIM-ACTIVATION-FEE"], "vpn": ["VPN-ACTIVATION-FEE"]}
        configuration = {
            "internet": {},
            "sim": {"sim_type": "esim", "eid": EID},
            "vpn": {"vpn_region": facts.get("vpn_region")},
            "hosting": {"domain": f"d{uuid4().hex[:8]}.example"},
        }
        items = [{"sku": each} for each in (sku, *with_it.get(category, []))]
        body = {"items": items, "configuration": configuration[category], "address_confirmed": True}
        return msgspec.convert({**body, **ADDRESSES[address]}, Basket, strict=False)

    async def checked(self, basket: Basket) -> list[Violation]:
        """Return what the check says."""
        result = (await check_order(self.desk.context, self.actor, basket)).result
        assert result.ok == (result.violations == [])
        violations: list[Violation] = result.violations
        return violations

    async def ordered(self, basket: Basket) -> list[Violation]:
        """Return what the order says. One that is accepted is cancelled again."""
        actor = msgspec.structs.replace(self.actor, command_key=uuid4().hex)
        try:
            done = await place_order(self.desk.context, actor, basket)
        except RuleViolated as refused:
            return list(refused.errors)
        await self.desk.settle()
        await cancel_order(self.desk, done.result.order_id)
        return []

    async def read_products(self) -> None:
        """Read every product as fulfilment does, from Salesforce."""
        fields = ", ".join((*activation.LINE.values(), activation.FAMILY))
        rows = await self.desk.resources.salesforce.query(f"SELECT {fields} FROM Product2")
        items = [{"Id": row["StockKeepingUnit"], "Quantity": 1, "UnitPrice": 100, "Product2": row} for row in rows]
        self.lines = {each["Id"]: activation._line(each) for each in items}

    def fulfilled(self, basket: Basket, standing: Standing, known: OrderFacts) -> str | None:
        """Return the code with which fulfilment would pause an order of this basket."""
        configuration, address = basket.configuration, ordered_address(basket)
        order = LiveOrder(
            order_id="",
            account_id="",
            status="Approved",
            activation_status=None,
            error_code=None,
            sim_type="eSIM",
            eid=configuration.eid or "",
            voice_mail=False,
            call_waiting=False,
            domain=configuration.domain or "",
            region=configuration.vpn_region or "",
            address=snapshot(address) if address else None,
            promo_code="",
            instant=False,
            porting=None,
            lines=tuple(self.lines[item.sku] for item in basket.items),
        )
        found = first_broken(order, standing, known)
        return found.code if found else None

    def expected(self, sku: str, eligibility: str, situation: str, address: str) -> set[str]:
        """Return the codes that an order of a plan must be refused with, by this test's own reading of the rules."""
        plan = self.plans[sku]
        if plan["category"] != "internet":
            return {"product_not_orderable"} if "FAMILY" in sku else set()
        place, lines = COVERED.get(eligibility, ("", set()))
        allowed = place == address and plan["facts"]["internet_offering_type"] in lines
        codes = set() if allowed else {"not_eligible"}
        return codes | ({"duplicate_internet"} if situation in IN_THE_WAY else set())


@pytest.fixture
async def walk(desk: Any) -> Walk:
    rows = await desk.pool.fetch("SELECT sku, category, facts FROM read_model.catalog WHERE item_class = 'service'")
    await desk.pool.execute("INSERT INTO read_model.feeds VALUES ('/data/Portal__chn', now())")
    actor = await desk.customer()
    walk = Walk(desk, actor, {row["sku"]: dict(row) for row in rows})
    for service in await desk.resources.whmcs.services(actor.whmcs_client_id):
        await walk.end(service.record_id)
    return walk


def test_every_category_of_the_catalog_is_made_once() -> None:
    assert set(MADE_ONCE) == set(CATEGORIES)


async def test_catalog_check_order_and_fulfilment_agree_about_everything(walk: Walk) -> None:
    assert len(walk.plans) > 30
    await walk.read_products()
    known = OrderFacts(await vpn_regions(walk.desk.pool), date(2026, 6, 1), is_domain_elsewhere=False)
    accepted = set()
    for situation in SITUATIONS:
        await walk.situated(situation)
        for eligibility in ELIGIBILITIES if situation in MOST else ("1G, no address",):
            await walk.eligible(eligibility)
            shown = await walk.shown()
            standing = await standing_of(walk.desk.pool, walk.actor.account_id_or_refuse())
            for sku, address in itertools.product(walk.plans, ADDRESSES):
                basket, case = walk.basket(sku, address), (situation, eligibility, sku, address)
                said = await walk.checked(basket)
                codes = [each.code for each in said]
                assert set(codes) == walk.expected(sku, eligibility, situation, address), case
                first = codes[0] if codes else None
                assert walk.fulfilled(basket, standing, known) == first, case
                if address == "on file":
                    assert shown.get(sku, "product_not_orderable") == first, case
                if walk.plans[sku]["category"] == "internet" or (situation, eligibility) == ("nothing", "never asked"):
                    assert await walk.ordered(basket) == said, case
                    accepted |= {sku} if not said else set()
        await walk.leave()
    assert accepted == {sku for sku in walk.plans if "FAMILY" not in sku}, "each plan was ordered somewhere"


@pytest.mark.parametrize(
    ("status", "code"), [("Active", None), ("Suspended", "product_not_orderable"), ("Pending", "product_not_orderable")]
)
async def test_family_plans_are_for_those_who_have_an_active_sim(walk: Walk, status: str, code: str | None) -> None:
    service = {"clientid": walk.actor.whmcs_client_id, "pid": 301, "status": status}
    (await walk.desk.sandbox.control.post("/whmcs/services", json=service)).raise_for_status()
    await walk.services()
    family = "SIM-DATA-5GB-FAMILY"
    assert (await walk.shown()).get(family, "hidden") == ("hidden" if code else None)
    assert [each.code for each in await walk.checked(walk.basket(family, "on file"))] == ([code] if code else [])
    await walk.desk.pool.execute("DELETE FROM generations.freshness_1 WHERE resource = 'client_services'")
    assert [each.code for each in await walk.checked(walk.basket(family, "on file"))] == ["not_known_yet"]


@pytest.mark.parametrize("status", ["Closed", "Inactive", "On Hold"])
async def test_a_client_that_is_not_active_is_shown_nothing_as_available(walk: Walk, status: str) -> None:
    control, client_id = walk.desk.sandbox.control, walk.actor.whmcs_client_id
    (await control.patch(f"/whmcs/clients/{client_id}", json={"status": status, "silent": True})).raise_for_status()
    await walk.desk.reread("client", client_id)
    code = "not_known_yet" if status == "On Hold" else "account_closed"
    assert set((await walk.shown()).values()) == {code}
    basket = walk.basket("VPN-GLOBAL", "on file")
    assert {each.code for each in await walk.checked(basket)} == {code}
    assert {each.code for each in await walk.ordered(basket)} == {code}
    order_id = await staff_order(walk.desk, walk.actor, "VPN-GLOBAL", "VPN-ACTIVATION-FEE", vpn_region="Global")
    await walk.desk.approve(order_id)
    assert await walk.desk.fulfil(order_id) == "paused"
    assert (await overview.one(walk.desk.pool, order_id)).fulfilment.error_code == CODES[code]


@pytest.mark.parametrize("eligibility", ["never asked", "1G, no address", "10G elsewhere", "apartment, no address"])
async def test_fulfilment_agrees_with_the_check(walk: Walk, eligibility: str) -> None:
    desk, snapshot = (
        walk.desk,
        Snapshot(street="9-9-9 Minato", city="Yokohama", state="Kanagawa", postcode="231-0001", country="JP"),
    )
    await walk.eligible(eligibility)
    for situation, address in itertools.product(MOST, ADDRESSES):
        await walk.situated(situation)
        said = await walk.checked(walk.basket(LINE, address))
        await desk.sandbox.control.delete("/calls")
        there = {"address": snapshot} if address == "elsewhere" else {}
        order_id = await staff_order(desk, walk.actor, LINE, INSTALLATION, **there)
        await desk.approve(order_id)
        state = await desk.fulfil(order_id)
        story = (await overview.one(desk.pool, order_id)).fulfilment
        case = (situation, eligibility, address, story.error_message)
        assert (state, story.error_code) == (("paused", said[0].code.upper()) if said else ("done", None)), case
        if said:
            assert said[0].message in (story.error_message or "")
            written = {each["operation"] for each in await desk.sandbox.calls("whmcs")}
            assert not {"AddOrder", "AcceptOrder", "GetOrders"} & written, "WHMCS was not touched"
            await cancel_order(desk, order_id)
        else:
            [service_id, *_] = (await desk.journal(order_id))["facts"]["service_ids"]
            await walk.end(service_id)
        await walk.leave()
