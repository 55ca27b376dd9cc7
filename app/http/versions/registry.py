"""The versions of the contract, the newest last, and the names of those that have left.

A new version is one file next to this one and one entry here; its predecessor gets the changes that lead back to it.
"""

from typing import Final

from app.http.versions import v2026_11_30
from app.http.versions.version import ContractVersion

VERSIONS: Final[tuple[ContractVersion, ...]] = (v2026_11_30.VERSION,)
REMOVED: Final[frozenset[str]] = frozenset()
"""Names of versions that have ended and whose files are gone."""
