"""Hosting accounts as the portal makes and sees them."""

from datetime import datetime

from msgspec import Struct


class HostingAccount(Struct, frozen=True, kw_only=True):
    """An account as WHM has it. `created_at` is epoch seconds; a limit that is None is unlimited, a number that WHM
    does not tell is None too.

    `locked`: only root may lift the suspension. `suspend_reason` is empty when the account is not suspended.
    """

    username: str
    domain: str
    plan: str
    owner: str
    suspended: bool
    created_at: int
    locked: bool = False
    suspend_reason: str = ""
    disk_used_megabytes: int | None = None
    disk_limit_megabytes: int | None = None


class NewHostingAccount(Struct, frozen=True):
    """What createacct needs. The username is chosen once, by the caller, and stored before the first call."""

    username: str
    domain: str
    plan: str
    contact_email: str


class ControlPanelSession(Struct, frozen=True):
    """A way into an account's control panel: a secret, good once. Never store or log it."""

    url: str
    expires_at: datetime
