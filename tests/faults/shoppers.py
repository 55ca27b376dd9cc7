"""Many customers who order at once, over HTTP, while staff approve; and the weather the upstreams have meanwhile."""

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from app.commands.identity.sessions.session_store import open_session
from app.ingest.refetch import owners
from app.resources import Resources
from tests.fixtures.linked import add_account

THINK_SECONDS = (0.5, 6.0)
MOST_WAITING = 3
"""Faults of one upstream that may wait for a call; with one more, all pass by."""
PATIENCE_SECONDS = 180.0
KNOWN_STATUSES = (200, 201)
BUSY_STATUSES = (409, 425, 429, 500, 502, 503, 504)
APPROVED_SHARE = 0.9
BASKETS = ("vpn", "vpn", "hosting", "sim")

STORM: tuple[dict[str, Any], ...] = (
    *({"upstream": "whmcs", "kind": kind} for kind in ("timeout_after_write", "reset", "garbage", "status")),
    *(
        {"upstream": "whmcs", "operation": action, "kind": "timeout_after_write"}
        for action in ("AddOrder", "AcceptOrder", "GetPayMethods")
    ),
    *({"upstream": "salesforce", "kind": kind} for kind in ("timeout_after_write", "status")),
    {"upstream": "salesforce", "operation": "composite", "kind": "timeout_after_write"},
    *({"upstream": "freebit", "kind": kind} for kind in ("timeout_after_write", "reset", "status")),
    *({"upstream": "whm", "kind": kind} for kind in ("timeout_after_write", "reset", "garbage")),
    *({"upstream": name, "kind": "latency", "seconds": 0.4} for name in ("whmcs", "salesforce", "freebit", "whm")),
    *({"upstream": name, "kind": "down", "count": 5} for name in ("whmcs", "salesforce", "freebit", "whm")),
)
"""One of these befalls an upstream's next call, again and again."""


@dataclass
class Purchase:
    """One intention to order, under one key; `order_id` once the portal said that it stands."""

    key: str
    category: str
    body: dict[str, Any]
    order_id: str | None = None
    answers: list[int] = field(default_factory=list)
    approved: bool = False

    @property
    def configuration(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["configuration"]
        return found


@dataclass
class Shopper:
    """A customer with a session and what they tried to buy."""

    account_id: UUID
    whmcs_client_id: str
    salesforce_account_id: str
    token: str
    address: str
    bought: list[Purchase] = field(default_factory=list)


async def shoppers(resources: Resources, customers: list[dict[str, Any]]) -> list[Shopper]:
    """Portal users for these customers, each logged in from an address of their own."""
    found = []
    for number, customer in enumerate(customers):
        ids = str(customer["whmcs_client_id"]), customer["salesforce_account_id"]
        row = await resources.pool.fetchrow(
            "SELECT user_id, account_id FROM portal.id_mappings WHERE whmcs_client_id = $1", ids[0]
        )
        user_id, account_id = row or await _user(resources, customer, ids)
        opened = await open_session(resources.pool, resources.settings, user_id, "10.0.0.1", "shopper")
        address = f"10.1.{number // 250}.{number % 250 + 1}"
        found.append(Shopper(account_id, *ids, opened.token, address))
    return found


async def _user(resources: Resources, customer: dict[str, Any], ids: tuple[str, str]) -> tuple[UUID, UUID]:
    user_id, account_id = await add_account(resources.pool, customer, told=True)
    await owners.link(resources.inbox, account_id, *ids)
    return user_id, account_id


class Market:
    """The customers' and the staff's side of it. `passing`: codes of refusals that are tried again like busy ones."""

    passing: frozenset[str] = frozenset()

    def __init__(self, api_url: str, control_url: str, seed: int) -> None:
        self._random = random.Random(seed)
        self._api = httpx.AsyncClient(base_url=api_url, timeout=60, limits=httpx.Limits(max_connections=200))
        self._control = httpx.AsyncClient(base_url=control_url, timeout=60)

    async def close(self) -> None:
        await self._api.aclose()
        await self._control.aclose()

    async def shop(self, everybody: list[Shopper], seconds: float) -> None:
        """All of them order again and again until the time is up, and see each order through to an answer."""
        ends_at = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(*(self._visit(each, ends_at) for each in everybody))

    async def _visit(self, shopper: Shopper, ends_at: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._random.uniform(0, THINK_SECONDS[1]))
        while loop.time() < ends_at or not shopper.bought:
            purchase = self._purchase()
            shopper.bought.append(purchase)
            await self._order(shopper, purchase)
            if purchase.order_id and self._random.random() < APPROVED_SHARE:
                await self._approve(purchase)
            await asyncio.sleep(self._random.uniform(*THINK_SECONDS))

    async def _order(self, shopper: Shopper, purchase: Purchase) -> None:
        """Send the same request until it has a final answer, as a patient browser would."""
        headers = {
            "authorization": f"Bearer {shopper.token}",
            "idempotency-key": purchase.key,
            "x-forwarded-for": shopper.address,
        }
        ends_at = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while asyncio.get_running_loop().time() < ends_at:
            with contextlib.suppress(httpx.HTTPError):
                answer = await self._api.post("/api/orders", json=purchase.body, headers=headers)
                purchase.answers.append(answer.status_code)
                if answer.status_code in KNOWN_STATUSES:
                    purchase.order_id = answer.json()["order_id"]
                    return
                busy = answer.status_code in BUSY_STATUSES or answer.json()["code"] in self.passing
                assert busy, (answer.status_code, answer.text[:500])
            await asyncio.sleep(self._random.uniform(0.3, 1.5))

    async def _approve(self, purchase: Purchase) -> None:
        (await self._control.post(f"/salesforce/orders/{purchase.order_id}/approve")).raise_for_status()
        purchase.approved = True

    def _purchase(self) -> Purchase:
        category = self._random.choice(BASKETS)
        skus, configuration = {
            "vpn": (("VPN-GLOBAL", "VPN-ACTIVATION-FEE"), {"vpn_region": "Global"}),
            "hosting": (("HOSTING-BASIC",), {"domain": f"d{uuid4().hex[:10]}.example"}),
            "sim": (("SIM-DATA-5GB", "SIM-ACTIVATION-FEE"), {"sim_type": "esim", "eid": self._digits(32)}),
        }[category]
        body = {"items": [{"sku": sku} for sku in skus], "configuration": configuration}
        return Purchase(uuid4().hex, category, body)

    def _digits(self, count: int) -> str:
        return "".join(self._random.choice("0123456789") for _ in range(count))

    async def storm(self, per_second: float) -> None:
        """Set random faults until cancelled; those that met no call expire. While a breaker is open, no faults are set
        for its upstream, so that they do not pile up."""
        while True:
            fault = {"operation": "*", "count": 1, **self._random.choice(STORM)}
            waiting = (await self._control.get("/faults")).json()["faults"]
            if sum(each["upstream"] == fault["upstream"] for each in waiting) >= MOST_WAITING:
                await self._control.delete("/faults")
            await self._control.post("/faults", json=fault)
            await asyncio.sleep(self._random.expovariate(per_second))

    async def calm(self) -> None:
        """Everything works again."""
        (await self._control.delete("/faults")).raise_for_status()
