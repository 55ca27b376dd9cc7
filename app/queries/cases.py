"""Support cases: the one live read. Salesforce is read through a port that the composition root supplies.

Nothing is cached: an answer is as fresh as the call behind it, and while Salesforce is away the answer is a problem,
never an empty list.
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
from app.readmodels.cases import STATUS_TEXTS, PriorityWord, StatusWord, priority_of, status_of
from app.readmodels.documents import with_members
from app.words.sentence import Phrase, say
from app.words.worded import Worded

MOST_COMMENTS = 100
LARGEST_BYTES = 10 * 1024 * 1024
"""The largest attachment that is downloaded."""
UNKNOWN_AT = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for an instant that cannot be read: it sorts as the oldest."""

T = TypeVar("T")


class CaseSource(Protocol):
    """The port for reading cases; returns records under Salesforce's field names."""

    @property
    def portal_user(self) -> str:
        """The user as which the portal writes."""

    async def listed(
        self,
        salesforce_account_id: str,
        *,
        limit: int,
        after: tuple[datetime, str] | None = None,
        closed: bool | None = None,
        text: str = "",
    ) -> list[dict[str, Any]]:
        """List the account's cases, newest first, after (opened at, id); with some text if it is not empty."""

    async def counted(
        self, salesforce_account_id: str, *, most: int, closed: bool | None = None, text: str = ""
    ) -> int:
        """Count the account's cases, up to `most`."""

    async def one(self, salesforce_account_id: str, case_id: str) -> dict[str, Any] | None:
        """Read one of the account's own cases with its public comments, newest first, and its shared files."""

    async def content(self, version_id: str) -> bytes:
        """Download the content of a file's version."""


class CaseSummary(Worded, frozen=True, kw_only=True):
    """A support case in a list. `status` is open, in_progress, waiting_for_you or closed."""

    case_id: str
    case_number: str
    """The number that support calls it by."""
    subject: str
    status: StatusWord
    """The state of the case; any word of support's that is not known counts as `in_progress`."""
    status_text: str
    priority: PriorityWord
    opened_at: datetime
    """When it was opened."""
    changed_at: datetime
    """When it last changed."""
    closed_at: datetime | None
    """When it was closed; null while it is open."""
    status_text_phrases: tuple[Phrase, ...] = ()


class CaseComment(Struct, frozen=True, kw_only=True):
    """A public comment on a case, visible to both sides."""

    comment_id: str
    """The id of the comment."""
    author: Literal["you", "support"]
    """Who wrote it."""
    body: str
    at: datetime


class Attachment(Struct, frozen=True, kw_only=True):
    """A file that the customer sent, or that staff share. Files larger than 10 MiB cannot be downloaded."""

    attachment_id: str
    """The id of the attachment."""
    name: str
    size_bytes: int
    """The size of the file."""
    at: datetime


class Content(Struct, frozen=True):
    """A downloaded file with its name."""

    name: str
    body: bytes


class Case(CaseSummary, frozen=True, kw_only=True):
    """A support case in full, comments and attachments oldest first.

    `earlier_comments` is true when there are more comments before the first one shown.
    """

    description: str
    attachments: list[Attachment]
    """Its attachments, the oldest first."""
    comments: list[CaseComment]
    """Its public comments, the oldest first."""
    earlier_comments: bool
    """Whether there are earlier comments than those shown."""


async def list_cases(
    source: CaseSource,
    salesforce_account_id: str,
    which: page.Page,
    cursor: page.Cursor,
    closed: bool | None = None,
    text: str | None = None,
) -> Answer:
    """List the account's cases, newest first, optionally with some text in subject or number."""
    after, wanted = _place(which.after) if which.after else None, " ".join((text or "").split())
    rows = await source.listed(salesforce_account_id, limit=which.limit + 1, after=after, closed=closed, text=wanted)
    shown = rows[: which.limit]
    last = next((place for row in reversed(shown) if (place := _place_of(row))), None)
    more = cursor(last) if last and len(rows) > which.limit else None
    items = _readable("Case", shown, _summary)
    listed = msgspec.json.encode({"items": items, "next_cursor": more})
    if which.counted:
        most = page.MOST_COUNTED
        count = await source.counted(salesforce_account_id, most=most, closed=closed, text=wanted)
        listed = with_members(listed, page.with_count(count)[1:])
    return _answer(listed)


def _place_of(row: dict[str, Any]) -> str | None:
    """Return the cursor position after this row, or None if the row does not state its opening."""
    opened_at = parse.instant(row.get("CreatedDate"))
    return f"{opened_at.isoformat()} {row['Id']}" if opened_at and isinstance(row.get("Id"), str) else None


def _place(after: str) -> tuple[datetime, str]:
    opened_at, _, case_id = after.partition(" ")
    try:
        return datetime.fromisoformat(opened_at), case_id
    except ValueError as error:
        raise InvalidRequest(say("problems.cursor_invalid"), code="token_invalid") from error


async def case(source: CaseSource, salesforce_account_id: str, case_id: str) -> Answer:
    """Read one case with its comments.

    Raises:
        NotFound: absent, or another account's.
    """
    row = await _own(source, salesforce_account_id, case_id)
    said = row["CaseComments"]
    summary = _summary(row)
    if summary is None:
        raise NotFound(say("support.not_found"), code="case_not_found")
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
    """Convert the rows that can be shown. One that cannot is left out and counted; it never spoils the others."""
    found = []
    for row in rows:
        if (shown := read(row)) is None:
            unreadable.note("salesforce", name, "record", str(row.get("Id"))[:18])
        else:
            found.append(shown)
    return found


async def attachment(source: CaseSource, salesforce_account_id: str, case_id: str, attachment_id: str) -> Content:
    """Download a file of a case in its latest version.

    Raises:
        NotFound: case or file is absent, another account's, or not the customer's to see.
        TooLarge: `attachment_too_large`.
    """
    row = await _own(source, salesforce_account_id, case_id)
    file = next((each for each in row["Files"] if each.get("ContentDocumentId") == attachment_id), None)
    shown = _attachment(file) if file else None
    version_id = _inside(file or {}, "ContentDocument").get("LatestPublishedVersionId")
    if shown is None or not isinstance(version_id, str):
        raise NotFound(say("support.attachment_not_found"), code="attachment_not_found")
    if shown.size_bytes > LARGEST_BYTES:
        raise TooLarge(
            say("support.attachment_too_large"),
            code="attachment_too_large",
        )
    return Content(shown.name, await source.content(version_id))


async def _own(source: CaseSource, salesforce_account_id: str, case_id: str) -> dict[str, Any]:
    row = await source.one(salesforce_account_id, case_id) if case_id.isalnum() else None
    if row is None:
        raise NotFound(say("support.not_found"), code="case_not_found")
    return row


def _attachment(link: dict[str, Any]) -> Attachment | None:
    """Convert a file link; None without an id."""
    file = _inside(link, "ContentDocument")
    name, extension = _text(file.get("Title")) or "file", _text(file.get("FileExtension"))
    full_name = name if not extension or name.lower().endswith(f".{extension.lower()}") else f"{name}.{extension}"
    fields = Fields("salesforce", "ContentDocument", _text(link.get("ContentDocumentId")), file)
    if not fields.record_id:
        return None
    return Attachment(
        attachment_id=fields.record_id,
        name=full_name,
        size_bytes=fields.whole_number("ContentSize") or 0,
        at=fields.instant("CreatedDate") or UNKNOWN_AT,
    )


def _answer(body: bytes) -> Answer:
    as_of = datetime.now(UTC)
    return Answer(with_age(body, as_of), etag_of(body), as_of)


def _summary(row: dict[str, Any]) -> CaseSummary | None:
    """Convert a case; None without an id. A case without an opening time counts as old as its last change."""
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
    """Convert a comment; None without an id. Staff stay anonymous: customers speak to the company."""
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
