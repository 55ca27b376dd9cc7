"""Suspension of unpaid services: who is exempt from it, and suspending and restoring through WHMCS's module.

A service may be exempt by staff (`overideautosuspend`, until `overidesuspenduntil`), and a client by its group
(`susptermexempt`). Whatever is spelled otherwise than documented counts as exempt.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from msgspec import Struct

from app.errors import UpstreamMalformed, UpstreamNotFound, UpstreamRejected
from app.intake import parse
from app.integrations.error_translation import translates_errors
from app.integrations.whmcs import lists, services
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.wire import as_list, identifier, known_id, text, yes_or_no

OVERDUE = "Overdue on Payment"
"""The reason that WHMCS itself writes, by which staff know the suspension for what it is."""
NO_MODULE = "not assigned to a module"


class ServiceStanding(Struct, frozen=True):
    """A service as far as its suspension depends on it. `exempt_until` is None for no end."""

    service_id: str
    client_id: str
    product_id: str
    status: str
    reason: str
    exempt: bool
    exempt_until: date | None

    def is_exempt(self, today: date) -> bool:
        """Return whether staff have exempted the service on this day."""
        return self.exempt and (self.exempt_until is None or self.exempt_until > today)

    @property
    def is_overdue_suspension(self) -> bool:
        """Whether it is suspended for an unpaid invoice and for nothing else."""
        return self.status.lower() == "suspended" and self.reason.strip().casefold() == OVERDUE.casefold()


class ClientStanding(Struct, frozen=True):
    """A client as far as charging and suspending depend on it. `charges_off`: staff switched automatic charges off."""

    status: str
    group_id: str
    charges_off: bool


@translates_errors(WHMCS)
async def service_standing(client: WhmcsClient, service_id: str) -> ServiceStanding:
    """Read a service.

    Raises:
        UpstreamNotFound: there is none.
    """
    action = "GetClientsProducts"
    body = await client.call(action, {"serviceid": service_id})
    with understood(action):
        rows = as_list(body.get("products"), "product")
        found = next((each for each in rows if identifier(each.get("id")) == service_id), None)
        if found is not None:
            return _service(found)
    raise UpstreamNotFound(WHMCS, action, f"no service {service_id}")


def _service(row: dict[str, Any]) -> ServiceStanding:
    return ServiceStanding(
        service_id=known_id(row.get("id")),
        client_id=known_id(row.get("clientid")),
        product_id=identifier(row.get("pid")),
        status=text(row.get("status")).strip(),
        reason=text(row.get("suspensionreason")),
        exempt=_may_be_on(row.get("overideautosuspend")),
        exempt_until=parse.day(row.get("overidesuspenduntil")),
    )


@translates_errors(WHMCS)
async def client_standing(client: WhmcsClient, client_id: str) -> ClientStanding:
    """Read a client.

    Raises:
        UpstreamNotFound: there is none, or it was merged into another.
    """
    action = "GetClientsDetails"
    body = await client.call(action, {"clientid": client_id})
    with understood(action):
        nested = body.get("client")
        raw = nested if isinstance(nested, dict) and nested else body
        if known_id(raw.get("id") or raw.get("userid") or raw.get("client_id")) != client_id:
            raise ValueError("another client than the one asked for")
        group_id = identifier(raw.get("groupid")) or "0"
        return ClientStanding(text(raw.get("status")).strip(), group_id, _may_be_on(raw.get("disableautocc")))


@translates_errors(WHMCS)
async def exempt_groups(client: WhmcsClient) -> frozenset[str]:
    """Return the ids of the client groups that are never suspended.

    Raises:
        UpstreamMalformed: the list is not whole, so a group that is missing may be exempt.
    """
    action = "GetClientGroups"
    rows = lists.all_of(action, await client.call(action), "groups", "group")
    found = lists.read(action, rows, _group, object_name="group")
    if not found.complete:
        raise UpstreamMalformed(WHMCS, action, "an incomplete list")
    return frozenset(group_id for group_id, exempt in found if exempt) | found.unread


def _group(row: Mapping[str, Any]) -> tuple[str, bool]:
    return known_id(row.get("id")), _may_be_on(row.get("susptermexempt"))


def _may_be_on(value: Any) -> bool:
    """Return whether a switch is on, or in a position that nobody knows."""
    return yes_or_no("" if value is None else value) is not False


@translates_errors(WHMCS)
async def suspend(client: WhmcsClient, service_id: str, *, by_module: bool) -> None:
    """Suspend a service, through its module if WHMCS's own manages it; otherwise by status alone. Safe to repeat."""
    params = {"serviceid": service_id, "suspendreason": OVERDUE}
    if not by_module or not await _module_did(client, "ModuleSuspend", params):
        await services.set_status(client, service_id, services.SUSPENDED, OVERDUE)


@translates_errors(WHMCS)
async def restore(client: WhmcsClient, service_id: str, *, by_module: bool) -> None:
    """Lift a suspension, through the service's module or by status as `suspend` does. Safe to repeat."""
    if not by_module or not await _module_did(client, "ModuleUnsuspend", {"serviceid": service_id}):
        await services.set_status(client, service_id, services.ACTIVE)


async def _module_did(client: WhmcsClient, action: str, params: Mapping[str, object]) -> bool:
    """Have the service's module do it; false if the service has none."""
    try:
        await client.call(action, params, write=True)
    except UpstreamRejected as error:
        if NO_MODULE in str(error).lower():
            return False
        raise
    return True
