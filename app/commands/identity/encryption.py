"""Encryption of stored secrets that must be read again and therefore cannot be hashed. The key derives from
PORTAL_SECRET.

Every column with sealed values is listed here, so that `portal reseal` finds all of them after the secret has changed.
"""

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from app.keyring import Keyring


class Sealed(Struct, frozen=True):
    """A column that holds sealed values. A value sealed for one purpose cannot be opened for another."""

    purpose: str
    table: str
    key: str
    column: str


TOTP_SECRET = Sealed("totp", "portal.totp", "user_id", "secret")
ENROLMENT_FACTS = Sealed("enrolment", "portal.enrolments", "id", "sealed_facts")
STORED = (TOTP_SECRET, ENROLMENT_FACTS)
"""All columns with sealed values."""


def seal(keyring: Keyring, kind: Sealed, plain: str) -> bytes:
    """Encrypt and sign with the current secret."""
    return _box(keyring.current, kind).encrypt(plain.encode())


def unseal(keyring: Keyring, kind: Sealed, sealed: bytes) -> str:
    """Decrypt a value, whichever valid secret sealed it.

    Raises:
        cryptography.fernet.InvalidToken: damaged, or sealed under neither secret.
    """
    boxes = [_box(secret, kind) for secret in keyring.secrets()]
    return MultiFernet(boxes).decrypt(sealed).decode()


def resealed(keyring: Keyring, kind: Sealed, sealed: bytes) -> bytes | None:
    """Return the value sealed under the current secret; None if it already is.

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
