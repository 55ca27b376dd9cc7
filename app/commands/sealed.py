"""Secrets that must be read again, and are therefore encrypted and not hashed: the key comes from PORTAL_SECRET."""

import base64

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def seal(portal_secret: str, purpose: str, plain: str) -> bytes:
    """Encrypt and sign; what was sealed for one purpose opens for no other."""
    return _box(portal_secret, purpose).encrypt(plain.encode())


def unseal(portal_secret: str, purpose: str, sealed: bytes) -> str:
    """The plain text again.

    Raises:
        cryptography.fernet.InvalidToken: damaged, or sealed under another PORTAL_SECRET.
    """
    return _box(portal_secret, purpose).decrypt(sealed).decode()


def _box(portal_secret: str, purpose: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"portal:{purpose}".encode()).derive(
        portal_secret.encode()
    )
    return Fernet(base64.urlsafe_b64encode(key))
