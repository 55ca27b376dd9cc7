"""The auditor: what the upstreams hold must be what customers were shown, once each and nothing else."""

from collections import Counter
from typing import Any

import httpx

from app.resources import Resources
from tests.faults.shoppers import Purchase, Shopper

BY_HAND = frozenset({"SIM_OUTCOME_UNKNOWN", "SIM_NUMBER_UNKNOWN"})
"""A new eSIM whose answer got lost: Freebit gave it a number that nobody knows, so a person must look."""


class Books:
    """The final records of each system."""

    def __init__(self, resources: Resources, control_url: str) -> None:
        self._resources = resources
        self._control = httpx.AsyncClient(base_url=control_url, timeout=30)
        self.tally: Counter[str] = Counter()

    async def close(self) -> None:
        await self._control.aclose()

    async def wrong(self, everybody: list[Shopper]) -> list[str]:
        """Every entry that does not balance, as sentences; none when all is well."""
        lines = Counter(each["eid"] for each in await self._listed("/freebit/lines") if each.get("eid"))
        domains = Counter(each["domain"] for each in await self._listed("/whm/accounts"))
        found = []
        for shopper in everybody:
            found += await self._of_customer(shopper)
            for purchase in shopper.bought:
                found += await self._provided(purchase, lines, domains)
        return found

    async def _of_customer(self, shopper: Shopper) -> list[str]:
        """One Salesforce order for each intention, one WHMCS order for each that was fulfilled, no other."""
        orders = await self._listed("/salesforce/Order", AccountId=shopper.salesforce_account_id)
        placed = {each["Id"] for each in orders if each.get("Portal_Order_Key__c")}
        told = [purchase.order_id for purchase in shopper.bought]
        self.tally["orders"] += len(told)
        found = [f"{shopper.whmcs_client_id}: an order was never answered" for each in told if each is None]
        if len(set(told)) != len(told) or placed != set(told):
            found.append(
                f"{shopper.whmcs_client_id}: told of {sorted(map(str, told))}, Salesforce has {sorted(placed)}"
            )
        billed = Counter(
            note.split("sfOrderId=")[1][:18]
            for each in await self._listed("/whmcs/orders", userid=shopper.whmcs_client_id)
            if "sfOrderId=" in (note := str(each.get("notes") or ""))
        )
        found += [f"WHMCS has {count} orders for {order}" for order, count in billed.items() if count > 1]
        wanted = {purchase.order_id for purchase in shopper.bought if purchase.approved}
        found += [f"WHMCS has an order for {order}, which nobody approved" for order in billed.keys() - wanted]
        return found + [f"{order} was approved and is not in WHMCS" for order in wanted - billed.keys()]

    async def _provided(self, purchase: Purchase, lines: Counter[str], domains: Counter[str]) -> list[str]:
        """Exactly one line or account for what is active; none for what nobody approved."""
        state = await self._resources.pool.fetchrow(
            "SELECT state, error_code FROM portal.fulfilments WHERE order_id = $1", purchase.order_id
        )
        name = f"{purchase.category} order {purchase.order_id}"
        if not purchase.approved:
            return [f"{name} was never approved and is being fulfilled"] if state else []
        if state is None:
            return [f"{name} was approved and nobody fulfils it"]
        self.tally[state["state"]] += 1
        if state["state"] != "done" and state["error_code"] not in BY_HAND:
            return [f"{name} is {state['state']}: {state['error_code']}"]
        made = lines[purchase.configuration.get("eid", "")] if purchase.category == "sim" else 0
        made = domains[purchase.configuration.get("domain", "")] if purchase.category == "hosting" else made
        most = 0 if purchase.category == "vpn" else 1
        least = most if state["state"] == "done" else 0
        return [] if least <= made <= most else [f"{name} ({state['state']}) has {made} lines or accounts"]

    async def _listed(self, path: str, **where: Any) -> list[dict[str, Any]]:
        body = (await self._control.get(path, params=where)).raise_for_status().json()
        records: list[dict[str, Any]] = body["records"]
        assert len(records) == body["total"], f"{path} shows only a part"
        return records
