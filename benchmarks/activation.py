"""Approve-to-activated: the time until a customer sees an approved order active, against the time of the necessary
calls.

The stand-ins answer in no time, so each upstream is set to take as long as the real one might. The baseline is the
plain sum over `NEEDED`, one call after the other: reading the order, checking, looking before writing, writing, and
updating Salesforce. Orders are approved one at a time; the clock stops when the view that queries read says `active`.
"""

import asyncio
import time
from collections.abc import Mapping
from statistics import median
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from app.cli.demo.sim_basket import sim_basket
from benchmarks.harness.report import Result
from benchmarks.harness.stack import logged_in, members, running

LATENCY_SECONDS = {"salesforce": 0.15, "whmcs": 0.25, "freebit": 0.6, "whm": 2.0}
"""Seconds that a call takes there: the order of magnitude that people report, not measured here."""
FREEBIT_WORK_SECONDS = 8.0
"""Freebit answers before its work is done; this is the work. Minutes in real life, asked after every minute."""
NEEDED: Mapping[str, tuple[str, ...]] = {
    "vpn": (
        *("salesforce", "whmcs", "salesforce"),  # the order, the payment method, "activating"
        *("whmcs", "whmcs", "whmcs", "salesforce"),  # look, add, accept, "activated"
    ),
    "hosting": ("salesforce", "whmcs", "salesforce", "whmcs", "whmcs", "whmcs", "whm", "whm", "salesforce"),
    "sim": ("salesforce", "whmcs", "salesforce", "whmcs", "whmcs", "whmcs", "freebit", "freebit", "salesforce"),
}
"""Category → the upstreams of the calls it cannot do without, in order. Hosting and SIM look and write there too."""
BASKETS: Mapping[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "vpn": (("VPN-GLOBAL", "VPN-ACTIVATION-FEE"), {"vpn_region": "Global"}),
    "hosting": (("HOSTING-BASIC",), {}),
}
POLL_SECONDS = 0.005
PATIENCE_SECONDS = 60.0
BAR = 1.2


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """Measure one row per category; medians over the rounds."""
    with running() as state:
        buyer = await logged_in(state, next(each for each in members(state) if each["has_payment_method"]))
        async with httpx.AsyncClient(base_url=state["control_url"], timeout=30, trust_env=False) as control:
            connection = await asyncpg.connect(state["database_url"])
            try:
                await _slow_down(control, 0.1 if quick else 1.0)
                scale = 0.1 if quick else 1.0
                taken: dict[str, list[float]] = {name: [] for name in NEEDED}
                for _ in range(rounds):
                    for name, times in taken.items():
                        times.append(await _activate(buyer, control, connection, name))
            finally:
                await connection.close()
                await buyer.aclose()
    return [_result(name, times, scale) for name, times in taken.items()]


async def _slow_down(control: httpx.AsyncClient, scale: float) -> None:
    for upstream, seconds in LATENCY_SECONDS.items():
        fault = {"upstream": upstream, "kind": "latency", "count": None, "seconds": seconds * scale}
        (await control.post("/faults", json=fault)).raise_for_status()
    body = {"delay_seconds": FREEBIT_WORK_SECONDS * scale}
    (await control.put("/freebit/settings", json=body)).raise_for_status()


async def _activate(buyer: httpx.AsyncClient, control: httpx.AsyncClient, connection: Any, category: str) -> float:
    """Seconds from staff's approval to `active`."""
    headers = {"idempotency-key": uuid4().hex}
    placed = (await buyer.post("/api/orders", json=_basket(category), headers=headers)).raise_for_status().json()
    order_id = placed["order_id"]
    await _until(connection, order_id, "in_review")
    began = time.monotonic()
    (await control.post(f"/salesforce/orders/{order_id}/approve")).raise_for_status()
    await _until(connection, order_id, "active")
    return time.monotonic() - began


def _basket(category: str) -> dict[str, Any]:
    if category == "sim":
        basket = sim_basket()
        return basket | {"configuration": {**basket["configuration"], "mnp": None}}
    skus, configuration = BASKETS[category]
    if category == "hosting":
        configuration = {"domain": f"d{uuid4().hex[:10]}.example"}
    return {"items": [{"sku": sku} for sku in skus], "configuration": configuration}


async def _until(connection: Any, order_id: str, status: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = await connection.fetchval("SELECT status FROM read_model.orders WHERE order_id = $1", order_id)
        if found == status:
            return
        await asyncio.sleep(POLL_SECONDS)
    raise RuntimeError(f"order {order_id} is {found}, not {status}")


def _result(category: str, times: list[float], scale: float) -> Result:
    upstream = sum(LATENCY_SECONDS[name] for name in NEEDED[category])
    upstream = scale * (upstream + (FREEBIT_WORK_SECONDS if category == "sim" else 0.0))
    ours = median(times)
    return Result(
        name=f"approved to activated, {category}",
        unit="s",
        ours=ours,
        baseline=upstream,
        against="the upstreams' own time",
        ratio=ours / upstream,
        bar=BAR,
        at_most=True,
        detail=f"{len(times)} orders, {min(times):.2f}–{max(times):.2f} s; {len(NEEDED[category])} calls needed",
    )
