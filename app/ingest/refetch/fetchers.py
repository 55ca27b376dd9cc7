"""Fetchers: one function per kind of record that can be read again, listed in `FETCHERS`.

Collections (`client_invoices`, `client_services`, `pay_methods`, `cancel_requests`, …) read a whole list (`lists`):
changed members are returned as whole records, the others are named by the list's marker, whose `verified_at` is the
freshness of the list.

Absence or an error alone deletes nothing. A record is deleted when its upstream says, in answer to a request for that
record, that it does not exist; or, where it cannot be read alone, when a second whole list lacks it too.
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
from app.ingest.refetch import absence, case_sweep, hosting_accounts, lists, merges
from app.ingest.refetch.salesforce_window import changed_since, deleted_since
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.salesforce import records as salesforce_records
from app.integrations.salesforce.faults import IS_DELETED
from app.integrations.salesforce.wire import FIELDS
from app.integrations.whmcs import cancellations
from app.integrations.whmcs import records as whmcs_records
from app.integrations.whmcs import services as whmcs_services
from app.integrations.whmcs.catalog import products as whmcs_products
from app.integrations.whmcs.client import WhmcsRecord as WhmcsRecord

Fetcher = Callable[[Upstreams, Connection, Change], Awaitable[list[Change]]]


async def salesforce_record(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read one Salesforce record by id; a missing one is deleted when that is proven.

    `*` stands for an overflow event of a large transaction: everything that changed around its commit is read, page by
    page, straight into the inbox.
    """
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
    """Check that a missing record was deleted: Salesforce reports the same when this user may no longer see it.

    Raises:
        UpstreamRejected: nothing proves the deletion.
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
    """Read a Salesforce account with its orders, items and support cases: everything of a newly linked customer."""
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
    """Read one WHMCS invoice."""
    return await _whmcs_one(upstreams.whmcs.invoice, hint)


async def service(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read one WHMCS service."""
    return await _whmcs_one(upstreams.whmcs.service, hint)


async def client(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read one WHMCS client's profile."""
    return await _whmcs_one(upstreams.whmcs.client, hint)


async def client_invoices(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read all invoices of a WHMCS client."""
    return await lists.whole(connection, hint, {"invoice": partial(upstreams.whmcs.invoices, hint.record_id)})


async def client_services(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read all services of a WHMCS client, and their add-ons."""
    read = {
        "addon": partial(whmcs_services.addons, upstreams.whmcs, hint.record_id),
        "service": partial(upstreams.whmcs.services, hint.record_id),
    }
    return await lists.whole(connection, hint, read)


async def cancel_requests(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read the cancellation requests of the whole installation, which WHMCS cannot list by client.

    The whole list when the hint requests it or none is known yet, otherwise its newest part.
    """
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
    """Read all payment methods of a WHMCS client."""
    return await lists.whole(connection, hint, {"pay_method": partial(upstreams.whmcs.pay_methods, hint.record_id)})


async def gateways(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read the payment gateways of the installation, the same for everyone."""
    return await lists.whole(connection, hint, {"gateway": upstreams.whmcs.gateways})


async def products(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read the products of the installation with their prices, and how it treats tax; the same for everyone."""
    read = {
        "tax": partial(whmcs_products.tax_settings, upstreams.whmcs),
        "product": partial(whmcs_products.products, upstreams.whmcs),
    }
    return await lists.whole(connection, hint, read)


async def undecodable(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Fail for an undecodable event of the bus. It cannot be fetched again, so it stays parked for an operator."""
    raise ValueError(f"event of schema {hint.data.get('schema_id')} cannot be read: {hint.data.get('error')}")


async def unstorable(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read the record of an unstorable change again, when an operator retries its letter."""
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
    ("whm", UNSTORABLE): unstorable,
    ("whm", "account"): hosting_accounts.account,
    ("whm", "accounts"): hosting_accounts.accounts,
    ("whmcs", "client"): client,
    ("whmcs", "merge"): merges.whmcs,
    ("whmcs", "invoice"): invoice,
    ("whmcs", "client_invoices"): client_invoices,
    ("whmcs", "service"): service,
    ("whmcs", "client_services"): client_services,
    ("whmcs", "cancel_requests"): cancel_requests,
    ("whmcs", "pay_methods"): pay_methods,
    ("whmcs", "gateways"): gateways,
    ("whmcs", "products"): products,
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
