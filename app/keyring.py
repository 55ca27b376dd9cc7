"""Signing and key derivation with PORTAL_SECRET: the current secret signs, the current and previous ones verify.

Both are valid at once while a secret is rotated (docs/security.md). Nothing else may read the secrets, so that nothing
is missed when they change.
"""

import hashlib
import hmac

from msgspec import Struct

MAC_BYTES = 32


class Keyring(Struct, frozen=True):
    """The valid secrets; `previous` may be empty."""

    current: str
    previous: str = ""

    def secrets(self) -> tuple[str, ...]:
        """List the valid secrets, the one that signs first."""
        return (self.current, self.previous) if self.previous else (self.current,)

    def mac(self, message: bytes) -> bytes:
        """Compute HMAC-SHA256 under the current secret."""
        return hmac.digest(self.current.encode(), message, hashlib.sha256)

    def macs(self, message: bytes) -> list[bytes]:
        """Compute the MAC under each valid secret, the current one first."""
        return [hmac.digest(secret.encode(), message, hashlib.sha256) for secret in self.secrets()]

    def signed(self, message: bytes, mac: bytes, size: int = MAC_BYTES) -> bool:
        """Verify a MAC, cut to `size` bytes, under the valid secrets. Constant time."""
        matches = [hmac.compare_digest(each[:size], mac) for each in self.macs(message)]
        return any(matches)
