"""How each kind of record is read again: one function a kind, listed in `FETCHERS`.

Collections (`client_invoices`, `client_services`, `pay_methods`, `cancel_requests`, …) read a whole list: members come
back as full records, members that are gone as deletions, and the list itself as a marker whose `verified_at` is the
list's freshness.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from app.errors import UpstreamNotFound, UpstreamRejected
from app.events import Change
from app.ingest import cases, inbox, merges
from app.ingest.inbox import milliseconds
from app.ingest.isolation import UNSTORABLE
from app.ingest.mirror import now
from app.ingest.resync import changed_since, deleted_since
from app.ingest.upstreams import Upstreams
from app.integrations.salesforce import records as salesforce_records
from app.integrations.salesforce.faults import IS_DELETED
from app.integrations.salesforce.wire import FIELDS
from app.integrations.whmcs import cancellations
from app.integrations.whmcs import records as whmcs_records
from app.integrations.whmcs import services as whmcs_services
from app.integrations.whmcs.client import Listing
from app.integrations.whmcs.client import Record as WhmcsRecord

OF_EVERYBODY = frozenset({"gateways", "cancel_requests"})
"""Lists that are not one client's."""

Fetcher = Callable[[Upstreams, Any, Change], Awaitable[list[Change]]]


async def salesforce_record(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """One Salesforce record by id; a missing one is a deletion when that is proven. `*` stands for a transaction too
    big to be told: then whatever changed around its commit is read, a page at a time, straight into the inbox."""
    read_at = now()
    if hint.record_id == "*":
        await _overflow(upstreams, connection, hint)
        return []
    try:
        record = await upstreams.salesforce.get(hint.object, hint.record_id)
    except UpstreamNotFound as missing:
        await _prove_deletion(upstreams, connection, hint, missing)
        return [_gone(hint, hint.object, hint.record_id, read_at)]
    return [salesforce_records.change(hint.object, record, origin="refetch", read_at=read_at)]


async def _prove_deletion(upstreams: Upstreams, connection: Any, hint: Change, missing: UpstreamNotFound) -> None:
    """Salesforce says of a record that it does not exist also when this user lost the right to see it.

    Raises:
        UpstreamRejected: nothing proves that it is gone.
    """
    if missing.vendor_code == IS_DELETED:
        return
    rows = await connection.fetch(_WITNESSES, hint.object, hint.record_id)
    witnesses = [row["record_id"] for row in rows]
    if not await upstreams.salesforce.deletion(hint.object, hint.record_id, witnesses):
        reason = "not found, but nothing proves that it was deleted: may the integration user see it?"
        raise UpstreamRejected("salesforce", f"get:{hint.object}", reason, vendor_code="DELETION_UNPROVEN") from missing


_WITNESSES = """
WITH siblings AS (
  SELECT s.record_id FROM mirror.records r
  JOIN mirror.records s ON s.owner_id = r.owner_id AND s.object = r.object AND s.source = r.source
  WHERE (r.source, r.object, r.record_id) = ('salesforce', $1, $2) AND s.record_id <> $2 AND NOT s.deleted LIMIT 3),
neighbours AS (
  (SELECT record_id FROM mirror.records WHERE source = 'salesforce' AND object = $1 AND record_id < $2 AND NOT deleted
   ORDER BY record_id DESC LIMIT 2)
  UNION ALL
  (SELECT record_id FROM mirror.records WHERE source = 'salesforce' AND object = $1 AND record_id > $2 AND NOT deleted
   ORDER BY record_id LIMIT 2))
SELECT record_id FROM siblings
UNION ALL SELECT record_id FROM neighbours WHERE NOT EXISTS (SELECT FROM siblings)
"""
"""Living records of the same object: the same owner's, whom the same rules hide or show, or else those next to it."""


async def _overflow(upstreams: Upstreams, connection: Any, hint: Change) -> None:
    for pages in (
        changed_since(upstreams.salesforce, hint.object, hint.occurred_at),
        deleted_since(upstreams.salesforce, hint.object, hint.occurred_at),
    ):
        async for page in pages:
            await _take_in(connection, page)  # the sweep wakes the shards: there may be very many


async def _take_in(connection: Any, page: Sequence[Change]) -> None:
    await inbox.storing(lambda: inbox.on(connection), lambda on, append: append(on, page))


async def account_history(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
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
    changes += await cases.of_account(upstreams.salesforce, hint.record_id)
    return [*changes, _marker("salesforce", "account_history", hint.record_id, [], read_at)]


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
    read_at = now()
    return await _whmcs_list(connection, hint, "invoice", await upstreams.whmcs.invoices(hint.record_id), read_at)


async def client_services(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """All services of a WHMCS client, and their add-ons."""
    read_at = now()
    addons = await whmcs_services.addons(upstreams.whmcs, hint.record_id)
    changes = await _members(connection, hint, "addon", addons, read_at)
    services = await upstreams.whmcs.services(hint.record_id)
    return [*changes, *await _whmcs_list(connection, hint, "service", services, read_at)]


async def cancel_requests(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """The requests to cancel of the whole installation, which WHMCS cannot list by client: the whole list when the hint
    asks for it or none is known yet, else its newest end."""
    read_at = now()
    known = frozenset() if hint.data.get("whole") else await _known_requests(connection)
    found = await cancellations.requests(upstreams.whmcs, known)
    return await _whmcs_list(connection, hint, "cancel_request", found, read_at)


async def _known_requests(connection: Any) -> frozenset[cancellations.Known]:
    rows = await connection.fetch(
        "SELECT record_id, data ->> 'type' AS type, data ->> 'date' AS date FROM mirror.records "
        "WHERE source = 'whmcs' AND object = 'cancel_request' AND NOT deleted"
    )
    return frozenset((row["record_id"], row["type"], row["date"]) for row in rows)


async def pay_methods(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """All payment methods WHMCS keeps for a client."""
    read_at = now()
    return await _whmcs_list(connection, hint, "pay_method", await upstreams.whmcs.pay_methods(hint.record_id), read_at)


async def gateways(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """The payment gateways of the installation, the same for everyone."""
    read_at = now()
    return await _whmcs_list(connection, hint, "gateway", await upstreams.whmcs.gateways(), read_at)


async def undecodable(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
    """An event of the bus that could not be read. Nothing can be asked again; it parks until somebody looks."""
    raise ValueError(f"event of schema {hint.data.get('schema_id')} cannot be read: {hint.data.get('error')}")


async def unstorable(upstreams: Upstreams, connection: Any, hint: Change) -> list[Change]:
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
    except UpstreamNotFound:
        return [_gone(hint, hint.object, hint.record_id, read_at)]
    return [whmcs_records.change(record, origin="refetch", read_at=read_at)]


async def _whmcs_list(
    connection: Any, hint: Change, member: str, found: Listing[WhmcsRecord], read_at: datetime
) -> list[Change]:
    changes = await _members(connection, hint, member, found, read_at)
    present = sorted(record.record_id for record in found)
    return [*changes, _marker("whmcs", hint.object, hint.record_id, present, read_at)]


async def _members(
    connection: Any, hint: Change, member: str, found: Listing[WhmcsRecord], read_at: datetime
) -> list[Change]:
    """Those that are there, and those that are gone. One that is there and cannot be read stays as it was, and a list
    that is not complete proves nobody gone."""
    known = await connection.fetch(
        "SELECT record_id FROM mirror.records WHERE source = 'whmcs' AND object = $1 AND NOT deleted "
        "AND ($2 OR owner_id = $3)",
        member,
        hint.object in OF_EVERYBODY,
        hint.record_id,
    )
    present = {record.record_id for record in found} | found.unread
    changes = [whmcs_records.change(record, origin="refetch", read_at=read_at) for record in found]
    if found.complete:
        changes += [_gone(hint, member, row["record_id"], read_at) for row in known if row["record_id"] not in present]
    return changes


def _gone(hint: Change, object_name: str, record_id: str, read_at: datetime) -> Change:
    return Change(
        source=hint.source,
        object=object_name,
        record_id=record_id,
        kind="deleted",
        event_id=f"refetch:{object_name}:{record_id}:gone:{milliseconds(read_at)}",
        version=milliseconds(read_at),
        occurred_at=read_at,
        origin="refetch",
        read_at=read_at,
    )


def _marker(source: Any, object_name: str, owner_id: str, ids: Sequence[str], read_at: datetime) -> Change:
    return Change(
        source=source,
        object=object_name,
        record_id=owner_id,
        kind="full",
        event_id=f"refetch:{object_name}:{owner_id}:{milliseconds(read_at)}",
        version=milliseconds(read_at),
        occurred_at=read_at,
        origin="refetch",
        data={"ids": list(ids)},
        owner_id=owner_id,
        read_at=read_at,
    )


def _quoted(record_id: str) -> str:
    if not record_id.isalnum():
        raise ValueError("a Salesforce id has letters and digits only")
    return f"'{record_id}'"
