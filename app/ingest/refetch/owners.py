"""Links between portal accounts and upstream owners, and the hints that read an owner's records."""

from uuid import UUID

from app.clock import now
from app.events import Change
from app.ingest.inbox.inbox import Inbox

EVERYBODYS = ("gateways", "products")
"""Lists of WHMCS that are the same for everyone; their id is `all`."""
WHMCS_RESOURCES = ("client", "client_invoices", "client_services", "pay_methods")


async def link(inbox: Inbox, account_id: UUID, whmcs_client_id: str, salesforce_account_id: str) -> int | None:
    """Bring a linked account's records into the read models.

    Mirrored records show at once; workers read the rest from the upstreams. Returns the submission number to wait for.
    """
    return await inbox.submit(linked(account_id, whmcs_client_id, salesforce_account_id))


def linked(account_id: UUID, whmcs_client_id: str, salesforce_account_id: str) -> list[Change]:
    """Build the changes of a link: the owners of the account, and hints to read all their records."""
    at, reason = now(), f"link:{account_id}"
    link = Change.whole(
        "portal",
        "account",
        str(account_id),
        {"whmcs_client_id": whmcs_client_id, "salesforce_account_id": salesforce_account_id},
        event_id=f"{reason}:{whmcs_client_id}:{salesforce_account_id}",
        occurred_at=at,
        origin="portal",
        owner_id=str(account_id),
    )
    hints = [whmcs_hint(resource, whmcs_client_id, reason) for resource in WHMCS_RESOURCES]
    return [link, *hints, account_history_hint(salesforce_account_id, reason)]


def account_history_hint(salesforce_account_id: str, reason: str) -> Change:
    """Build a hint to read a Salesforce account with its orders and items. The same `reason` counts once."""
    return Change.hint(
        "salesforce",
        "account_history",
        salesforce_account_id,
        event_id=f"{reason}:account_history",
        occurred_at=now(),
        origin="portal",
        owner_id=salesforce_account_id,
    )


def whmcs_hint(resource: str, record_id: str, reason: str) -> Change:
    """Build a hint to read a WHMCS record or list. The same `reason` counts once."""
    return Change.hint(
        "whmcs",
        resource,
        record_id,
        event_id=f"{reason}:{resource}:{record_id}",
        occurred_at=now(),
        origin="portal",
        owner_id=None if resource in ("invoice", "service") else record_id,
    )
