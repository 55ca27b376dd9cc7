"""Webhooks of the company's WHMCS hook file: ids that may have changed, and the services of upgrade orders."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from app.errors import InvalidRequest
from app.events import Change
from app.intake.unambiguous import unambiguous_object
from app.integrations.signed_webhook import instant
from app.integrations.whmcs import records
from app.integrations.whmcs.wire import identifier

RECORD_OF = {"invoice": "invoice", "service": "service", "client": "client"}
"""Webhook object → the mirrored object with the same id. Pay methods are identified by their client only."""
OBJECTS = frozenset({*RECORD_OF, "pay_method", "order", "product"})
EARLY = frozenset(
    {
        *("AcceptOrder", "CancelOrder", "FraudOrder", "PendingOrder", "DeleteOrder", "CancelAndRefundOrder"),
        *("PreInvoiceAutomaticCancellation", "PreDeleteClient", "PreServiceEdit"),
    }
)
"""Hooks that WHMCS runs before it stores the change: an immediate read may still return the old state."""


LONGEST_ID = 20
"""Maximum length; WHMCS counts in 32 bits."""
RecordName = Annotated[str, Meta(max_length=100)]


MOST_UPGRADES = 50


class WhmcsNotice(Struct, frozen=True):
    """The body of a webhook."""

    event: RecordName
    object: RecordName
    id: str
    client_id: str | None
    occurred_at: Annotated[datetime, Meta(tz=True)]
    merged_into: str | None = None
    """For AfterClientMerge: the client that `id` was merged into."""
    upgrades: Annotated[dict[str, str], Meta(max_length=MOST_UPGRADES)] = {}
    """For an invoice: upgrade orders on it → the service of each, which no action of WHMCS says."""


class WebhookHints(Struct, frozen=True):
    """Refetch hints. If the hook runs `early`, the records must be read once more later."""

    changes: list[Change]
    early: bool


def decode(webhook_id: str, body: bytes) -> WebhookHints:
    """Convert a webhook to refetch hints. Objects that are not mirrored yield none.

    Raises:
        InvalidRequest: `webhook_malformed`.
    """
    try:
        notice = _notice(unambiguous_object(body))
        changes = [_change(webhook_id, place, notice, named) for place, named in enumerate(_records(notice))]
        changes += [_upgrade(webhook_id, notice, *each) for each in notice.upgrades.items() if notice.id]
    except ValueError as error:  # msgspec's errors are ValueErrors
        raise InvalidRequest(f"The webhook could not be understood: {error}.", code="webhook_malformed") from error
    return WebhookHints(changes, notice.event in EARLY)


def _notice(body: dict[str, Any]) -> WhmcsNotice:
    """Parse the notice with normalised ids. Objects that are not mirrored may have ids of any kind."""
    notice = msgspec.convert(body, WhmcsNotice)
    if notice.object not in OBJECTS:
        return notice
    return msgspec.structs.replace(
        notice,
        id=_id(notice.id),
        client_id=_id(notice.client_id),
        merged_into=_id(notice.merged_into),
        upgrades={_id(key): _id(value) for key, value in notice.upgrades.items() if notice.object == "invoice"},
    )


def _id(value: str | None) -> str:
    found = identifier(value) if len(value or "") <= LONGEST_ID else None
    if found is None:
        raise ValueError(f"an id of more than {LONGEST_ID} characters")
    return "" if found == "0" else found


def _change(webhook_id: str, place: int, notice: WhmcsNotice, named: tuple[str, str]) -> Change:
    object_name, record_id = named
    version, occurred_at = instant(notice.occurred_at)
    return Change.hint(
        "whmcs",
        object_name,
        record_id,
        {"into": notice.merged_into} if object_name == "merge" else {},
        event_id=f"webhook:{webhook_id}:{object_name}" if place else f"webhook:{webhook_id}",
        version=version,
        occurred_at=occurred_at,
        origin="webhook",
        owner_id=notice.client_id or None,
    )


def _upgrade(webhook_id: str, notice: WhmcsNotice, upgrade_id: str, service_id: str) -> Change:
    version, occurred_at = instant(notice.occurred_at)
    record = records.invoice_upgrade(notice.id, upgrade_id, service_id, notice.client_id or None)
    return Change.whole(
        "whmcs",
        record.object,
        record.record_id,
        record.data,
        event_id=f"webhook:{webhook_id}:upgrade:{upgrade_id}",
        version=version,
        occurred_at=occurred_at,
        origin="webhook",
        owner_id=record.owner_id,
        parent_id=record.parent_id,
    )


def _records(notice: WhmcsNotice) -> list[tuple[str, str]]:
    """List the records to re-read.

    An order creates or changes services that only the client's list has; add-ons come with it, and cancellation
    requests with the installation's list.
    """
    if notice.object == "client" and notice.id and notice.merged_into:
        return [("client", notice.id), ("merge", notice.id)]
    if "Addon" in notice.event and notice.client_id:
        return [("client_services", notice.client_id)]
    if notice.event == "CancellationRequest" and notice.id:
        return [("service", notice.id), ("cancel_requests", "all")]
    if notice.object in RECORD_OF and notice.id:
        return [(RECORD_OF[notice.object], notice.id)]
    if notice.object == "product":
        return [("products", "all")]
    if notice.object == "pay_method" and notice.client_id:
        return [("pay_methods", notice.client_id)]
    if notice.object in ("order", "service") and notice.client_id:
        return [("client_services", notice.client_id)]
    return []
