"""The company's main job, performed by one new customer through the public API.

Sign up → browse → be refused without a payment method → add a card on WHMCS's page → order a SIM that keeps its number
→ the card is removed → staff approve in Salesforce → fulfilment waits for a card, gets one and goes on → WHMCS bills →
pay on WHMCS's page → request an availability check → order Internet, a VPN, hosting, and instant hosting → ask support
→ look at the first screen → read everything.
"""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

from app.cli.demo.running_services import live_with_services
from app.cli.demo.sim_basket import SKUS, sim_basket
from app.cli.demo.support import ask_support, look_at_the_first_screen
from app.cli.demo.timeline import JourneyStep
from app.cli.demo.tour import Tour
from app.cli.demo.visitor import JourneyError, Visitor

PASSWORD = "a lantern for every platform"  # noqa: S105  the sample customer's
CODE = r"\b[A-Z2-9]{4}-[A-Z2-9]{4}\b"
"""A mailed code in its printed form."""
READS = (
    "/api/public/services",
    "/api/public/services/sim",
    "/api/account/services",
    "/api/account/services/sim",
    "/api/account/eligibility",
    "/api/account/profile",
    "/api/account/address",
    "/api/account/summary",
    "/api/account/timeline",
    "/api/account/notifications",
    "/api/orders",
    "/api/invoices",
    "/api/subscriptions",
    "/api/payment-methods",
    "/api/payment-gateways",
)

ROUNDS, ROUND_SECONDS = 20, 0.5
"""A worker's own call may coincide with the reads; a call made by a query would happen in every round."""

ReportStep = Callable[[JourneyStep], None]


class Journey:
    """One customer's journey; `steps` are the steps so far."""

    def __init__(self, state: dict[str, Any], report: ReportStep) -> None:
        self.state = state
        self.visitor = Visitor(state)
        self.steps: list[JourneyStep] = []
        self._report = report
        self._basket = sim_basket()
        self._began = time.monotonic()
        self.order_id = ""
        self.invoice_id = ""
        self.queries = 0
        self.upstream_calls: int | None = None

    async def live(self) -> None:
        """Run all steps.

        Raises:
            JourneyError: at the first step that failed.
        """
        try:
            await self.sign_up()
            await self.browse()
            await self.add_card()
            await self.order()
            await self.lose_card()
            await self.approve()
            await self.bill_and_pay()
            await self.take_tour()
            await live_with_services(self.visitor, self.say)
            await ask_support(self.visitor, self.say)
            await look_at_the_first_screen(self.visitor, self.say)
            await self.read_everything()
        finally:
            await self.visitor.close()

    def say(self, who: str, what: str, **more: Any) -> None:
        """Record and report a step."""
        step = JourneyStep(at_ms=(time.monotonic() - self._began) * 1000, who=who, what=what, **more)
        self.steps.append(step)
        self._report(step)

    async def _timed(self, call: Any) -> tuple[Any, float]:
        began = time.monotonic()
        return await call, (time.monotonic() - began) * 1000

    async def sign_up(self) -> None:
        """Sign up with a customer number, a password and an address.

        The last step is the code that is mailed to the address on file.
        """
        person = await self._newcomer()
        number = person["customer_number"]
        known, took = await self._timed(
            self.visitor.post("/api/auth/customer-number/check", {"customer_number": number})
        )
        if not known["can_sign_up"]:
            raise JourneyError(f"customer number {number} cannot sign up: {known['reason']}")
        self.say("customer", f"has customer number {number}; it can sign up", took_ms=took)
        body = {
            "email": person["email"],
            "password": PASSWORD,
            "first_name": person["first_name"],
            "last_name": person["last_name"],
            "phone": person["phone"],
            "customer_number": number,
            "address": person["address"],
        }
        begun, took = await self._timed(self.visitor.post("/api/auth/signup", body, expect=202))
        self.say("customer", "asks to sign up", took_ms=took)
        code, took = await self._timed(self.visitor.mailed(person["email"], CODE))
        self.say("portal", "mails a code to the address that Salesforce has on file", took_ms=took)
        proof = {"signup_token": begun["signup_token"], "code": code}
        session, took = await self._timed(self.visitor.post("/api/auth/signup/complete", proof, expect=201))
        self.visitor.api.headers["Authorization"] = f"Bearer {session['token']}"
        wrote = "WHMCS client · portal user, id mapping, session · Salesforce Account: portal active"
        self.say("customer", "signs up with the code", wrote=wrote, took_ms=took)

    async def _newcomer(self) -> dict[str, Any]:
        """Find a customer with a number and no billing client, who did not sign up in an earlier run."""
        for person in self.state["customers"]:
            if person["whmcs_client_id"] is None:
                body = {"customer_number": person["customer_number"]}
                if (await self.visitor.post("/api/auth/customer-number/check", body))["can_sign_up"]:
                    return dict(person)
        raise JourneyError("every sample customer has signed up; start with a fresh PORTAL_HOME")

    async def browse(self) -> None:
        """Read the public catalog, and have an order without a payment method refused."""
        sim, took = await self._timed(self.visitor.get("/api/public/services/sim"))
        cheapest = min(sim["plans"], key=lambda plan: Decimal(plan["price"]["amount"]))
        what = f"browses SIM plans: {len(sim['plans'])} of them, from {cheapest['price']['amount']} yen a month"
        self.say("customer", what, took_ms=took)
        refused = await self.visitor.post("/api/orders", self._basket, expect=422, key=str(uuid4()))
        codes = [error["code"] for error in refused["errors"]]
        if codes != ["payment_method_missing"]:
            raise JourneyError(f"an order without a payment method should be refused for that alone, not {codes}")
        self.say("portal", f"refuses the order for now: {refused['errors'][0]['message']}")

    async def add_card(self) -> None:
        """Add a card on WHMCS's own page; no card number ever reaches the portal."""
        held = {each["payment_method_id"] for each in (await self.visitor.get("/api/payment-methods"))["items"]}
        link = await self.visitor.post("/api/payment-methods/link")
        committed = await self.visitor.submit_page(link["url"], {"card_number": "4242424242424242", "expiry": "12/30"})
        found, seen = await self.visitor.visible("/api/payment-methods", lambda answer: bool(_new(answer, held)))
        card = _new(found, held)[0]
        what = f"adds a card on WHMCS's page: {card['brand']} ···{card['last_four']}"
        self.say("customer", what, wrote="WHMCS pay method", lag_ms=(seen - committed) * 1000)

    async def order(self) -> None:
        """Place the order in Salesforce for review, and see it in the customer's own list at once."""
        placed, took = await self._timed(self.visitor.post("/api/orders", self._basket, expect=201, key=str(uuid4())))
        self.order_id = placed["order_id"]
        await self.visitor.visible(
            "/api/orders", lambda answer: any(each["order_id"] == self.order_id for each in answer["items"])
        )
        number, total = placed.get("order_number") or self.order_id, placed["total"]["amount"]
        wrote = "Salesforce Order and OrderItems, in one transaction, with the address of today"
        self.say("customer", f"orders {SKUS[0]}: order {number}, {total} yen without tax", wrote=wrote, took_ms=took)

    async def lose_card(self) -> None:
        """Remove the card between ordering and approval, which may be days apart."""
        card = (await self.visitor.get("/api/payment-methods"))["items"][0]["payment_method_id"]
        await self.visitor.staff_delete(f"/whmcs/pay-methods/{card}")
        self.say("billing", "the card expires and is removed, which WHMCS tells nobody", wrote="WHMCS pay method")

    async def approve(self) -> None:
        """Have staff approve the order; the change event starts fulfilment, which waits for a card and then goes on."""
        _, committed = await self.visitor.staff(f"/salesforce/orders/{self.order_id}/approve")
        path = f"/api/orders/{self.order_id}"
        seen_states: list[str] = []

        def moved(answer: Any) -> bool:
            if answer["status"] not in seen_states:
                seen_states.append(answer["status"])
            return bool(answer["status"] != "in_review")

        _, seen = await self.visitor.visible(path, moved)
        self.say("staff", "approve the order in Salesforce", wrote="Order.Status", lag_ms=(seen - committed) * 1000)
        paused, _ = await self.visitor.visible(path, lambda a: moved(a) and a["status"] == "awaiting_payment_method")
        self.say(
            "portal", f"asks WHMCS for a card and finds none: “{paused['status_text']}”", wrote="Order: the reason"
        )
        await self.add_card()
        committed = time.monotonic()
        _, done = await self.visitor.visible(path, lambda answer: moved(answer) and answer["status"] == "active")
        wrote = "WHMCS order accepted · Freebit eSIM line · Salesforce Order: Activated, Processed"
        what = f"fulfils it: {' → '.join(state for state in seen_states if state != 'in_review')}"
        self.say("portal", what, wrote=wrote, took_ms=(done - committed) * 1000)
        found, _ = await self.visitor.visible("/api/subscriptions", lambda answer: bool(answer["items"]))
        self.say("customer", f"sees the subscription: {found['items'][-1]['name']}")

    async def bill_and_pay(self) -> None:
        """Run WHMCS's daily job, which issues the invoice, and pay it on WHMCS's page."""
        _, committed = await self.visitor.staff("/whmcs/cron")
        found, seen = await self.visitor.visible("/api/invoices", lambda answer: bool(answer["items"]))
        invoice = found["items"][0]
        self.invoice_id = invoice["invoice_id"]
        what = f"daily run issues invoice {invoice['number']}: {invoice['total']['amount']} yen with tax"
        self.say("billing", what, wrote="WHMCS invoice", lag_ms=(seen - committed) * 1000)
        link = await self.visitor.post(f"/api/invoices/{self.invoice_id}/payment-link")
        committed = await self.visitor.submit_page(link["url"], {"pay": "1"})
        path = f"/api/invoices/{self.invoice_id}"
        _, seen = await self.visitor.visible(path, lambda answer: answer["status"] == "paid")
        self.say("customer", "pays on WHMCS's page", wrote="WHMCS payment", lag_ms=(seen - committed) * 1000)

    async def take_tour(self) -> None:
        """Order Internet, a VPN and hosting."""
        tour = Tour(self.visitor, self.say)
        await tour.take()

    async def read_everything(self) -> None:
        """Run every query of the journey, while the sandbox counts the upstream calls."""
        paths = (*READS, f"/api/orders/{self.order_id}", f"/api/invoices/{self.invoice_id}")
        for _ in range(ROUNDS):
            asked = await self._asked_by(paths)
            if not asked:
                break
            await asyncio.sleep(ROUND_SECONDS)
        self.queries, self.upstream_calls = len(paths), len(asked)
        self.say("customer", f"reads everything: {len(paths)} queries, {len(asked)} upstream calls")
        if asked:
            names = sorted({f"{call['upstream']} {call['operation']}" for call in asked})
            raise JourneyError(f"queries must not call upstreams, but these were asked: {', '.join(names)}")

    async def _asked_by(self, paths: tuple[str, ...]) -> list[dict[str, Any]]:
        """Return the upstream calls made while these paths were read, once the workers were idle."""
        await self.visitor.visible("/api/health/services/cache", lambda answer: answer["inbox"]["waiting"] == 0)
        await self.visitor.control.delete("/calls")
        for path in paths:
            await self.visitor.get(path)
        response = await self.visitor.control.get("/calls")
        return [call for call in response.json()["calls"] if not call["operation"].startswith("pubsub.")]


def _new(answer: Any, held: set[str]) -> list[Any]:
    return [each for each in answer["items"] if each["payment_method_id"] not in held]
