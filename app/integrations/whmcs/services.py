"""Further service data: add-ons, the login name at the provider, a status set by hand."""

from collections.abc import Mapping
from decimal import Decimal

from app.integrations.error_translation import translates_errors
from app.integrations.whmcs import lists
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.lists import RecordList
from app.integrations.whmcs.records import WhmcsRecord, addon
from app.integrations.whmcs.wire import as_list, identifier, text

ACTIVE, SUSPENDED, TERMINATED, CANCELLED = "Active", "Suspended", "Terminated", "Cancelled"


@translates_errors(WHMCS)
async def addons(client: WhmcsClient, whmcs_client_id: str) -> RecordList[WhmcsRecord]:
    """List the add-ons of all services of a client."""
    action = "GetClientsAddons"
    body = await client.call(action, {"clientid": whmcs_client_id})
    found = lists.read(action, lists.all_of(action, body, "addons", "addon"), addon, object_name="addon")
    own = (each for each in found if each.owner_id == whmcs_client_id)
    return RecordList(own, unread=found.unread, complete=found.complete)


@translates_errors(WHMCS)
async def login_name(client: WhmcsClient, service_id: str) -> str:
    """Read the user name under which WHMCS's own module set up a service; empty if the portal did. Never stored."""
    action = "GetClientsProducts"
    body = await client.call(action, {"serviceid": service_id})
    with understood(action):
        rows = as_list(body.get("products"), "product")
        return next((text(row.get("username")) for row in rows if identifier(row.get("id")) == service_id), "")


@translates_errors(WHMCS)
async def set_status(client: WhmcsClient, service_id: str, status: str, reason: str = "") -> None:
    """Record a service's status; its provider is not called. Safe to repeat."""
    params: dict[str, object] = {"serviceid": service_id, "status": status, "suspendreason": reason or None}
    if not reason:
        params["unset"] = ["suspendreason"]
    await client.call("UpdateClientProduct", params, write=True)


@translates_errors(WHMCS)
async def set_price(client: WhmcsClient, service_id: str, amounts: Mapping[str, Decimal]) -> None:
    """Record what a service costs: `recurringamount`, `firstpaymentamount`. Bills that exist stay as they are. Safe to
    repeat."""
    stated = {name: f"{amount:.2f}" for name, amount in amounts.items()}
    await client.call("UpdateClientProduct", {"serviceid": service_id, **stated}, write=True)


@translates_errors(WHMCS)
async def set_domain(client: WhmcsClient, service_id: str, domain: str) -> None:
    """Record what identifies a service: its domain, or a SIM's phone number. Safe to repeat."""
    await client.call("UpdateClientProduct", {"serviceid": service_id, "domain": domain}, write=True)
