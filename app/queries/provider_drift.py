"""How providers differ from what WHMCS says of the services that the portal provisioned, for staff.

No upstream is called: the mirror is as fresh as the last read of WHM, and a line as what Freebit confirmed last.

Reads: portal.provided_services, read_model.subscriptions, provider_accounts.
"""

from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.clock import now
from app.db import Db
from app.readmodels.provider_accounts import (
    BOUND_SECONDS,
    DESIRED,
    DRIFT_KINDS,
    DriftKind,
    Followed,
    ProviderState,
    difference,
)

MOST = 1_000
STATES = ("following", "settled", "staff")
_FOUND = """
SELECT p.subscription_id, p.account_id, p.provider, p.account_name, p.state, p.actual AS confirmed, p.actual_at,
       p.remove_at, p.task_code, p.case_id, p.error_code, p.error_message,
       coalesce(s.upstream_status, '') AS status, coalesce(s.product_name, '') AS product_name,
       coalesce(s.domain, '') AS service_domain,
       a.present IS NOT NULL AS read, coalesce(a.present, false) AS present, coalesce(a.domain, '') AS domain,
       coalesce(a.package, '') AS package, a.suspended, coalesce(a.suspended_by, '') AS suspended_by, a.as_of
FROM portal.provided_services p
LEFT JOIN read_model.subscriptions s USING (subscription_id)
LEFT JOIN read_model.provider_accounts a ON p.provider = 'whm' AND a.account_name = p.account_name
WHERE ($1::uuid IS NULL OR p.account_id = $1)
ORDER BY p.subscription_id
"""
_FACTS = tuple(Followed.__struct_fields__)


class ProviderDrift(Struct, frozen=True, kw_only=True):
    """One difference. `desired` is what billing wants, `as_of` when the provider was read last; `stale`: too long ago.

    `state` says whether the portal is following it up, whether staff must act (`task_code`, `case_id`), or whether it
    is settled: then the provider changed by itself, and a repair follows billing again.
    """

    subscription_id: str
    account_id: UUID
    provider: str
    account_name: str
    kind: DriftKind
    meaning: str
    """The difference in words."""
    status: str
    """The status in billing."""
    desired: ProviderState | None
    suspended_by: str
    """Who suspended it; empty if nobody did."""
    state: str
    """The state of the service in the journal."""
    remove_at: datetime | None
    task_code: str | None
    case_id: str | None
    error: str | None
    as_of: datetime | None
    stale: bool


class DriftReport(Struct, frozen=True, kw_only=True):
    """Every difference, and how many provided services were compared."""

    compared: int
    items: list[ProviderDrift]


async def drift(pool: asyncpg.Pool, account_id: UUID | None = None) -> DriftReport:
    """Compare all provided services, or those of one account."""
    at = now()
    rows = await pool.fetch(_FOUND, account_id)
    found = [each for row in rows if (each := _drift(row, at)) is not None]
    return DriftReport(compared=len(rows), items=found[:MOST])


async def counts(db: Db) -> tuple[dict[DriftKind, int], dict[str, int]]:
    """Count the differences by kind and the provided services by state, for metrics. Absent ones count zero."""
    at = now()
    rows = await db.fetch(_FOUND, None)
    kinds = Counter(each.kind for row in rows if (each := _drift(row, at)) is not None)
    states = Counter(row["state"] for row in rows)
    return {kind: kinds[kind] for kind in DRIFT_KINDS}, {state: states[state] for state in STATES}


def _drift(row: asyncpg.Record, at: datetime) -> ProviderDrift | None:
    kind = difference(Followed(**{name: row[name] for name in _FACTS}), at)
    if kind is None:
        return None
    as_of = row["as_of"] if row["provider"] == "whm" else row["actual_at"]
    stale = row["provider"] == "whm" and (as_of is None or as_of < at - timedelta(seconds=BOUND_SECONDS))
    error = ": ".join(filter(None, (row["error_code"], row["error_message"])))
    same = ("subscription_id", "account_id", "provider", "account_name", "status", "suspended_by", "state")
    return ProviderDrift(
        **{name: row[name] for name in (*same, "remove_at", "task_code", "case_id")},
        kind=kind,
        meaning=DRIFT_KINDS[kind],
        desired=DESIRED.get(row["status"].lower()),
        error=error or None,
        as_of=as_of,
        stale=stale,
    )
