"""Customers of the sandbox with a service of a kind, for tests of what is done to running services."""

from typing import Any

from app.commands.execution.context import Actor


async def someone_with(desk: Any, category: str, number: int = 0) -> tuple[Actor, str]:
    """Return a linked customer with an active service of a category, and the service's id."""
    word = {"sim": "SIM", "hosting": "Hosting", "internet": "Internet", "vpn": "VPN"}[category]
    seen = 0
    for customer in desk.sandbox.state["customers"]:
        if not customer["whmcs_client_id"]:
            continue
        for service in await desk.resources.whmcs.services(customer["whmcs_client_id"]):
            if service.data["groupname"] == word and service.data["status"] == "Active":
                seen += 1
                if seen > number:
                    return await desk.link(customer, None), service.record_id
                break
    raise AssertionError(f"no sample customer has a {category} service")


async def held(desk: Any, table: str, record_id: str) -> dict[str, Any]:
    """Return a record as the sandbox's WHMCS has it."""
    found: dict[str, Any] = (await desk.sandbox.control.get(f"/whmcs/{table}/{record_id}")).json()
    return found


async def requests(desk: Any, subscription_id: str) -> list[dict[str, Any]]:
    """Return the requests to cancel a service."""
    rows = (await desk.sandbox.control.get("/whmcs/cancel-requests")).json()["records"]
    return [row for row in rows if str(row["relid"]) == subscription_id]


async def upgrades(desk: Any, subscription_id: str) -> list[dict[str, Any]]:
    """Return the plan changes of a service."""
    rows = (await desk.sandbox.control.get("/whmcs/upgrades")).json()["records"]
    return [row for row in rows if str(row["serviceid"]) == subscription_id]


async def shown(desk: Any, subscription_id: str) -> dict[str, Any]:
    """Return the subscription as the read model has it."""
    import msgspec

    await desk.settle()
    body = await desk.pool.fetchval(
        "SELECT document FROM read_model.subscriptions WHERE subscription_id = $1", subscription_id
    )
    found: dict[str, Any] = msgspec.json.decode(body)
    return found
