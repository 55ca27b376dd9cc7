"""Support cases: the named live read. Salesforce is asked through a port that the composition root fills in.

Nothing is kept: an answer is as old as it takes to give it, and while Salesforce is away there is a problem, never an
empty list.
"""

from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from app.errors import NotFound
from app.queries.store import Answer, etag_of, with_age

STATUSES = {"New": "open", "Working": "in_progress", "Escalated": "in_progress", "Closed": "closed"}


class CaseSource(Protocol):
    """Where cases are asked for; answers records under Salesforce's field names."""

    async def listed(self, salesforce_account_id: str) -> list[dict[str, Any]]:
        """The account's cases, newest first."""

    async def one(self, salesforce_account_id: str, case_id: str) -> dict[str, Any] | None:
        """One of the account's own cases."""


class Case(Struct, frozen=True, kw_only=True):
    """A support case as the customer sees it."""

    case_id: str
    case_number: str
    subject: str
    description: str
    status: str
    priority: str
    opened_at: datetime
    changed_at: datetime


async def list_cases(source: CaseSource, salesforce_account_id: str) -> Answer:
    """The account's cases, newest first."""
    items = [_case(row) for row in await source.listed(salesforce_account_id)]
    return _answer(msgspec.json.encode({"items": items, "next_cursor": None}))


async def case(source: CaseSource, salesforce_account_id: str, case_id: str) -> Answer:
    """One case.

    Raises:
        NotFound: absent, or another account's.
    """
    row = await source.one(salesforce_account_id, case_id) if case_id.isalnum() else None
    if row is None:
        raise NotFound("Case not found.", code="case_not_found")
    return _answer(msgspec.json.encode(_case(row)))


def _answer(body: bytes) -> Answer:
    as_of = datetime.now(UTC)
    return Answer(with_age(body, as_of, False), etag_of(body), as_of)


def _case(row: dict[str, Any]) -> Case:
    return Case(
        case_id=row["Id"],
        case_number=row["CaseNumber"] or "",
        subject=row["Subject"] or "",
        description=row["Description"] or "",
        status=STATUSES.get(row["Status"], "open"),
        priority=(row["Priority"] or "Medium").lower(),
        opened_at=datetime.fromisoformat(row["CreatedDate"]),
        changed_at=datetime.fromisoformat(row["LastModifiedDate"]),
    )
