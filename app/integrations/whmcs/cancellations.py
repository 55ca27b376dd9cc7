"""Requests to cancel a service. WHMCS keeps the service active until its daily run acts on the request.

It refuses a second request for one service, lists them for the whole installation only, and no action takes one back.
"""

from typing import Any, Literal

from app.errors import UpstreamMalformed
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.records import Record, cancel_request
from app.integrations.whmcs.wire import identifier, text

Kind = Literal["Immediate", "End of Billing Period"]
READ, ADD = "GetCancelledPackages", "AddCancelRequest"


async def request_cancellation(client: WhmcsClient, service_id: str, kind: Kind, reason: str) -> None:
    """Ask for it.

    Raises:
        UpstreamRejected: `cancellation_exists`.
        OutcomeUnknown: look with `reason_of` before asking again.
    """
    body = await client.call(ADD, {"serviceid": service_id, "type": kind, "reason": reason}, write=True)
    with understood(ADD):
        if identifier(body.get("serviceid") or service_id) != service_id:
            raise UpstreamMalformed(WHMCS, ADD, "another service than the one asked for")


async def reason_of(client: WhmcsClient, service_id: str) -> str | None:
    """The reason given with the latest request for a service; None when there is none."""
    rows = [row for row in await _rows(client) if _relid(row) == service_id]
    return text(rows[-1].get("reason")) if rows else None


async def requests(client: WhmcsClient) -> list[Record]:
    """The latest request of every service of the installation that has one."""
    with understood(READ):
        return list({_relid(row): cancel_request(row) for row in await _rows(client)}.values())


async def _rows(client: WhmcsClient) -> list[dict[str, Any]]:
    """All requests, the oldest first."""
    found = await client.rows(READ, {}, "packages", "package")
    with understood(READ):
        return sorted(found, key=lambda row: int(identifier(row["id"])))


def _relid(row: dict[str, Any]) -> str:
    return identifier(row.get("relid"))
