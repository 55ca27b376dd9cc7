"""What PORTAL_SECRET signs and keys: made with the current secret, believed under that one and the one before.

A secret is rotated by letting both be valid at once (docs/security.md). Nothing else may read the secrets themselves,
so that nothing is forgotten when they change.
"""

import hashlib
import hmac

from msgspec import Struct

MAC_BYTES = 32


class Keyring(Struct, frozen=True):
    """The secrets that are valid; `previous` may be empty."""

    current: str
    previous: str = ""

    def secrets(self) -> tuple[str, ...]:
        """All of them, the one that makes things first."""
        return (self.current, self.previous) if self.previous else (self.current,)

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 under the current secret."""
        return hmac.digest(self.current.encode(), message, hashlib.sha256)

    def macs(self, message: bytes) -> list[bytes]:
        """The same under each valid secret, the current one first: what a message may have been signed with."""
        return [hmac.digest(secret.encode(), message, hashlib.sha256) for secret in self.secrets()]

    def signed(self, message: bytes, mac: bytes, size: int = MAC_BYTES) -> bool:
        """Whether this is the message's MAC, cut to `size` bytes, under a valid secret. In constant time."""
        matches = [hmac.compare_digest(each[:size], mac) for each in self.macs(message)]
        return any(matches)
