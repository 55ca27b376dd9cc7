"""Webhooks at the door: verify, decode, record. Acknowledged means recorded."""

from collections.abc import Mapping

from app.ingest.inbox import Inbox
from app.ingest.mirror import now
from app.integrations.whmcs import webhook
from app.settings import Settings


async def receive_whmcs(inbox: Inbox, settings: Settings, headers: Mapping[str, str], body: bytes) -> int:
    """Record what a WHMCS webhook says may have changed; returns how many records it names.

    Raises:
        NotAuthenticated: forged, expired or unsigned.
        InvalidRequest: signed, but not understood.
    """
    secrets = [secret.strip() for secret in settings.whmcs_webhook_secrets.split(",") if secret.strip()]
    webhook_id = webhook.verify(headers, body, secrets, now())
    changes = webhook.decode(webhook_id, body)
    await inbox.submit(changes)
    return len(changes)
