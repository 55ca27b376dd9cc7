"""What the mirror needs to know of a portal account: which upstream owners it stands for, and what to read for them."""

from uuid import UUID

from app.clock import now
from app.events import Change
from app.ingest.inbox.inbox import Inbox

WHMCS_RESOURCES = ("client", "client_invoices", "client_services", "pay_methods")


async def link(inbox: Inbox, account_id: UUID, whmcs_client_id: str, salesforce_account_id: str) -> int | None:
    """Bring a linked account's records into the read models.

    What the mirror holds already shows at once; the rest is read from the upstreams by the workers. Returns the
    submission number to wait for.
    """
    return await inbox.submit(linked(account_id, whmcs_client_id, salesforce_account_id))


def linked(account_id: UUID, whmcs_client_id: str, salesforce_account_id: str) -> list[Change]:
    """What a link means: the owners an account stands for from now on, and the wish to read everything they have."""
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
    """A wish to have a Salesforce account read again with its orders and items. The same `reason` asks once."""
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
    """A wish to have a WHMCS record or list read again. The same `reason` asks once."""
    return Change.hint(
        "whmcs",
        resource,
        record_id,
        event_id=f"{reason}:{resource}:{record_id}",
        occurred_at=now(),
        origin="portal",
        owner_id=None if resource in ("invoice", "service") else record_id,
    )
