"""What the WHM stand-in knows: hosting accounts and packages of one server."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Account:
    """A hosting account; the key is its user name, and there is no other."""

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

    @property
    def suspended(self) -> bool:
        """Whether it is."""
        return self.suspendtime is not None


@dataclass
class Whm:
    """One server, used by one reseller. `denied` holds functions that the token may not call."""

    user: str = "portal"
    token: str = "SANDBOXTOKEN00000000000000000000"
    version: str = "11.134.0.5"
    hostname: str = "whm.sandbox.invalid"
    accounts: dict[str, Account] = field(default_factory=dict)
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    revision: int = 0

    def changed(self) -> None:
        """Say that something was written."""
        self.revision += 1


def package(quota_mb: int, accounts: int) -> dict[str, Any]:
    """A package as listpkgs shows it: capitals, strings."""
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
