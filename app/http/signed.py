"""Opaque signed tokens: cursors and consistency tokens. A caller can neither read another's nor make one up."""

import base64
import hashlib
import hmac

from app.errors import InvalidRequest, Violation

_MAC_BYTES = 12


def seal(secret: str, purpose: str, value: str) -> str:
    """`value` as a URL-safe token valid for this purpose alone (e.g. one list of one account)."""
    return base64.urlsafe_b64encode(_mac(secret, purpose, value) + value.encode()).decode().rstrip("=")


def unseal(secret: str, purpose: str, token: str, field: str) -> str:
    """The value again.

    Raises:
        InvalidRequest: forged, damaged, or made for another purpose; `field` names where it stood.
    """
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        mac, value = raw[:_MAC_BYTES], raw[_MAC_BYTES:].decode()
    except ValueError:
        mac, value = b"", ""
    if not hmac.compare_digest(mac, _mac(secret, purpose, value)):
        problem = Violation(field, "token_invalid", "This token was not issued here. Start again without it.")
        raise InvalidRequest(f"The {field} is not valid.", errors=[problem])
    return value


def _mac(secret: str, purpose: str, value: str) -> bytes:
    return hmac.digest(secret.encode(), f"{purpose}\0{value}".encode(), hashlib.sha256)[:_MAC_BYTES]
