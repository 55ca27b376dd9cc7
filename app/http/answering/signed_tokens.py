"""Opaque signed tokens: cursors and consistency tokens, which callers can neither forge nor use for another purpose."""

import base64

from app.errors import InvalidRequest, Violation
from app.keyring import Keyring
from app.words.sentence import say

_MAC_BYTES = 16
"""128 bits of HMAC-SHA256, as hard to guess as a key."""


def seal(keyring: Keyring, purpose: str, value: str) -> str:
    """Seal a value into a URL-safe token that is valid for one purpose only, such as one list of one account."""
    mac = keyring.mac(_message(purpose, value))[:_MAC_BYTES]
    return base64.urlsafe_b64encode(mac + value.encode()).decode().rstrip("=")


def unseal(keyring: Keyring, purpose: str, token: str, field: str) -> str:
    """Return the value of a token.

    Raises:
        InvalidRequest: the token is forged, damaged, or made for another purpose; `field` names the parameter.
    """
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        mac, value = raw[:_MAC_BYTES], raw[_MAC_BYTES:].decode()
    except ValueError:
        mac, value = b"", ""
    if not keyring.signed(_message(purpose, value), mac, _MAC_BYTES):
        problem = Violation(field, "token_invalid", say("problems.token_invalid"))
        raise InvalidRequest(say("problems.token_field_invalid", field=field), errors=[problem])
    return value


def _message(purpose: str, value: str) -> bytes:
    return f"{purpose}\0{value}".encode()
