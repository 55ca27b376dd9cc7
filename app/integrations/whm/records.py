"""Hosting accounts as WHM returns them, parsed."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import UpstreamMalformed
from app.intake import unreadable
from app.intake.fields import Fields
from app.intake.text import scalar
from app.integrations.whm.faults import WHM
from app.integrations.whm.shapes import HostingAccount

MEGABYTES = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)([KMGT])")


def rows(data: Mapping[str, Any]) -> Sequence[Any]:
    """Return the rows of a list of accounts.

    Raises:
        UpstreamMalformed: there is no list.
    """
    found = data.get("acct")
    if not isinstance(found, list):
        raise UpstreamMalformed(WHM, "acct", "success without a list of accounts")
    return found


def all_of(found: Sequence[Any]) -> dict[str, HostingAccount]:
    """Parse rows by user. One without a user is counted as unreadable and left out."""
    parsed: dict[str, HostingAccount] = {}
    for row in found:
        user = scalar(row.get("user")).strip() if isinstance(row, Mapping) else ""
        if user:
            parsed.setdefault(user, account(user, row))
        else:
            unreadable.note(WHM, "account", "user", "")
    return parsed


def named(username: str, data: Mapping[str, Any]) -> HostingAccount | None:
    """Find the row of exactly this user: a search may return more, and another's account must not be used.

    Raises:
        UpstreamMalformed: there is no list, or a row lacks its user; either may hide the account.
    """
    listed = rows(data)
    found = next((row for row in listed if isinstance(row, Mapping) and scalar(row.get("user")) == username), None)
    if found is None and not all(isinstance(row, Mapping) and scalar(row.get("user")) for row in listed):
        raise UpstreamMalformed(WHM, "acct", "an account without a user")
    return None if found is None else account(username, found)


def hosting(domain: str, data: Mapping[str, Any]) -> HostingAccount | None:
    """Find the row of exactly this main domain: a search may return more.

    Raises:
        UpstreamMalformed: there is no list, or a row lacks its domain, which may be this one.
    """
    for row in rows(data):
        named = scalar(row.get("domain")).strip().lower() if isinstance(row, Mapping) else ""
        if not named:
            raise UpstreamMalformed(WHM, "acct", "an account without a domain")
        if named == domain:
            return account(scalar(row.get("user")).strip(), row)
    return None


def account(username: str, row: Mapping[str, Any]) -> HostingAccount:
    """Parse one row."""
    fields = Fields(WHM, "account", username, row)
    suspended = _yes(fields, "suspended")
    return HostingAccount(
        username=username,
        domain=scalar(row.get("domain")),
        plan=scalar(row.get("plan")),
        owner=scalar(row.get("owner")),
        suspended=suspended,
        created_at=fields.whole_number("unix_startdate") or 0,
        locked=_yes(fields, "is_locked"),
        state_known=scalar(row.get("suspended")).strip().lower() in ("0", "1", "0.0", "1.0", "true", "false"),
        suspend_reason=scalar(row.get("suspendreason")) if suspended else "",
        disk_used_megabytes=_megabytes(row.get("diskused")),
        disk_limit_megabytes=_megabytes(row.get("disklimit")),
    )


def _yes(fields: Fields, name: str) -> bool:
    """Parse a flag: 0 and 1, as numbers or texts, and true and false in newer functions."""
    value = fields.values.get(name)
    return value if isinstance(value, bool) else fields.whole_number(name) == 1


def _megabytes(value: Any) -> int | None:
    """Parse `500M`, `1.5G`; None for `unlimited`, `*unknown*` and anything else that is not a size."""
    found = _SIZE.fullmatch(scalar(value).strip())
    return round(float(found.group(1)) * MEGABYTES[found.group(2)]) if found else None
