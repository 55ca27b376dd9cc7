"""The journey's part with running services: a larger plan after its price, usage, a panel, a cancellation."""

import time
from typing import Any
from uuid import uuid4

from app.cli.demo.visitor import JourneyError, Visitor

LARGER = "SIM-VOICE-25GB"
LARGER_CODE = "PASI_VOICE_25GB"
LEAVING = "VPN"


async def live_with_services(visitor: Visitor, report: Any) -> None:
    """Upgrade a SIM, cancel a VPN, open the hosting control panel.

    Raises:
        JourneyError: at the first step that failed.
    """
    sim, hosting, vpn = await _active(visitor)
    await _use(visitor, report, sim)
    await _grow(visitor, report, sim)
    link = await visitor.post(f"/api/subscriptions/{hosting['subscription_id']}/control-panel-link")
    lasts = link["expires_in_seconds"]
    report("customer", f"opens the control panel of {hosting['domain']}: a link of its own, good for {lasts} s")
    await _leave(visitor, report, vpn)


async def _active(visitor: Visitor) -> list[Any]:
    """Find a SIM, hosting and a VPN, once all show as active: an order may show it shortly before its service does."""

    def found(page: Any) -> list[Any]:
        active = [each for each in page["items"] if each["status"] == "active"]
        return [
            *[each for each in active if each["name"].startswith("SIM Data")][:1],
            *[each for each in active if each["category"] == "hosting"][:1],
            *[each for each in active if each["name"].startswith(f"{LEAVING} ") and each["next_due_on"]][:1],
        ]

    page, _ = await visitor.visible("/api/subscriptions?limit=100", lambda page: len(found(page)) == 3)
    return found(page)


async def _use(visitor: Visitor, report: Any, sim: Any) -> None:
    used = await visitor.post(f"/api/subscriptions/{sim['subscription_id']}/usage")
    line = used["sim"]
    what = f"looks at the SIM's data: {line['today_kilobytes']} kB today on a {line['network']} {line['sim_type']}"
    report("customer", what)


async def _grow(visitor: Visitor, report: Any, sim: Any) -> None:
    """Change the plan: priced by WHMCS, ordered at that price, paid on WHMCS's page; then the network follows."""
    path = f"/api/subscriptions/{sim['subscription_id']}"
    price = await visitor.post(f"{path}/preview", {"sku": LARGER})
    due, days = price["due_now"]["amount"], price["days_left"]
    report("customer", f"asks what {price['name']} would cost: {due} yen for the {days} days left")
    wish = {"sku": LARGER, "due_now": price["due_now"], "credit": price["credit"]}
    change = await visitor.post(f"{path}/upgrade", wish, key=str(uuid4()))
    if change["state"] != "awaiting_payment":
        raise JourneyError(f"an upgrade in the middle of a period waits for its payment, and is not {change['state']}")
    await visitor.visible(path, lambda answer: answer["pending_change"] is not None)
    link = await visitor.post(f"/api/invoices/{change['invoice_id']}/payment-link")
    committed = await visitor.submit_page(link["url"], {"pay": "1"})
    _, seen = await visitor.visible(path, lambda answer: answer["name"] == price["name"])
    report(
        "customer", f"pays, and has {price['name']}", wrote="WHMCS payment, service", lag_ms=(seen - committed) * 1000
    )
    line = await _line_with(visitor, LARGER_CODE)
    took = (time.monotonic() - committed) * 1000
    report("portal", f"tells the network: the line ends with {line[-4:]}", wrote="Freebit plan", took_ms=took)


async def _line_with(visitor: Visitor, plan_code: str) -> str:
    """Find the number of the line that has a plan now."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = (await visitor.control.get("/freebit/lines", params={"plan_code": plan_code})).json()["records"]
        for line in found:
            if line["kind"] == "esim":
                return str(line["account"])
    raise JourneyError(f"no line came to the plan {plan_code}")


async def _leave(visitor: Visitor, report: Any, service: Any) -> None:
    body = {"when": "end_of_period", "reason": "I do not travel any more."}
    path = f"/api/subscriptions/{service['subscription_id']}"
    answer = await visitor.post(f"{path}/cancel", body, key=str(uuid4()))
    if answer["cancellation"] is None:
        raise JourneyError("a cancellation should show in its own answer")
    wrote = "WHMCS cancellation request"
    report("customer", f"cancels {service['name']} at the end of its period: “{answer['status_text']}”", wrote=wrote)
    again = await visitor.post(f"{path}/cancel", body, expect=409, key=str(uuid4()))
    report("portal", f"does not ask twice: {again['detail']}")
