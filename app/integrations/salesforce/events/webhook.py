"""Webhooks of an org that pushes instead of streaming (an outbound flow or Apex callout): ids that may have changed."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from app.errors import InvalidRequest
from app.events import Change
from app.intake.unambiguous import unambiguous_object
from app.integrations.salesforce.wire import FIELDS
from app.integrations.signed_webhook import instant


class SalesforceNotice(Struct, frozen=True):
    """The body of a webhook. `id` is the record's 18-character id."""

    event: str
    object: str
    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{18}\Z")]
    occurred_at: Annotated[datetime, Meta(tz=True)]


def decode(webhook_id: str, body: bytes) -> list[Change]:
    """Return a refetch hint for the record; nothing if its object is not mirrored.

    Raises:
        InvalidRequest: `webhook_malformed`.
    """
    try:
        notice = msgspec.convert(unambiguous_object(body), SalesforceNotice)
        version, occurred_at = instant(notice.occurred_at)
    except ValueError as error:  # msgspec's errors are ValueErrors
        raise InvalidRequest(f"The webhook could not be understood: {error}.", code="webhook_malformed") from error
    if notice.object not in FIELDS:
        return []
    return [
        Change.hint(
            "salesforce",
            notice.object,
            notice.id,
            event_id=f"webhook:{webhook_id}",
            version=version,
            occurred_at=occurred_at,
            origin="webhook",
        )
    ]
