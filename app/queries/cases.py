"""Support cases: the named live read. Salesforce is asked through a port that the composition root fills in.

Nothing is kept: an answer is as old as it takes to give it, and while Salesforce is away there is a problem, never an
empty list.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeVar

import msgspec
from msgspec import Struct

from app.errors import InvalidRequest, NotFound, TooLarge
from app.intake import parse, unreadable
from app.intake.fields import Fields
from app.queries.reading import page
from app.queries.reading.store import Answer, etag_of, with_age
from app.readmodels.cases import STATUS_TEXTS, priority_of, status_of

MOST_COMMENTS = 100
LARGEST_BYTES = 10 * 1024 * 1024
"""The largest file that is read."""
UNKNOWN_AT = datetime(1970, 1, 1, tzinfo=UTC)
"""Of what does not tell its instant in any way that can be read: it sorts as the oldest."""

T = TypeVar("T")


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
    last = next((place for row in reversed(shown) if (place := _place_of(row))), None)
    more = cursor(last) if last and len(rows) > which.limit else None
    items = _readable("Case", shown, _summary)
    return _answer(msgspec.json.encode({"items": items, "next_cursor": more}))


def _place_of(row: dict[str, Any]) -> str | None:
    """Where the next page begins behind this row; nothing for a row that does not tell."""
    opened_at = parse.instant(row.get("CreatedDate"))
    return f"{opened_at.isoformat()} {row['Id']}" if opened_at and isinstance(row.get("Id"), str) else None


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
    summary = _summary(row)
    if summary is None:
        raise NotFound("Case not found.", code="case_not_found")
    shown = Case(
        **msgspec.structs.asdict(summary),
        description=_text(row.get("Description")),
        attachments=sorted(_readable("Attachment", row["Files"], _attachment), key=lambda each: each.at),
        comments=_readable(
            "CaseComment", list(reversed(said[:MOST_COMMENTS])), lambda each: _comment(each, source.portal_user)
        ),
        earlier_comments=len(said) > MOST_COMMENTS,
    )
    return _answer(msgspec.json.encode(shown))


def _readable(name: str, rows: Sequence[dict[str, Any]], read: Callable[[dict[str, Any]], T | None]) -> list[T]:
    """What can be shown. A row that cannot is left out and counted, and never spoils the others."""
    found = []
    for row in rows:
        if (shown := read(row)) is None:
            unreadable.note("salesforce", name, "record", str(row.get("Id"))[:18])
        else:
            found.append(shown)
    return found


async def attachment(source: CaseSource, salesforce_account_id: str, case_id: str, attachment_id: str) -> Content:
    """A file of a case, in its latest version.

    Raises:
        NotFound: case or file is absent, another account's, or not the customer's to see.
        TooLarge: `attachment_too_large`.
    """
    row = await _own(source, salesforce_account_id, case_id)
    file = next((each for each in row["Files"] if each.get("ContentDocumentId") == attachment_id), None)
    shown = _attachment(file) if file else None
    version_id = _inside(file or {}, "ContentDocument").get("LatestPublishedVersionId")
    if shown is None or not isinstance(version_id, str):
        raise NotFound("There is no such attachment.", code="attachment_not_found")
    if shown.size_bytes > LARGEST_BYTES:
        raise TooLarge(
            "This file is too large to be shown here. Please ask support to send it another way.",
            code="attachment_too_large",
        )
    return Content(shown.name, await source.content(version_id))


async def _own(source: CaseSource, salesforce_account_id: str, case_id: str) -> dict[str, Any]:
    row = await source.one(salesforce_account_id, case_id) if case_id.isalnum() else None
    if row is None:
        raise NotFound("Case not found.", code="case_not_found")
    return row


def _attachment(link: dict[str, Any]) -> Attachment | None:
    """None without an id."""
    file = _inside(link, "ContentDocument")
    name, extension = _text(file.get("Title")) or "file", _text(file.get("FileExtension"))
    whole = name if not extension or name.lower().endswith(f".{extension.lower()}") else f"{name}.{extension}"
    fields = Fields("salesforce", "ContentDocument", _text(link.get("ContentDocumentId")), file)
    if not fields.record_id:
        return None
    return Attachment(
        attachment_id=fields.record_id,
        name=whole,
        size_bytes=fields.whole_number("ContentSize") or 0,
        at=fields.instant("CreatedDate") or UNKNOWN_AT,
    )


def _answer(body: bytes) -> Answer:
    as_of = datetime.now(UTC)
    return Answer(with_age(body, as_of), etag_of(body), as_of)


def _summary(row: dict[str, Any]) -> CaseSummary | None:
    """None without an id. A case without the instant of its opening is as old as its last change."""
    fields = Fields("salesforce", "Case", _text(row.get("Id")), row)
    if not fields.record_id:
        return None
    status = status_of(_text(row.get("Status")), closed=row.get("IsClosed") is True)
    opened_at, changed_at = fields.instant("CreatedDate"), fields.instant("LastModifiedDate")
    return CaseSummary(
        case_id=fields.record_id,
        case_number=_text(row.get("CaseNumber")),
        subject=_text(row.get("Subject")),
        status=status,
        status_text=STATUS_TEXTS[status],
        priority=priority_of(_text(row.get("Priority"))),
        opened_at=opened_at or changed_at or UNKNOWN_AT,
        changed_at=changed_at or opened_at or UNKNOWN_AT,
        closed_at=fields.instant("ClosedDate"),
    )


def _comment(row: dict[str, Any], portal_user: str) -> CaseComment | None:
    """Members of staff have no name here: customers speak to the company. None without an id."""
    own = _text(_inside(row, "CreatedBy").get("Username")).casefold() == portal_user.casefold()
    fields = Fields("salesforce", "CaseComment", _text(row.get("Id")), row)
    if not fields.record_id:
        return None
    return CaseComment(
        comment_id=fields.record_id,
        author="you" if own else "support",
        body=_text(row.get("CommentBody")),
        at=fields.instant("CreatedDate") or UNKNOWN_AT,
    )


def _inside(row: dict[str, Any], name: str) -> dict[str, Any]:
    found = row.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
