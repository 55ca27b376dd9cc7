"""How each kind of record is read again: one function a kind, listed in `FETCHERS`.

Collections (`client_invoices`, `client_services`, `pay_methods`, `cancel_requests`, …) read a whole list (`lists`):
members that changed come back as full records, the others are named by the list's marker, whose `verified_at` is the
list's freshness.

Nothing is deleted because it is absent or because of an error. A record is deleted when its upstream says, asked for
it alone, that it does not exist; or when a second whole list lacks it too, where it cannot be asked for alone.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from app.clock import now
from app.db import Connection, Db
from app.errors import UpstreamNotFound, UpstreamRejected
from app.events import Change
from app.ingest.inbox import inbox
from app.ingest.inbox.isolation import UNSTORABLE
from app.ingest.refetch import absence, case_sweep, lists, merges
from app.ingest.refetch.salesforce_window import changed_since, deleted_since
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.salesforce import records as salesforce_records
from app.integrations.salesforce.faults import IS_DELETED
from app.integrations.salesforce.wire import FIELDS
from app.integrations.whmcs import cancellations
from app.integrations.whmcs import records as whmcs_records
from app.integrations.whmcs import services as whmcs_services
from app.integrations.whmcs.client import WhmcsRecord as WhmcsRecord

Fetcher = Callable[[Upstreams, Connection, Change], Awaitable[list[Change]]]


async def salesforce_record(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """One Salesforce record by id; a missing one is a deletion when that is proven. `*` stands for a transaction too
    big to be told: then whatever changed around its commit is read, a page at a time, straight into the inbox."""
    read_at = now()
    if hint.record_id == "*":
        await _overflow(upstreams, connection, hint)
        return []
    try:
        record = await upstreams.salesforce.get(hint.object, hint.record_id)
    except UpstreamNotFound as missing:
        await _prove_deletion(upstreams, hint, missing)
        return [lists.gone(hint, hint.object, hint.record_id, read_at)]
    return [salesforce_records.change(hint.object, record, origin="refetch", read_at=read_at)]


async def _prove_deletion(upstreams: Upstreams, hint: Change, missing: UpstreamNotFound) -> None:
    """Salesforce says of a record that it does not exist also when this user lost the right to see it.

    Raises:
        UpstreamRejected: nothing proves that it is gone.
    """
    if missing.vendor_code == IS_DELETED or await upstreams.salesforce.deletion(hint.object, hint.record_id):
        return
    reason = "not found, but nothing proves that it was deleted: may the integration user see it?"
    raise UpstreamRejected("salesforce", f"get:{hint.object}", reason, vendor_code="DELETION_UNPROVEN") from missing


async def _overflow(upstreams: Upstreams, connection: Connection, hint: Change) -> None:
    for pages in (
        changed_since(upstreams.salesforce, hint.object, hint.occurred_at),
        deleted_since(upstreams.salesforce, hint.object, hint.occurred_at),
    ):
        async for page in pages:
            await _take_in(connection, page)  # the sweep wakes the shards: there may be very many


async def _take_in(connection: Connection, page: Sequence[Change]) -> None:
    await inbox.storing(lambda: inbox.on(connection), lambda on, append: append(on, page))


async def account_history(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """A Salesforce account with its orders, items and support cases: what a newly linked customer needs."""
    read_at, account_id = now(), _quoted(hint.record_id)
    changes: list[Change] = []
    for name, where in (
        ("Account", f"Id = {account_id}"),
        ("Order", f"AccountId = {account_id}"),
        ("OrderItem", f"Order.AccountId = {account_id}"),
    ):
        rows = await upstreams.salesforce.query(
            f"SELECT {', '.join(FIELDS[name])} FROM {name} WHERE {where} ORDER BY Id"
        )
        changes += salesforce_records.changes(name, rows, origin="refetch", read_at=read_at)
    changes += await case_sweep.of_account(upstreams.salesforce, hint.record_id)
    return [*changes, lists.marker("salesforce", "account_history", hint.record_id, [], read_at)]


async def invoice(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """One WHMCS invoice."""
    return await _whmcs_one(upstreams.whmcs.invoice, hint)


async def service(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """One WHMCS service."""
    return await _whmcs_one(upstreams.whmcs.service, hint)


async def client(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """One WHMCS client's profile."""
    return await _whmcs_one(upstreams.whmcs.client, hint)


async def client_invoices(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """All invoices of a WHMCS client."""
    return await lists.whole(connection, hint, {"invoice": partial(upstreams.whmcs.invoices, hint.record_id)})


async def client_services(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """All services of a WHMCS client, and their add-ons."""
    read = {
        "addon": partial(whmcs_services.addons, upstreams.whmcs, hint.record_id),
        "service": partial(upstreams.whmcs.services, hint.record_id),
    }
    return await lists.whole(connection, hint, read)


async def cancel_requests(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """The requests to cancel of the whole installation, which WHMCS cannot list by client: the whole list when the hint
    asks for it or none is known yet, else its newest end."""
    known = frozenset() if hint.data.get("whole") else await _known_requests(connection)
    if not known:
        return await lists.whole(connection, hint, {"cancel_request": partial(cancellations.requests, upstreams.whmcs)})
    read_at = now()
    found = await cancellations.requests(upstreams.whmcs, known)
    return await lists.differing(connection, found, read_at)


async def _known_requests(connection: Db) -> frozenset[cancellations.StoredRequest]:
    rows = await connection.fetch(
        "SELECT record_id, data ->> 'type' AS type, data ->> 'date' AS date FROM mirror.records "
        "WHERE source = 'whmcs' AND object = 'cancel_request' AND NOT deleted"
    )
    return frozenset((row["record_id"], row["type"], row["date"]) for row in rows)


async def pay_methods(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """All payment methods WHMCS keeps for a client."""
    return await lists.whole(connection, hint, {"pay_method": partial(upstreams.whmcs.pay_methods, hint.record_id)})


async def gateways(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """The payment gateways of the installation, the same for everyone."""
    return await lists.whole(connection, hint, {"gateway": upstreams.whmcs.gateways})


async def undecodable(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """An event of the bus that could not be read. Nothing can be asked again; it parks until somebody looks."""
    raise ValueError(f"event of schema {hint.data.get('schema_id')} cannot be read: {hint.data.get('error')}")


async def unstorable(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """A change that could not be stored. When somebody has it tried again, its record is read anew."""
    named = FETCHERS.get((hint.source, str(hint.data.get("object"))))
    if named is None or named is unstorable or not hint.data.get("id"):
        raise ValueError(f"a change that cannot be stored: {hint.data.get('error')}")
    record = msgspec.structs.replace(hint, object=hint.data["object"], record_id=hint.data["id"], data={})
    return await named(upstreams, connection, record)


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
    ("salesforce", UNSTORABLE): unstorable,
    ("whmcs", UNSTORABLE): unstorable,
    ("portal", UNSTORABLE): unstorable,
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
