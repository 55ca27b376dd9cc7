"""Shared parts of the org's control surfaces: staff's transactions, and answers with their refusals."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.answers import ControlResponse
from sandbox.salesforce.org.org import STAFF_USER
from sandbox.salesforce.org.transaction import Transaction
from sandbox.salesforce.ports import SalesforceWorld, now_ms
from sandbox.salesforce.rest.errors import SalesforceError

STAFF_ORIGIN = "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/"

Handler = Callable[[SalesforceWorld, Request], Awaitable[Any]]


def staff_work(world: SalesforceWorld) -> Transaction:
    """Begin a transaction as if made in the vendor's own user interface."""
    return Transaction(world.salesforce, now_ms=now_ms(world), origin=STAFF_ORIGIN, user_id=STAFF_USER)


def answering(world: SalesforceWorld, path: str, method: str, handle: Handler) -> Route:
    """Return a route whose refusals have the org's shape."""

    async def endpoint(request: Request) -> Response:
        try:
            return ControlResponse(await handle(world, request))
        except SalesforceError as error:
            return JSONResponse({"errors": error.rest()}, error.status)
        except ValueError as error:
            return JSONResponse({"errors": [{"errorCode": "INVALID_INPUT", "message": str(error)}]}, 400)

    return Route(path, endpoint, methods=[method])
