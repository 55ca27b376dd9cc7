"""Support cases: the named live read. Salesforce is asked through a port that the composition root fills in.

Nothing is kept: an answer is as old as it takes to give it, and while Salesforce is away there is a problem, never an
empty list.
"""

from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from app.errors import InvalidRequest, NotFound, TooLarge
from app.queries import page
from app.queries.store import Answer, etag_of, with_age
from app.readmodels.cases import STATUS_TEXTS, priority_of, status_of

MOST_COMMENTS = 100
LARGEST_BYTES = 10 * 1024 * 1024
"""The largest file that is read."""


class CaseSource(Protocol):
    """Where cases are asked for; answers records under Salesforce's field names."""

    @property
    def portal_user(self) -> str:
        """The user as whom the portal writes."""

    async def listed(
        self,
        salesforce_account_id: str,
        *,
        limit: int,
        after: tuple[datetime, str] | None = None,
        closed: bool | None = None,
    ) -> list[dict[str, Any]]:
        """The account's cases, newest first, behind (opened at, id)."""

    async def one(self, salesforce_account_id: str, case_id: str) -> dict[str, Any] | None:
        """One of the account's own cases, with its public comments, newest first, and the files that may be shown."""

    async def content(self, version_id: str) -> bytes:
        """The content of a file's version."""


class CaseSummary(Struct, frozen=True, kw_only=True):
    """A support case in a list. `status` is open, in_progress, waiting_for_you or closed."""

    case_id: str
    case_number: str
    subject: str
    status: str
    status_text: str
    priority: str
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None


class CaseComment(Struct, frozen=True, kw_only=True):
    """What somebody said about a case, where both sides read it."""

    comment_id: str
    author: Literal["you", "support"]
    body: str
    at: datetime


class Attachment(Struct, frozen=True, kw_only=True):
    """A file that the customer sent, or that staff share. Larger ones than 10 MiB cannot be read here."""

    attachment_id: str
    name: str
    size_bytes: int
    at: datetime


class Content(Struct, frozen=True):
    """A file as it is read."""

    name: str
    body: bytes


class Case(CaseSummary, frozen=True, kw_only=True):
    """A support case in full, comments and attachments oldest first. `earlier_comments`: there are more before the
    first one."""

    description: str
    attachments: list[Attachment]
    comments: list[CaseComment]
    earlier_comments: bool


async def list_cases(
    source: CaseSource,
    salesforce_account_id: str,
    which: page.Page,
    cursor: page.Cursor,
    closed: bool | None = None,
) -> Answer:
    """The account's cases, newest first."""
    after = _place(which.after) if which.after else None
    rows = await source.listed(salesforce_account_id, limit=which.limit + 1, after=after, closed=closed)
    shown = rows[: which.limit]
    more = cursor(f"{shown[-1]['CreatedDate']} {shown[-1]['Id']}") if len(rows) > which.limit else None
    return _answer(msgspec.json.encode({"items": [_summary(row) for row in shown], "next_cursor": more}))


def _place(after: str) -> tuple[datetime, str]:
    opened_at, _, case_id = after.partition(" ")
    try:
        return datetime.fromisoformat(opened_at), case_id
    except ValueError as error:
        raise InvalidRequest("The cursor cannot be used here. Start again without it.", code="token_invalid") from error


async def case(source: CaseSource, salesforce_account_id: str, case_id: str) -> Answer:
    """One case with its comments.

    Raises:
        NotFound: absent, or another account's.
    """
    row = await _own(source, salesforce_account_id, case_id)
    said = row["CaseComments"]
    shown = Case(
        **msgspec.structs.asdict(_summary(row)),
        description=row["Description"] or "",
        attachments=sorted(map(_attachment, row["Files"]), key=lambda each: each.at),
        comments=[_comment(each, source.portal_user) for each in reversed(said[:MOST_COMMENTS])],
        earlier_comments=len(said) > MOST_COMMENTS,
    )
    return _answer(msgspec.json.encode(shown))


async def attachment(source: CaseSource, salesforce_account_id: str, case_id: str, attachment_id: str) -> Content:
    """A file of a case, in its latest version.

    Raises:
        NotFound: case or file is absent, another account's, or not the customer's to see.
        TooLarge: `attachment_too_large`.
    """
    row = await _own(source, salesforce_account_id, case_id)
    file = next((each for each in row["Files"] if each["ContentDocumentId"] == attachment_id), None)
    if file is None:
        raise NotFound("There is no such attachment.", code="attachment_not_found")
    shown = _attachment(file)
    if shown.size_bytes > LARGEST_BYTES:
        raise TooLarge(
            "This file is too large to be shown here. Please ask support to send it another way.",
            code="attachment_too_large",
        )
    return Content(shown.name, await source.content(file["ContentDocument"]["LatestPublishedVersionId"]))


async def _own(source: CaseSource, salesforce_account_id: str, case_id: str) -> dict[str, Any]:
    row = await source.one(salesforce_account_id, case_id) if case_id.isalnum() else None
    if row is None:
        raise NotFound("Case not found.", code="case_not_found")
    return row


def _attachment(link: dict[str, Any]) -> Attachment:
    file = link["ContentDocument"]
    name, extension = file["Title"] or "file", file["FileExtension"] or ""
    whole = name if not extension or name.lower().endswith(f".{extension.lower()}") else f"{name}.{extension}"
    return Attachment(
        attachment_id=link["ContentDocumentId"],
        name=whole,
        size_bytes=int(file["ContentSize"] or 0),
        at=datetime.fromisoformat(file["CreatedDate"]),
    )


def _answer(body: bytes) -> Answer:
    as_of = datetime.now(UTC)
    return Answer(with_age(body, as_of), etag_of(body), as_of)


def _summary(row: dict[str, Any]) -> CaseSummary:
    status = status_of(row["Status"], closed=bool(row["IsClosed"]))
    return CaseSummary(
        case_id=row["Id"],
        case_number=row["CaseNumber"] or "",
        subject=row["Subject"] or "",
        status=status,
        status_text=STATUS_TEXTS[status],
        priority=priority_of(row["Priority"]),
        opened_at=datetime.fromisoformat(row["CreatedDate"]),
        changed_at=datetime.fromisoformat(row["LastModifiedDate"]),
        closed_at=datetime.fromisoformat(row["ClosedDate"]) if row["ClosedDate"] else None,
    )


def _comment(row: dict[str, Any], portal_user: str) -> CaseComment:
    """Members of staff have no name here: customers speak to the company."""
    own = (row.get("CreatedBy") or {}).get("Username", "").casefold() == portal_user.casefold()
    return CaseComment(
        comment_id=row["Id"],
        author="you" if own else "support",
        body=row["CommentBody"] or "",
        at=datetime.fromisoformat(row["CreatedDate"]),
    )
