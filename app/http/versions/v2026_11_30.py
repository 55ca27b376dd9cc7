"""2026-11-30, the first version of the contract: docs/released/2026-11-30.json."""

from datetime import date

from app.http.versions.version import ContractVersion

VERSION = ContractVersion(day=date(2026, 11, 30))
