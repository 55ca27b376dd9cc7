"""A hosting server: its accounts and packages."""

from dataclasses import dataclass, field

PACKAGES = ("hosting-basic", "hosting-pro", "hosting-business", "default")


@dataclass
class Account:
    """One hosting account; times are epoch seconds."""

    user: str
    domain: str
    plan: str
    email: str
    owner: str
    created_at: int
    suspended: bool = False
    suspend_reason: str = "not suspended"


@dataclass
class Whm:
    """Everything the server knows."""

    user: str = "reseller"
    token: str = "WHM-SANDBOX-TOKEN"
    accounts: dict[str, Account] = field(default_factory=dict)
    packages: tuple[str, ...] = PACKAGES
