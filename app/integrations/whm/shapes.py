"""Hosting accounts in the portal's terms."""

from datetime import datetime

from msgspec import Struct


class HostingAccount(Struct, frozen=True, kw_only=True):
    """A hosting account in WHM.

    `created_at` is epoch seconds; a limit of None is unlimited, and a usage of None is unknown. `locked`: only root may
    lift the suspension. `suspend_reason` is empty unless the account is suspended. Unless `state_known`, WHM did not
    say readably whether it is suspended.
    """

    username: str
    domain: str
    plan: str
    owner: str
    suspended: bool
    created_at: int
    locked: bool = False
    state_known: bool = True
    suspend_reason: str = ""
    disk_used_megabytes: int | None = None
    disk_limit_megabytes: int | None = None


class AccountList(Struct, frozen=True):
    """The accounts of a server. A list that is not `complete` was cut off."""

    accounts: list[HostingAccount]
    complete: bool


class NewHostingAccount(Struct, frozen=True):
    """The input of createacct. The caller chooses the username once, and stores it before the first call."""

    username: str
    domain: str
    plan: str
    contact_email: str


class ControlPanelSession(Struct, frozen=True):
    """A link into an account's control panel: a single-use secret. Never store or log it."""

    url: str
    expires_at: datetime
