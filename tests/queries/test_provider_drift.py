"""What counts as drift, for every pair of billing's status and provider's state, against an independent table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from app.readmodels.provider_accounts import DRIFT_KINDS, Followed, difference

NOW = datetime(2026, 12, 1, tzinfo=UTC)
USUAL = Followed(
    provider="whm",
    status="Active",
    product_name="basic",
    service_domain="a.example.jp",
    confirmed=None,
    remove_at=None,
    read=True,
    present=True,
    domain="A.example.jp",
    package="basic",
    suspended=False,
)
ACCOUNTS: dict[str, dict[str, Any]] = {
    "on": {},
    "off": {"suspended": True},
    "absent": {"present": False},
    "stranger": {"domain": "b.example.jp"},
    "other package": {"package": "pro"},
    "unread": {"read": False},
    "unclear": {"suspended": None},
}
HOSTING = """
status     | on      | off          | absent  | stranger | other package | unread     | unclear
Active     | -       | switched_off | missing | stranger | package       | unverified | unverified
Suspended  | running | -            | missing | stranger | running       | unverified | unverified
Fraud      | running | -            | missing | stranger | running       | unverified | unverified
Terminated | running | remaining    | -       | stranger | running       | unverified | unverified
Cancelled  | running | remaining    | -       | stranger | running       | unverified | unverified
Pending    | -       | -            | -       | -        | -             | -          | -
Frozen     | -       | -            | -       | -        | -             | -          | -
"""
LINES = """
status     | active  | removed | suspended | none
Active     | -       | missing | -         | unverified
Suspended  | running | missing | running   | unverified
Terminated | running | -       | running   | unverified
Pending    | -       | -       | -         | -
"""


def cells(table: str) -> list[tuple[str, str, str]]:
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return [(line[0], state, cell) for line in lines for state, cell in zip(head[1:], line[1:], strict=True)]


@pytest.mark.parametrize(("status", "state", "expected"), cells(HOSTING))
def test_a_hosting_account_differs(status: str, state: str, expected: str) -> None:
    found = difference(msgspec.structs.replace(USUAL, status=status, **ACCOUNTS[state]), NOW)
    assert (found or "-") == expected
    assert found is None or found in DRIFT_KINDS


@pytest.mark.parametrize(("status", "state", "expected"), cells(LINES))
def test_a_line_differs(status: str, state: str, expected: str) -> None:
    confirmed: Any = None if state == "none" else state
    of = Followed(
        provider="freebit", status=status, product_name="", service_domain="", confirmed=confirmed, remove_at=None
    )
    assert (difference(of, NOW) or "-") == expected


@pytest.mark.parametrize(("days", "expected"), [(1, None), (-1, "remaining")])
def test_an_ended_account_is_drift_only_once_its_grace_is_over(days: int, expected: str | None) -> None:
    of = msgspec.structs.replace(USUAL, status="Terminated", suspended=True, remove_at=NOW + timedelta(days=days))
    assert difference(of, NOW) == expected
