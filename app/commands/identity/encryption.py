"""Secrets that must be read again, and are therefore encrypted and not hashed: the key comes from PORTAL_SECRET.

Whatever is stored sealed is listed here, so that `portal reseal` finds all of it after the secret has changed.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from app.keyring import Keyring


class Sealed(Struct, frozen=True):
    """A column that holds sealed values. What was sealed for one purpose opens for no other."""

    purpose: str
    table: str
    key: str
    column: str


TOTP_SECRET = Sealed("totp", "portal.totp", "user_id", "secret")
ENROLMENT_FACTS = Sealed("enrolment", "portal.enrolments", "id", "sealed_facts")
STORED = (TOTP_SECRET, ENROLMENT_FACTS)
"""Every one there is."""


def seal(keyring: Keyring, kind: Sealed, plain: str) -> bytes:
    """Encrypt and sign with the current secret."""
    return _box(keyring.current, kind).encrypt(plain.encode())


def unseal(keyring: Keyring, kind: Sealed, sealed: bytes) -> str:
    """The plain text again, whichever valid secret sealed it.

    Raises:
        cryptography.fernet.InvalidToken: damaged, or sealed under neither secret.
    """
    boxes = [_box(secret, kind) for secret in keyring.secrets()]
    return MultiFernet(boxes).decrypt(sealed).decode()


def resealed(keyring: Keyring, kind: Sealed, sealed: bytes) -> bytes | None:
    """The same value under the current secret; None when it is under that one already.

    Raises:
        cryptography.fernet.InvalidToken: damaged, or sealed under neither secret.
    """
    try:
        _box(keyring.current, kind).decrypt(sealed)
    except InvalidToken:
        return seal(keyring, kind, unseal(keyring, kind, sealed))
    return None


def _box(secret: str, kind: Sealed) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=f"portal:{kind.purpose}".encode()).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
