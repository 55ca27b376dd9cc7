"""The subjects of the API, in the order of the reference."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

MEANINGS: Final = {
    "Sign-up": "Becoming a user: as a new customer, or by linking an existing billing account.",
    "Sessions": "Logging in and out.",
    "Passwords": "Changing a password, and setting one that was forgotten.",
    "Second factor": "The authenticator app.",
    "Catalog": "What can be ordered: for everyone, and for one account.",
    "Orders": "Checking, placing and following orders.",
    "Account": "The first screen, the profile, notifications and history.",
    "Billing": "Invoices, payments, payment methods and fees.",
    "Subscriptions": "Services: usage, changes of plan, cancellation.",
    "Support": "Support cases with comments and files.",
    "Commands": "What became of a write whose answer was lost.",
    "Events": "Changes as they happen.",
    "Operators": "For staff.",
    "Health": "For load balancers and monitoring.",
    "Inbound": "What upstreams send.",
}


def of(found: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """List the subjects of operations."""
    used = {tag for operation in found for tag in operation["tags"]}
    return [{"name": name, "description": MEANINGS[name]} for name in sorted(used, key=list(MEANINGS).index)]
