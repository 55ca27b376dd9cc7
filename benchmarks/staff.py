"""Staff at work: a steady stream of changes of orders in the sandbox, each with a number of its own."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import httpx

from benchmarks.harness.stack import State, members

FIELD = "WHMCS_Order_ID__c"
"""The field that changes: a plain column of the read model, so that polling it costs next to nothing."""
ORDERS_EACH = 2
AT_ONCE = 32


class Staff:
    """Changes orders at a rate and keeps the instants (monotonic seconds), by number."""

    def __init__(self, state: State) -> None:
        self._control = httpx.AsyncClient(
            base_url=state["control_url"], timeout=30, trust_env=False, limits=httpx.Limits(max_connections=AT_ONCE)
        )
        self._state = state
        self.orders: Sequence[str] = ()
        self.sent_at: dict[int, float] = {}
        self.answered_at: dict[int, float] = {}
        self.late_seconds = 0.0
        self._turns: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Stop working."""
        await self._control.aclose()

    async def place_orders(self) -> None:
        """Two orders for every customer who can log in: what will be changed."""
        self.orders = [
            (await self._call("POST", "/salesforce/Order", _order(customer)))["Id"]
            for customer in members(self._state)
            for _ in range(ORDERS_EACH)
        ]

    async def change(self, per_second: float, seconds: float, *, first: int = 1) -> int:
        """Change one order after the other, on time whatever the answers take; returns the number after the last."""
        began, number = time.monotonic(), first
        async with asyncio.TaskGroup() as group:
            self.late_seconds = 0.0
            while (due := began + (number - first) / per_second) < began + seconds:
                await asyncio.sleep(max(due - time.monotonic(), 0))
                self.late_seconds = max(self.late_seconds, time.monotonic() - due)
                group.create_task(self._change(number))
                number += 1
        return number

    async def change_at_once(self, changes: int, *, first: int) -> int:
        """Make so many changes as fast as they are taken in, `AT_ONCE` side by side; returns the next number."""
        numbers = iter(range(first, first + changes))

        async def work() -> None:
            for number in numbers:
                await self._change(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
        return first + changes

    def order_of(self, number: int) -> str:
        """Return the order that the change with this number is about."""
        return self.orders[number % len(self.orders)]

    async def _change(self, number: int) -> None:
        """Change an order, one change at a time: sent concurrently they may be committed in another order, and the last
        number would never show."""
        order = self.order_of(number)
        self.sent_at[number] = time.monotonic()
        async with self._turns.setdefault(order, asyncio.Lock()):
            await self._call("PATCH", f"/salesforce/Order/{order}", {FIELD: str(number)})
        self.answered_at[number] = time.monotonic()

    async def _call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        response = await self._control.request(method, path, json=body)
        response.raise_for_status()
        return response.json()


def _order(customer: dict[str, Any]) -> dict[str, Any]:
    return {
        "AccountId": customer["salesforce_account_id"],
        "EffectiveDate": "2026-11-01",
        "Status": "Pending Review",
    }
