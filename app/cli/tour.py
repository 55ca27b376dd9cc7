"""What else a customer orders: Internet after a check of the address, a VPN, hosting; each until it is active."""

from typing import Any
from uuid import uuid4

from app.cli.visitor import JourneyError, Visitor

OFFERING = "Home 1G"
INTERNET = ("INTERNET-GOLD-HOME-1G", "INTERNET-INSTALL-SINGLE")
VPN = ("VPN-UK-LONDON", "VPN-ACTIVATION-FEE")
HOSTING = ("HOSTING-PRO",)


class Tour:
    """Orders of one customer who is logged in and has a card; `order_ids` are those placed."""

    def __init__(self, visitor: Visitor, tell: Any) -> None:
        self._visitor = visitor
        self._tell = tell
        self.order_ids: list[str] = []

    async def take(self) -> None:
        """All three.

        Raises:
            JourneyError: at the first thing that did not hold.
        """
        await self._check_address()
        await self._order("Internet", INTERNET, {"access_mode": "ipoe_own_router"}, confirmed=True)
        await self._order("a VPN", VPN, {"vpn_region": "UK-London"})
        await self._order("hosting", HOSTING, {"domain": f"demo-{uuid4().hex[:8]}.example.jp"})

    async def _check_address(self) -> None:
        """Refused at first; then an agent finds out, and the answer comes by itself."""
        basket = self._basket(INTERNET, {"access_mode": "ipoe_own_router"}, confirmed=True)
        refused = await self._visitor.post("/api/orders/check", basket)
        codes = [each["code"] for each in refused["violations"]]
        if codes != ["not_eligible"]:
            raise JourneyError(f"Internet should be refused before a check, for that alone, not {codes}")
        await self._visitor.post("/api/account/eligibility/request")
        wrote = "Salesforce Opportunity, Case for the agent, Account"
        self._tell("customer", "asks whether Internet is available at the address", wrote=wrote)
        account_id = await self._account_id()
        fields = {"Internet_Eligibility__c": OFFERING, "Internet_Eligibility_Status__c": "Eligible"}
        _, committed = await self._visitor.staff_change(f"/salesforce/accounts/{account_id}", fields)
        _, seen = await self._visitor.visible(
            "/api/account/eligibility", lambda answer: answer["internet"]["status"] == "eligible"
        )
        what = f"ask the carrier: {OFFERING} is available"
        self._tell("staff", what, wrote="Account, platform event", lag_ms=(seen - committed) * 1000)

    async def _account_id(self) -> str:
        """The customer's Salesforce account, as staff find it: the one whose check was asked for."""
        query = "/salesforce/accounts?Internet_Eligibility_Status__c=Pending"
        found = (await self._visitor.control.get(query)).json()["records"]
        if len(found) != 1:
            raise JourneyError(f"one account should be waiting for a check, not {len(found)}")
        return str(found[0]["Id"])

    async def _order(
        self, name: str, skus: tuple[str, ...], configuration: dict[str, Any], *, confirmed: bool = False
    ) -> None:
        basket = self._basket(skus, configuration, confirmed=confirmed)
        placed = await self._visitor.post("/api/orders", basket, expect=201, key=str(uuid4()))
        order_id = placed["order_id"]
        self.order_ids.append(order_id)
        _, committed = await self._visitor.staff(f"/salesforce/orders/{order_id}/approve")
        _, active = await self._visitor.visible(f"/api/orders/{order_id}", lambda answer: answer["status"] == "active")
        took = (active - committed) * 1000
        what = f"orders {name}: {skus[0]}, {placed['total']['amount']} yen without tax; approved and active"
        self._tell("customer", what, wrote="Salesforce Order, WHMCS order, services", took_ms=took)

    def _basket(self, skus: tuple[str, ...], configuration: dict[str, Any], *, confirmed: bool) -> dict[str, Any]:
        items = [{"sku": sku} for sku in skus]
        return {"items": items, "configuration": configuration, "address_confirmed": confirmed}
