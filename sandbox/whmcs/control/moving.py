"""Lists that change while they are read: a row of page 1 goes, comes or changes places before page 2 is answered."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sandbox.clock import Clock
from sandbox.faults import scripted
from sandbox.ports import World
from sandbox.whmcs.actions.params import Params
from sandbox.whmcs.install import Install

UPSTREAM = "whmcs"


@dataclass(frozen=True)
class Listing:
    """The table that an action lists, and which of its rows a call is about."""

    table: str
    meant: Callable[[Params, Any], bool]
    series: str


LISTINGS = {
    "GetClientsProducts": Listing(
        "services", lambda params, row: params.number("clientid") in (0, row.clientid), "service"
    ),
    "GetInvoices": Listing("invoices", lambda params, row: params.number("userid") in (0, row.userid), "invoice"),
    "GetOrders": Listing("orders", lambda params, row: params.number("userid") in (0, row.userid), "order"),
    "GetClients": Listing("clients", lambda params, row: True, "client"),
    "GetCancelledPackages": Listing("cancel_requests", lambda params, row: True, "cancel_request"),
}


def meet(world: World, operation: str, params: Params) -> None:
    """Apply the faults of lists to one call that asks for a page."""
    listing = LISTINGS.get(operation)
    if listing is None:
        return
    short = world.faults.take_list(UPSTREAM, operation, scripted.SHORT_PAGES)
    if short is not None:
        params.fields["limitnum"] = str(min(params.window()[1], short.rows))
    if not params.window()[0]:
        return
    moving = world.faults.take_list(UPSTREAM, operation, scripted.MOVING)
    if moving is not None:
        _MOVES[moving.how or "delete"](world.whmcs, world.clock, listing, params)


def _rows(install: Install, listing: Listing, params: Params) -> list[int]:
    table: dict[int, Any] = getattr(install, listing.table)
    return [key for key, row in table.items() if listing.meant(params, row)]


def _delete(install: Install, clock: Clock, listing: Listing, params: Params) -> None:
    """Staff delete the first row, so that every later one moves up."""
    if keys := _rows(install, listing, params):
        del getattr(install, listing.table)[keys[0]]
        install.changed()


def _insert(install: Install, clock: Clock, listing: Listing, params: Params) -> None:
    """Insert a copy of the first row before it, so that every later row moves down."""
    keys = _rows(install, listing, params)
    if not keys:
        return
    table: dict[int, Any] = getattr(install, listing.table)
    made = replace(table[keys[0]], id=install.new_id(listing.series))
    rest = dict(table)
    table.clear()
    table.update({made.id: made} | rest)
    install.changed()


def _reorder(install: Install, clock: Clock, listing: Listing, params: Params) -> None:
    """Swap the first row of the list and the first of this page."""
    keys = _rows(install, listing, params)
    start = params.window()[0]
    if start >= len(keys):
        return
    table: dict[int, Any] = getattr(install, listing.table)
    order = list(table)
    first, other = order.index(keys[0]), order.index(keys[start])
    order[first], order[other] = order[other], order[first]
    rest = dict(table)
    table.clear()
    table.update({key: rest[key] for key in order})


_MOVES: dict[str, Callable[[Install, Clock, Listing, Params], None]] = {
    "delete": _delete,
    "insert": _insert,
    "reorder": _reorder,
}
