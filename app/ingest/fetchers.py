"""How each kind of record is read again: one function a kind, listed in `FETCHERS`.

Collections (`client_invoices`, `client_services`, `pay_methods`, `cancel_requests`, …) read a whole list (`lists`):
members that changed come back as full records, the others are named by the list's marker, whose `verified_at` is the
list's freshness.

Nothing is deleted because it is absent or because of an error. A record is deleted when its upstream says, asked for
it alone, that it does not exist; or when a second whole list lacks it too, where it cannot be asked for alone.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from app.errors import UpstreamNotFound
from app.events import Change
from app.ingest import absence, cases, inbox, lists, merges
from app.ingest.mirror import now
from app.ingest.resync import changed_since, deleted_since
from app.ingest.upstreams import Upstreams
from app.integrations.salesforce import records as salesforce_records
from app.integrations.salesforce.wire import FIELDS
from app.integrations.whmcs import cancellations
from app.integrations.whmcs import records as whmcs_records
from app.integrations.whmcs import services as whmcs_services
from app.integrations.whmcs.client import Record as WhmcsRecord

Fetcher = Callable[[Upstreams, Any, Change], Awaitable[list[Change]]]


async def salesforce_record(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """One Salesforce record by id; a missing one is a deletion. `*` stands for a transaction too big to be told: then
    whatever changed around its commit is read, a page at a time, straight into the inbox."""
    read_at = now()
    if hint.record_id == "*":
        await _overflow(upstreams, connection, hint)
        return []
    try:
        record = await upstreams.salesforce.get(hint.object, hint.record_id)
    except UpstreamNotFound:
        return [lists.gone(hint, hint.object, hint.record_id, read_at)]
    return [salesforce_records.change(hint.object, record, origin="refetch", read_at=read_at)]


async def _overflow(upstreams: Upstreams, connection: Any, hint: Change) -> None:
    for pages in (
        changed_since(upstreams.salesforce, hint.object, hint.occurred_at),
        deleted_since(upstreams.salesforce, hint.object, hint.occurred_at),
    ):
        async for page in pages:
            await inbox.append(connection, page)  # the sweep wakes the shards: there may be very many


async def account_history(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """A Salesforce account with its orders, items and support cases: what a newly linked customer needs."""
    read_at, account_id = now(), _quoted(hint.record_id)
    changes: list[Change] = []
    for name, where in (
        ("Account", f"Id = {account_id}"),
        ("Order", f"AccountId = {account_id}"),
        ("OrderItem", f"Order.AccountId = {account_id}"),
    ):
        rows = await upstreams.salesforce.query(f"SELECT {', '.join(FIELDS[name])} FROM {name} WHERE {where}")
        changes += [salesforce_records.change(name, row, origin="refetch", read_at=read_at) for row in rows]
    changes += await cases.of_account(upstreams.salesforce, hint.record_id)
    return [*changes, lists.marker("salesforce", "account_history", hint.record_id, [], read_at)]


async def invoice(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """One WHMCS invoice."""
    return await _whmcs_one(upstreams.whmcs.invoice, hint)


async def service(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """One WHMCS service."""
    return await _whmcs_one(upstreams.whmcs.service, hint)


async def client(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """One WHMCS client's profile."""
    return await _whmcs_one(upstreams.whmcs.client, hint)


async def client_invoices(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """All invoices of a WHMCS client."""
    return await lists.whole(connection, hint, {"invoice": partial(upstreams.whmcs.invoices, hint.record_id)})


async def client_services(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """All services of a WHMCS client, and their add-ons."""
    read = {
        "addon": partial(whmcs_services.addons, upstreams.whmcs, hint.record_id),
        "service": partial(upstreams.whmcs.services, hint.record_id),
    }
    return await lists.whole(connection, hint, read)


async def cancel_requests(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """The requests to cancel of the whole installation, which WHMCS cannot list by client."""
    return await lists.whole(connection, hint, {"cancel_request": partial(cancellations.requests, upstreams.whmcs)})


async def pay_methods(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """All payment methods WHMCS keeps for a client."""
    return await lists.whole(connection, hint, {"pay_method": partial(upstreams.whmcs.pay_methods, hint.record_id)})


async def gateways(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """The payment gateways of the installation, the same for everyone."""
    return await lists.whole(connection, hint, {"gateway": upstreams.whmcs.gateways})


async def undecodable(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """An event of the bus that could not be read. Nothing can be asked again; it parks until somebody looks."""
    raise ValueError(f"event of schema {hint.data.get('schema_id')} cannot be read: {hint.data.get('error')}")


FETCHERS: dict[tuple[str, str], Fetcher] = {
    ("salesforce", "Account"): salesforce_record,
    ("salesforce", "Order"): salesforce_record,
    ("salesforce", "OrderItem"): salesforce_record,
    ("salesforce", "Product2"): salesforce_record,
    ("salesforce", "PricebookEntry"): salesforce_record,
    ("salesforce", "Case"): salesforce_record,
    ("salesforce", "CaseComment"): salesforce_record,
    ("salesforce", "account_history"): account_history,
    ("salesforce", "merge"): merges.salesforce,
    ("salesforce", "undecodable"): undecodable,
    ("whmcs", "client"): client,
    ("whmcs", "merge"): merges.whmcs,
    ("whmcs", "invoice"): invoice,
    ("whmcs", "client_invoices"): client_invoices,
    ("whmcs", "service"): service,
    ("whmcs", "client_services"): client_services,
    ("whmcs", "cancel_requests"): cancel_requests,
    ("whmcs", "pay_methods"): pay_methods,
    ("whmcs", "gateways"): gateways,
}


async def _whmcs_one(read: Callable[[str], Awaitable[WhmcsRecord]], hint: Change) -> list[Change]:
    read_at = now()
    try:
        record = await read(hint.record_id)
    except UpstreamNotFound as error:
        if not absence.proven(error, hint.object):
            raise
        return [lists.gone(hint, hint.object, hint.record_id, read_at)]
    return [whmcs_records.change(record, origin="refetch", read_at=read_at)]


def _quoted(record_id: str) -> str:
    if not record_id.isalnum():
        raise ValueError("a Salesforce id has letters and digits only")
    return f"'{record_id}'"
