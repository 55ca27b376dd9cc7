"""The journey's further orders: Internet after an address check, a VPN, hosting; each until it is active.

Hosting is ordered twice: once reviewed by staff, once instantly, which begins with its invoice.
"""

from decimal import Decimal
from typing import Any
from uuid import uuid4

from app.cli.demo.visitor import JourneyError, Visitor

OFFERING = "Home 1G"
INTERNET = ("INTERNET-GOLD-HOME-1G", "INTERNET-INSTALL-SINGLE")
VPN = ("VPN-UK-LONDON", "VPN-ACTIVATION-FEE")
HOSTING = ("HOSTING-PRO",)
INSTANT = ("HOSTING-BUSINESS",)
RISE = 100


class Tour:
    """The orders of a logged-in customer with a card; `order_ids` are those placed."""

    def __init__(self, visitor: Visitor, report: Any) -> None:
        self._visitor = visitor
        self._report = report
        self.order_ids: list[str] = []

    async def take(self) -> None:
        """Place all of them.

        Raises:
            JourneyError: at the first step that failed.
        """
        await self._check_address()
        await self._order("Internet", INTERNET, {"access_mode": "ipoe_own_router"}, confirmed=True)
        await self._raise_price(VPN[0])
        await self._order("a VPN", VPN, {"vpn_region": "UK-London"})
        await self._order("hosting", HOSTING, {"domain": _domain()})
        await self._buy_at_once()

    async def _check_address(self) -> None:
        """Have the order refused at first; then staff record the result, and the answer follows by itself."""
        basket = self._basket(INTERNET, {"access_mode": "ipoe_own_router"}, confirmed=True)
        refused = await self._visitor.post("/api/orders/check", basket)
        codes = [each["code"] for each in refused["violations"]]
        if codes != ["not_eligible"]:
            raise JourneyError(f"Internet should be refused before a check, for that alone, not {codes}")
        await self._visitor.post("/api/account/eligibility/request")
        wrote = "Salesforce Opportunity, Case for the agent, Account"
        self._report("customer", "asks whether Internet is available at the address", wrote=wrote)
        account_id = await self._account_id()
        fields = {"Internet_Eligibility__c": OFFERING, "Internet_Eligibility_Status__c": "Eligible"}
        _, committed = await self._visitor.staff_change(f"/salesforce/accounts/{account_id}", fields)
        _, seen = await self._visitor.visible(
            "/api/account/eligibility", lambda answer: answer["internet"]["status"] == "eligible"
        )
        what = f"ask the carrier: {OFFERING} is available"
        self._report("staff", what, wrote="Account, platform event", lag_ms=(seen - committed) * 1000)

    async def _account_id(self) -> str:
        """Find the customer's Salesforce account as staff do: the one with a pending check."""
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
        self._report("customer", what, wrote="Salesforce Order, WHMCS order, services", took_ms=took)

    async def _raise_price(self, sku: str) -> None:
        """Raise a price in Salesforce, and see the public catalog follow."""
        path = f"/api/public/services/vpn/{sku}"
        price = Decimal((await self._visitor.get(path))["price"]["amount"]) + RISE
        [product] = (await self._visitor.control.get(f"/salesforce/Product2?StockKeepingUnit={sku}")).json()["records"]
        entries = (await self._visitor.control.get(f"/salesforce/PricebookEntry?Product2Id={product['Id']}")).json()
        for entry in entries["records"]:
            fields = {"UnitPrice": str(price)}
            _, committed = await self._visitor.staff_change(f"/salesforce/PricebookEntry/{entry['Id']}", fields)
        _, seen = await self._visitor.visible(path, lambda answer: Decimal(answer["price"]["amount"]) == price)
        what = f"raise the price of {sku} to {price:.0f} yen"
        self._report("staff", what, wrote="PricebookEntry", lag_ms=(seen - committed) * 1000)

    async def _buy_at_once(self) -> None:
        """Order hosting without review: the invoice comes first, and paying it activates the service."""
        basket = self._basket(INSTANT, {"domain": _domain()}, confirmed=False)
        placed = await self._visitor.post("/api/orders", basket, expect=201, key=str(uuid4()))
        path = f"/api/orders/{placed['order_id']}"
        waiting, _ = await self._visitor.visible(path, lambda answer: answer["status"] == "awaiting_payment")
        self.order_ids.append(placed["order_id"])
        what = f"orders hosting at once: {INSTANT[0]}; no review, “{waiting['status_text']}”"
        self._report("customer", what, wrote="Salesforce Order, approved; WHMCS order with its invoice")
        found, _ = await self._visitor.visible("/api/invoices?status=unpaid", lambda answer: bool(answer["items"]))
        link = await self._visitor.post(f"/api/invoices/{found['items'][0]['invoice_id']}/payment-link")
        paid = await self._visitor.submit_page(link["url"], {"pay": "1"})
        _, active = await self._visitor.visible(path, lambda answer: answer["status"] == "active")
        wrote = "WHMCS payment · WHM account · Salesforce Order: Activated"
        self._report("customer", "pays, and the hosting is active", wrote=wrote, took_ms=(active - paid) * 1000)

    def _basket(self, skus: tuple[str, ...], configuration: dict[str, Any], *, confirmed: bool) -> dict[str, Any]:
        items = [{"sku": sku} for sku in skus]
        return {"items": items, "configuration": configuration, "address_confirmed": confirmed}


def _domain() -> str:
    return f"demo-{uuid4().hex[:8]}.example.jp"
