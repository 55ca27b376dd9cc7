"""Hosting accounts as WHM has them, and how they differ from what WHMCS says of the services they belong to.

`difference` is the only rule that decides what counts as drift. It is pure.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from app.readmodels.table import Table

TABLE = Table(
    "provider_accounts",
    "account_name",
    {
        "account_id": "uuid",
        "account_name": "text",
        "present": "bool",
        "domain": "text",
        "package": "text",
        "suspended": "bool",
        "suspended_by": "text",
        "suspend_reason": "text",
        "disk_limit_megabytes": "bigint",
        "version": "bigint",
        "as_of": "timestamptz",
    },
)
BOUND_SECONDS = 900
"""Age past which what is known of an account is reported as stale."""

ProviderState = Literal["active", "suspended", "removed"]
DESIRED: Mapping[str, ProviderState] = {
    "active": "active",
    "suspended": "suspended",
    "fraud": "suspended",
    "terminated": "removed",
    "cancelled": "removed",
}
"""WHMCS's status, in lower case → what the provider is to do. Any other status is no reason to do anything."""

DriftKind = Literal["missing", "running", "switched_off", "remaining", "package", "stranger", "unverified"]
DRIFT_KINDS: Mapping[DriftKind, str] = {
    "missing": "The service runs in billing, and the provider has no account for it.",
    "running": "The service is suspended or ended in billing, and runs at the provider.",
    "switched_off": "The service is active in billing, and suspended at the provider.",
    "remaining": "The service has ended in billing, and its suspended account was not removed in time.",
    "package": "The account has another package than the product that is billed.",
    "stranger": "The account of this name has another domain, so it is not touched.",
    "unverified": "The provider's state could not be read yet.",
}


class Followed(Struct, frozen=True, kw_only=True):
    """A provided service: what WHMCS says, what the provider confirmed last, and what the mirror has of its account.

    Attributes:
        status: WHMCS's word.
        confirmed: what the provider confirmed to the process that follows it; the only evidence for a line.
        read: whether the mirror knows anything of the account. The attributes below are meaningless without.
    """

    provider: str
    status: str
    product_name: str
    service_domain: str
    confirmed: ProviderState | None
    remove_at: datetime | None
    read: bool = False
    present: bool = False
    domain: str = ""
    package: str = ""
    suspended: bool | None = None


def difference(of: Followed, now: datetime) -> DriftKind | None:
    """Return how the provider differs from WHMCS; None where both agree, or WHMCS's status asks for nothing."""
    desired = DESIRED.get(of.status.lower())
    if desired is None:
        return None
    return _of_line(desired, of.confirmed) if of.provider != "whm" else _of_account(desired, of, now)


def _of_account(desired: ProviderState, of: Followed, now: datetime) -> DriftKind | None:
    if not of.read:
        return "unverified"
    if not of.present:
        return None if desired == "removed" else "missing"
    if of.domain.lower() != of.service_domain.lower():
        return "stranger"
    if of.suspended is None:
        return "unverified"
    if desired == "active":
        return "switched_off" if of.suspended else "package" if of.package != of.product_name else None
    if not of.suspended:
        return "running"
    waiting = of.remove_at is not None and of.remove_at > now
    return "remaining" if desired == "removed" and not waiting else None


def _of_line(desired: ProviderState, confirmed: ProviderState | None) -> DriftKind | None:
    if confirmed is None:
        return "unverified"
    if desired == "removed" or confirmed == "removed":
        return None if desired == confirmed else "running" if desired == "removed" else "missing"
    return "running" if desired == "suspended" else None
