"""Webhooks that the company's WHMCS hook file sends: Standard Webhooks signatures, and ids that may have changed."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from app.errors import InvalidRequest, NotAuthenticated
from app.events import Change

TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 8
RECORD_OF = {"invoice": "invoice", "service": "service", "client": "client"}
"""Webhook object → the mirrored object of the same id. Pay methods are known by their client only."""


class Notice(Struct, frozen=True):
    """The body of a webhook."""

    event: str
    object: str
    id: str
    client_id: str | None
    occurred_at: Annotated[datetime, Meta(tz=True)]


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> str:
    """Check signature and age; returns the webhook id. Several secrets may be valid during a rotation.

    Raises:
        NotAuthenticated: `webhook_forged` or `webhook_expired`.
    """
    webhook_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signed = f"{webhook_id}.{stamp}.".encode() + body
    parts = headers.get("webhook-signature", "").split()[:MOST_SIGNATURES]
    given = [part.removeprefix("v1,") for part in parts if part.startswith("v1,")]
    usable = [secret.strip().encode() for secret in secrets if secret.strip()]  # an empty one would let anybody sign
    expected = [base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)) for secret in usable]
    matches = [hmac.compare_digest(one.encode(), other) for one in given for other in expected]
    if not webhook_id or not any(matches):
        raise NotAuthenticated("The webhook's signature is not valid.", code="webhook_forged")
    if not stamp.isdecimal() or abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise NotAuthenticated("The webhook is too old or from the future.", code="webhook_expired")
    return webhook_id


def decode(webhook_id: str, body: bytes) -> list[Change]:
    """What must be read again. Objects that are not mirrored yield nothing.

    Raises:
        InvalidRequest: `webhook_malformed`.
    """
    try:
        notice = msgspec.json.decode(body, type=Notice)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"The webhook could not be understood: {error}.", code="webhook_malformed") from error
    return [
        Change(
            source="whmcs",
            object=object_name,
            record_id=record_id,
            kind="hint",
            event_id=f"webhook:{webhook_id}:{object_name}",
            version=int(notice.occurred_at.timestamp() * 1000),
            occurred_at=notice.occurred_at.astimezone(UTC),
            origin="webhook",
            owner_id=notice.client_id or None,
        )
        for object_name, record_id in _records(notice)
    ]


def _records(notice: Notice) -> list[tuple[str, str]]:
    """An order makes or changes services that only the client's list knows."""
    if notice.object in RECORD_OF and notice.id:
        return [(RECORD_OF[notice.object], notice.id)]
    if notice.object == "pay_method" and notice.client_id:
        return [("pay_methods", notice.client_id)]
    if notice.object in ("order", "service") and notice.client_id:
        return [("client_services", notice.client_id)]
    return []
