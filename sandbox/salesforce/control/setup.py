"""The control surface of the org's setup: sessions, quota, and what administrators change."""

from typing import Any

from starlette.requests import Request

from sandbox.salesforce.control import administration
from sandbox.salesforce.control.staff import Handler, staff_work
from sandbox.salesforce.org import permissions
from sandbox.salesforce.ports import SalesforceWorld


async def _kill_locators(world: SalesforceWorld, request: Request) -> Any:
    """Every query that is being read page by page ends with INVALID_QUERY_LOCATOR."""
    return {"killed": world.salesforce.locators.kill()}


async def _permissions(world: SalesforceWorld, request: Request) -> Any:
    return permissions.shown(world.salesforce.permissions)


async def _set_permissions(world: SalesforceWorld, request: Request) -> Any:
    """Take permissions from the integration user: `records`, `objects`, `fields`, `read_only`, `refusal`. What is not
    named stays as it is."""
    org = world.salesforce
    org.permissions = permissions.changed(org.permissions, await request.json())
    org.revision += 1
    return permissions.shown(org.permissions)


async def _picklists(world: SalesforceWorld, request: Request) -> Any:
    work = staff_work(world)
    answer = administration.set_picklists(world.salesforce, work, await request.json())
    work.commit()
    return answer


async def _custom_fields(world: SalesforceWorld, request: Request) -> Any:
    return administration.keep_custom_fields(world.salesforce, await request.json())


async def _lengths(world: SalesforceWorld, request: Request) -> Any:
    return administration.set_lengths(world.salesforce, await request.json())


async def _currencies(world: SalesforceWorld, request: Request) -> Any:
    return administration.use_currencies(world.salesforce, await request.json())


async def _quota(world: SalesforceWorld, request: Request) -> Any:
    """`{"exhausted": true}` makes every REST call answer REQUEST_LIMIT_EXCEEDED."""
    body = await request.json()
    quota = world.salesforce.quota
    quota.exhausted, quota.limit = bool(body.get("exhausted", quota.exhausted)), int(body.get("limit", quota.limit))
    return {"exhausted": quota.exhausted, "limit": quota.limit, "used": quota.used}


async def _end_sessions(world: SalesforceWorld, request: Request) -> Any:
    """Every access token becomes invalid at once."""
    ended = len(world.salesforce.sessions)
    world.salesforce.sessions = {}
    return {"ended": ended}


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("/quota", "PUT", _quota),
    ("/sessions", "DELETE", _end_sessions),
    ("/locators", "DELETE", _kill_locators),
    ("/permissions", "GET", _permissions),
    ("/permissions", "PUT", _set_permissions),
    ("/picklists", "PUT", _picklists),
    ("/custom-fields", "PUT", _custom_fields),
    ("/lengths", "PUT", _lengths),
    ("/currencies", "PUT", _currencies),
)
