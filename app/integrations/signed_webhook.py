"""Standard Webhooks signatures, whoever sends: HMAC-SHA256 over `id.timestamp.body`, five minutes of tolerance."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime

from app.errors import NotAuthenticated

TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 8
LONGEST_ID = 200


def secrets_of(setting: str) -> list[str]:
    """The secrets of a comma-separated setting; an empty one would let anybody sign, so it is none."""
    return [secret.strip() for secret in setting.split(",") if secret.strip()]


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> str:
    """Check signature and age; returns the webhook id. Several secrets may be valid during a rotation.

    Raises:
        NotAuthenticated: `webhook_forged` or `webhook_expired`.
    """
    webhook_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signed = f"{webhook_id}.{stamp}.".encode() + body
    parts = headers.get("webhook-signature", "").split()[:MOST_SIGNATURES]
    given = [part.removeprefix("v1,") for part in parts if part.startswith("v1,")]
    usable = [secret.strip().encode() for secret in secrets if secret.strip()]
    expected = [base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)) for secret in usable]
    matches = [hmac.compare_digest(one.encode(), other) for one in given for other in expected]
    if not webhook_id or len(webhook_id) > LONGEST_ID or not any(matches):
        raise NotAuthenticated("The webhook's signature is not valid.", code="webhook_forged")
    if not stamp.isdecimal() or abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise NotAuthenticated("The webhook is too old or from the future.", code="webhook_expired")
    return webhook_id
