"""Hosting accounts in WHM: only those that the portal provisioned are mirrored; others on the server are nobody's.

WHM announces nothing, so the whole list is read on a schedule. An account that the list lacks is requested alone, a
bounded number at a time, because rows move between pages; what WHM then does not know is mirrored as absent.

Reads: portal.provided_services, portal.id_mappings, mirror.records.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from msgspec import Struct

from app.clock import now
from app.db import Connection, Db
from app.events import Change, milliseconds
from app.ingest.refetch import lists
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.whm.client import HostingAccount, WhmClient
from app.integrations.whm.suspensions import is_own

LIST, EVERYBODY = "accounts", "all"
MOST_READ_ALONE = 20
"""Most accounts missing from the list that one read of it requests alone."""

_OURS = """
SELECT p.account_name, p.subscription_id, m.whmcs_client_id, r.verified_at
FROM portal.provided_services p
JOIN portal.id_mappings m USING (account_id)
LEFT JOIN mirror.records r ON (r.source, r.object, r.record_id) = ('whm', 'account', p.account_name)
WHERE p.provider = 'whm' AND ($1::text IS NULL OR p.account_name = $1)
ORDER BY r.verified_at NULLS FIRST, p.account_name
"""

log = structlog.get_logger()


class Ours(Struct, frozen=True):
    """An account that the portal provisioned, and the service and client that it belongs to."""

    subscription_id: str
    whmcs_client_id: str


async def account(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read one account; nothing if it is not the portal's."""
    ours = await _ours(connection, hint.record_id)
    return [await read(client_of(upstreams), name, mine) for name, mine in ours.items()]


async def accounts(upstreams: Upstreams, connection: Connection, hint: Change) -> list[Change]:
    """Read the list of the server, and request the portal's accounts that are not in it."""
    read_at, ours = now(), await _ours(connection)
    listed = await client_of(upstreams).accounts()
    known = {each.username: each for each in listed.accounts}
    found = [_change(name, ours[name], known[name], read_at) for name in ours if name in known]
    differing, unchanged = await lists.compared(connection, found)
    log.info("hosting_accounts_read", on_server=len(known), provided=len(ours), differing=len(differing))
    lacking = [name for name in ours if name not in known][:MOST_READ_ALONE]
    hints = [hint_of(name, f"absent:{milliseconds(read_at)}") for name in lacking]
    if not listed.complete:
        log.warning("list_incomplete", object=LIST, record_id=EVERYBODY)
    return [*differing, *hints, lists.marker("whm", LIST, EVERYBODY, [], read_at, {"account": unchanged})]


async def read(whm: WhmClient, name: str, ours: Ours) -> Change:
    """Read one account of the portal's; absent if WHM does not know the name."""
    read_at = now()
    return _change(name, ours, await whm.summary(name), read_at)


async def _ours(connection: Db, name: str | None = None) -> dict[str, Ours]:
    rows = await connection.fetch(_OURS, name)
    return {row["account_name"]: Ours(row["subscription_id"], row["whmcs_client_id"]) for row in rows}


def hint_of(name: str, reason: str) -> Change:
    """Build a hint to read one account. The same `reason` counts once."""
    return _hint("account", name, reason)


def list_hint(reason: str) -> Change:
    """Build a hint to read the list of the server. The same `reason` counts once."""
    return _hint(LIST, EVERYBODY, reason)


def _hint(object_name: str, record_id: str, reason: str) -> Change:
    event_id = f"{reason}:{object_name}:{record_id}"
    return Change.hint("whm", object_name, record_id, event_id=event_id, occurred_at=now(), origin="portal")


def client_of(upstreams: Upstreams) -> WhmClient:
    """Return the client of WHM."""
    if upstreams.whm is None:
        raise ValueError("this process does not read WHM")
    return upstreams.whm


def _change(name: str, ours: Ours, found: HostingAccount | None, read_at: datetime) -> Change:
    return Change.whole(
        "whm",
        "account",
        name,
        {"service_id": ours.subscription_id, **(_data(found, ours) if found else {"absent": "1"})},
        event_id=f"refetch:account:{name}:{milliseconds(read_at)}",
        occurred_at=read_at,
        origin="refetch",
        owner_id=ours.whmcs_client_id,
        read_at=read_at,
    )


def _data(found: HostingAccount, ours: Ours) -> Mapping[str, Any]:
    by = "" if not found.suspended else "portal" if is_own(found, ours.subscription_id) else "others"
    return {
        "domain": found.domain,
        "plan": found.plan,
        "suspended": str(int(found.suspended)) if found.state_known else None,
        "suspended_by": by,
        "suspendreason": found.suspend_reason,
        "disklimit_megabytes": found.disk_limit_megabytes,
    }
