"""The state of the WHM stand-in: hosting accounts and packages of one server."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Account:
    """A hosting account. Its only key is the user name.

    `quota_mb` replaces the package's quota until the package changes; `disk_used_mb` replaces a made-up usage.

    `databases` have their users, `database_users` and `mailboxes` their passwords. AutoSSL and the installation of
    WordPress complete at their time, which is None until they are requested.
    """

    user: str
    domain: str
    plan: str
    owner: str
    email: str
    unix_startdate: int
    password: str
    ip: str = "192.0.2.10"
    suspendreason: str = ""
    suspendtime: int | None = None
    locked: bool = False
    quota_mb: int | None = None
    disk_used_mb: int | None = None
    databases: dict[str, set[str]] = field(default_factory=dict)
    database_users: dict[str, str] = field(default_factory=dict)
    mailboxes: dict[str, str] = field(default_factory=dict)
    autossl_until: float | None = None
    wordpress_asked_at: float = 0.0
    wordpress_until: float | None = None
    wordpress_error: str = ""

    @property
    def suspended(self) -> bool:
        """Whether the account is suspended."""
        return self.suspendtime is not None


@dataclass
class Whm:
    """One server, used by one reseller. `denied` holds functions that the token may not call.

    `missing` are features that no account has, `limits` how many databases and mailboxes one may have; `unreachable`
    are domains that do not lead here, so that AutoSSL has a problem with them. `delay_seconds` is how long AutoSSL and
    WP Toolkit are at work, `lag_seconds` how long WP Toolkit does not know of what it was asked for; `wordpress_set`
    are the plugins it puts into every new site, `wordpress_fails` is why it makes none. Without `pages` the server
    ignores requests for a part of a list; a `lenient` one accepts that an account is suspended or resumed twice.
    """

    user: str = "portal"
    token: str = "SANDBOXTOKEN00000000000000000000"
    version: str = "11.134.0.5"
    hostname: str = "whm.sandbox.invalid"
    accounts: dict[str, Account] = field(default_factory=dict)
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    limits: dict[str, int] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    delay_seconds: float = 0.3
    lag_seconds: float = 0.0
    wordpress_set: list[str] = field(default_factory=lambda: ["wordfence", "wp-super-cache"])
    wordpress_fails: str = ""
    pages: bool = True
    lenient: bool = False
    revision: int = 0

    def changed(self) -> None:
        """Say that something was written."""
        self.revision += 1


def package(quota_mb: int, accounts: int) -> dict[str, Any]:
    """Return a package as listpkgs shows it: capitals, strings."""
    return {
        "QUOTA": str(quota_mb),
        "BWLIMIT": "unlimited",
        "MAXPOP": str(accounts),
        "MAXSQL": "unlimited",
        "MAXFTP": "unlimited",
        "MAXSUB": "unlimited",
        "MAXADDON": "0",
        "MAXPARK": "0",
        "HASSHELL": "n",
    }
