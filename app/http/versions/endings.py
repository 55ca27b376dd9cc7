"""Operations whose end is announced: what their answers say until then, and the refusal from then on."""

import time
from collections.abc import Iterable

from litestar.handlers.base import BaseRouteHandler
from msgspec import Struct

from app.http.answering.handler_types import AnyConnection
from app.http.answering.problems import OperationRemoved
from app.http.policies.ending import AnnouncedEnd
from app.http.policies.policy import policy_of
from app.http.policies.table import DeclaredRoute


class EndingOperation(Struct, frozen=True):
    """An operation that ends, or that has fields that do."""

    name: str
    ending: AnnouncedEnd


def ending_operations(routes: Iterable[DeclaredRoute]) -> dict[tuple[str, str], EndingOperation]:
    """Collect the operations with an announced end, by method and template."""
    return {
        (route.method, route.path): EndingOperation(operation_of(route.handler), route.policy.ending)
        for route in routes
        if route.policy.ending
    }


def overdue_operations(routes: Iterable[DeclaredRoute], now: float) -> list[str]:
    """List the operations that ended so long ago that they must have left the code."""
    return sorted(each.name for each in ending_operations(routes).values() if each.ending.is_overdue(now))


def operation_of(handler: BaseRouteHandler) -> str:
    """Return the id under which the document has the operation of a handler."""
    found = getattr(handler, "operation_id", None)
    return found if isinstance(found, str) else ""


async def refuse_ended(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Refuse an operation that has ended, whoever calls it.

    Raises:
        OperationRemoved: always from its last day on.
    """
    ending = policy_of(handler).ending
    if ending and not ending.fields and ending.is_past(time.time()):
        raise OperationRemoved
