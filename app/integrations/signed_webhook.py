"""Standard Webhooks signatures for every sender: HMAC-SHA256 over `id.timestamp.body`, five minutes of tolerance."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from app.errors import NotAuthenticated

TOLERANCE_SECONDS = 300
MOST_SIGNATURES = 8
LONGEST_ID = 200
LONGEST_STAMP = 12
"""Digits of an epoch second; the calendar ends with the twelfth."""
PREFIX = "whsec_"


def secrets_of(setting: str) -> list[str]:
    """Split a comma-separated setting into secrets; an empty one is dropped, because anybody could sign with it."""
    return [secret.strip() for secret in setting.split(",") if secret.strip()]


def key_of(secret: str) -> bytes:
    """Return the signing key: Standard Webhooks writes keys as `whsec_` and base64; any other text is its own key."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    written = secret.removeprefix(PREFIX)
    try:
        return base64.b64decode(written + "=" * (-len(written) % 4), validate=True) or secret.encode()
    except (binascii.Error, ValueError):
        return secret.encode()


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> str:
    """Check signature and age; returns the webhook id. Several secrets may be valid during a rotation.

    Raises:
        NotAuthenticated: `webhook_forged` or `webhook_expired`.
    """
    webhook_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signed = f"{webhook_id}.{stamp}.".encode(errors="replace") + body
    parts = headers.get("webhook-signature", "").split()[:MOST_SIGNATURES]
    given = [part.removeprefix("v1,").encode(errors="replace") for part in parts if part.startswith("v1,")]
    expected = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in _keys(secrets)]
    matches = [hmac.compare_digest(one, other) for one in given for other in expected]
    if not _is_id(webhook_id) or not any(matches):
        raise NotAuthenticated("The webhook's signature is not valid.", code="webhook_forged")
    if not _is_stamp(stamp) or abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise NotAuthenticated("The webhook is too old or from the future.", code="webhook_expired")
    return webhook_id


def instant(occurred_at: datetime) -> tuple[int, datetime]:
    """Convert an instant to a version (milliseconds since the epoch) and to UTC.

    Raises:
        ValueError: beyond the calendar's ends.
    """
    try:
        return int(occurred_at.timestamp() * 1000), occurred_at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"an instant beyond the calendar: {occurred_at}") from error


def _keys(secrets: Sequence[str]) -> list[bytes]:
    """List the keys of all secrets.

    Until the next release the whole text of a `whsec_` secret is a key too, because hooks set up by our older
    instructions sign with it.
    """
    usable = [secret for secret in map(str.strip, secrets) if secret not in ("", PREFIX)]
    return [key for secret in usable for key in {key_of(secret), secret.encode()}]


def _is_id(text: str) -> bool:
    return 0 < len(text) <= LONGEST_ID and text.isascii() and text.isprintable()


def _is_stamp(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_STAMP
