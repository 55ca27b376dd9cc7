"""A seeded stream of what staff, customers and the billing system do, through the sandbox's control surface."""

import asyncio
import contextlib
import random
from typing import Any

import httpx

REACHED_SECONDS = 180
INVOICE_STATUSES = ("Unpaid", "Paid", "Cancelled", "Refunded")
"""Those that WHMCS has hooks for. It sends an invoice to collections in silence, which only reconciliation finds."""
ORDER_STATUSES = ("Pending Review", "Rejected", "Cancelled")
SERVICE_STATUSES = ("Active", "Suspended", "Pending")


class Load:
    """Changes at a steady rate until stopped; counts those that the upstreams took."""

    def __init__(self, control_url: str, clients: list[str], seed: int, *, per_second: float = 40) -> None:
        self._random, self._pause_seconds = random.Random(seed), 1 / per_second
        self._clients, self._url = clients, control_url
        self.done = 0
        self._ids: dict[str, list[str]] = {}

    async def reached(self, count: int) -> None:
        """Return when the upstreams have taken so many changes; on a busy machine that takes its time."""
        async with asyncio.timeout(REACHED_SECONDS):
            while self.done < count:
                await asyncio.sleep(0.05)

    async def run(self) -> None:
        """Make changes until cancelled. Those that an upstream refused because of a fault did not happen."""
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as control:
            await self._look_around(control)
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    response = await self._one(control)
                    self.done += response.status_code < 300
                await asyncio.sleep(self._pause_seconds)

    async def _look_around(self, control: httpx.AsyncClient) -> None:
        for name in ("orders", "products"):
            found = (await control.get(f"/salesforce/{'Order' if name == 'orders' else 'Product2'}")).json()
            self._ids[name] = [each["Id"] for each in found["records"]]
        for name in ("invoices", "services"):
            found = (await control.get(f"/whmcs/{name}")).json()
            rows = found.get(name) or found.get("records") or found.get("items") or []
            mine = [row for row in rows if str(row.get("userid") or row.get("client_id")) in self._clients]
            self._ids[name] = [str(row["id"]) for row in mine]

    async def _one(self, control: httpx.AsyncClient) -> httpx.Response:
        pick = self._random.choice
        kind = self._random.random()
        if kind < 0.35 and self._ids["invoices"]:
            body: dict[str, Any] = {"status": pick(INVOICE_STATUSES), "notes": str(self._random.random())}
            return await control.patch(f"/whmcs/invoices/{pick(self._ids['invoices'])}", json=body)
        if kind < 0.5 and self._ids["services"]:
            body = {"status": pick(SERVICE_STATUSES)}
            return await control.patch(f"/whmcs/services/{pick(self._ids['services'])}", json=body)
        if kind < 0.55:
            return await control.post(f"/whmcs/clients/{pick(self._clients)}/pay-methods", json={})
        if kind < 0.9:
            body = {"Status": pick(ORDER_STATUSES), "Description": str(self._random.random())}
            return await control.patch(f"/salesforce/Order/{pick(self._ids['orders'])}", json=body)
        body = {"Description": str(self._random.random()), "Portal_Accessible__c": self._random.random() < 0.9}
        return await control.patch(f"/salesforce/Product2/{pick(self._ids['products'])}", json=body)
