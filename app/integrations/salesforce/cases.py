"""Support cases in Salesforce's terms: only the account's own, and only those with the portal's origin.

Cases that staff recorded from phone or mail stay internal: their text was never meant for the customer.
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from app.errors import (
    SupportUnavailable,
    UpstreamAuthFailed,
    UpstreamMalformed,
    UpstreamRejected,
    UpstreamUnavailable,
)
from app.intake.words import same_lines
from app.integrations.salesforce import faults
from app.integrations.salesforce.client import SalesforceClient, quote
from app.integrations.salesforce.records import is_id
from app.integrations.salesforce.wire import CASE_KEY, CASE_ORIGIN

SUMMARY = "Id, CaseNumber, Subject, Status, Priority, CreatedDate, LastModifiedDate, IsClosed, ClosedDate"
MOST_COMMENTS = 100
SAME_WITHIN = timedelta(hours=1)
"""The same text within this time is the same request: a double click opens one case."""

MOST_FILES = 100
NO_ID = frozenset({"INVALID_QUERY_FILTER_OPERATOR", "MALFORMED_ID", "INVALID_ID_FIELD"})
"""Unverified which of these an invalid id gets; any other refusal is our own failure."""

_FILES = (
    "(SELECT ContentDocumentId, Visibility, ContentDocument.Title, ContentDocument.FileExtension, "
    "ContentDocument.ContentSize, ContentDocument.LatestPublishedVersionId, ContentDocument.CreatedDate, "
    f"ContentDocument.CreatedBy.Username FROM ContentDocumentLinks LIMIT {MOST_FILES})"
)
_COMMENTS = (
    "(SELECT Id, CommentBody, CreatedDate, CreatedBy.Username FROM CaseComments WHERE IsPublished = true "
    f"ORDER BY CreatedDate DESC, Id DESC LIMIT {MOST_COMMENTS + 1})"
)


@contextmanager
def _support() -> Iterator[None]:
    """Raise Salesforce's failures as `SupportUnavailable`, including answers that cannot be read."""
    try:
        with faults.understood("cases"):
            yield
    except (UpstreamUnavailable, UpstreamAuthFailed, UpstreamMalformed) as error:
        away = SupportUnavailable(error.upstream, error.operation, error.reason, vendor_code=error.vendor_code)
        away.recovery_seconds = error.told_seconds
        raise away from error


def _own(salesforce_account_id: str, closed: bool | None, text: str) -> list[str]:
    """Return the conditions for the account's own cases, of a state and with some text if that is asked for."""
    where = [quote("AccountId = {}", salesforce_account_id), quote("Origin = {}", CASE_ORIGIN)]
    if closed is not None:
        where.append(f"IsClosed = {str(closed).lower()}")
    if text:
        where.append(quote("(Subject LIKE '%{:like}%' OR CaseNumber LIKE '%{:like}%')", text, text))
    return where


class SalesforceCases:
    """The live source of cases. Every call may raise `SupportUnavailable`."""

    def __init__(self, client: SalesforceClient) -> None:
        self._client = client

    async def _query(self, soql: str) -> list[dict[str, Any]]:
        with _support():
            return await self._client.query(soql)

    async def _create(self, object_name: str, fields: dict[str, Any]) -> str:
        with _support():
            return await self._client.create(object_name, fields)

    @property
    def portal_user(self) -> str:
        """The user as which the portal writes: its comments are the customer's."""
        return self._client.username

    async def listed(
        self,
        salesforce_account_id: str,
        *,
        limit: int,
        after: tuple[datetime, str] | None = None,
        closed: bool | None = None,
        text: str = "",
    ) -> list[dict[str, Any]]:
        """List the account's cases, newest first; `after` is (CreatedDate, Id) of the last one seen."""
        where = _own(salesforce_account_id, closed, text)
        if after is not None:
            where.append(quote("(CreatedDate < {} OR (CreatedDate = {} AND Id < {}))", after[0], after[0], after[1]))
        order = f"ORDER BY CreatedDate DESC, Id DESC LIMIT {int(limit)}"
        return await self._query(f"SELECT {SUMMARY} FROM Case WHERE {' AND '.join(where)} {order}")

    async def counted(
        self, salesforce_account_id: str, *, most: int, closed: bool | None = None, text: str = ""
    ) -> int:
        """Count the account's cases, up to `most`."""
        where = " AND ".join(_own(salesforce_account_id, closed, text))
        rows = await self._query(f"SELECT COUNT(Id) found FROM Case WHERE {where}")
        with _support():
            return min(int(rows[0]["found"]), most)

    async def one(self, salesforce_account_id: str, case_id: str) -> dict[str, Any] | None:
        """Read one of the account's own cases; None for an unknown or invalid id.

        Its newest public comments are under `CaseComments`, newest first, and the files that the customer may see under
        `Files`.
        """
        selected = f"SELECT {SUMMARY}, Description, {_COMMENTS}, {_FILES} FROM Case"
        soql = f"{selected} WHERE Id = {{}} AND AccountId = {{}} AND Origin = {{}}"
        try:
            rows = await self._query(quote(soql, case_id, salesforce_account_id, CASE_ORIGIN))
        except UpstreamRejected as error:
            if error.vendor_code in NO_ID:
                return None
            raise
        if not rows:
            return None
        with _support():
            files = [each for each in _below(rows[0], "ContentDocumentLinks") if self._is_shown(each)]
            closed = rows[0].get("IsClosed") is True
            found = {**rows[0], "IsClosed": closed, "CaseComments": _below(rows[0], "CaseComments"), "Files": files}
        if not is_id(found.get("Id")):
            raise SupportUnavailable(faults.SALESFORCE, "query:Case", "a case without an Id")
        return found

    def _is_shown(self, link: dict[str, Any]) -> bool:
        """Return true for files that the customer sent or staff share with customers."""
        sent_by = _text(_inside(link, "ContentDocument", "CreatedBy").get("Username"))
        return link.get("Visibility") == "AllUsers" or sent_by.casefold() == self.portal_user.casefold()

    async def by_key(self, key: str) -> str | None:
        """Find the case that was opened under this key."""
        rows = await self._query(quote(f"SELECT Id FROM Case WHERE {CASE_KEY} = {{}} LIMIT 1", key))
        with _support():
            return str(rows[0]["Id"]) if rows else None

    async def same(self, salesforce_account_id: str, subject: str, description: str) -> str | None:
        """Find the open case with the same text, opened within `SAME_WITHIN`. Line endings do not matter."""
        since = datetime.now(UTC) - SAME_WITHIN
        soql = (
            "SELECT Id, Description FROM Case WHERE AccountId = {} AND Origin = {} AND Subject = {} "
            "AND IsClosed = false AND CreatedDate >= {}"
        )
        rows = await self._query(quote(soql, salesforce_account_id, CASE_ORIGIN, subject, since))
        with _support():
            same = (str(row["Id"]) for row in rows if same_lines(row.get("Description") or "") == description)
            return next(same, None)

    async def _contact(self, salesforce_account_id: str) -> str | None:
        """Find the account's contact, if it has exactly one."""
        soql = "SELECT Id FROM Contact WHERE AccountId = {} LIMIT 2"
        rows = await self._query(quote(soql, salesforce_account_id))
        with _support():
            return str(rows[0]["Id"]) if len(rows) == 1 else None

    async def opened(self, salesforce_account_id: str, key: str, subject: str, description: str, priority: str) -> str:
        """Open a case; returns its id. The key is unique, so a repetition is refused with `DUPLICATE_VALUE`."""
        fields = {
            "ContactId": await self._contact(salesforce_account_id),
            "AccountId": salesforce_account_id,
            "Subject": subject,
            "Description": description,
            "Priority": priority,
            "Status": "New",
            "Origin": CASE_ORIGIN,
            CASE_KEY: key,
        }
        return await self._create("Case", fields)

    async def commented(self, case_id: str, body: str) -> str:
        """Add a public comment; returns its id.

        Not safe to repeat: check the case first, and after an unknown outcome.
        """
        fields = {"ParentId": case_id, "CommentBody": body, "IsPublished": True}
        return await self._create("CaseComment", fields)

    async def content(self, version_id: str) -> bytes:
        """Download the content of a file's version."""
        with _support():
            return await self._client.content("ContentVersion", version_id, "VersionData")

    async def attached(self, case_id: str, name: str, content: bytes) -> str:
        """Attach a file; returns its version's id.

        Not safe to repeat: check with `same_file` first, and after an unknown outcome.
        """
        fields = {
            "Title": name,
            "PathOnClient": name,
            "VersionData": base64.b64encode(content).decode(),
            "FirstPublishLocationId": case_id,
        }
        return await self._create("ContentVersion", fields)

    async def same_file(self, case_id: str, content: bytes) -> bool:
        """Return true if the same bytes are already attached to the case."""
        checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()  # Salesforce's own
        soql = "SELECT Id FROM ContentVersion WHERE FirstPublishLocationId = {} AND Checksum = {} LIMIT 1"
        return bool(await self._query(quote(soql, case_id, checksum)))


def _below(row: dict[str, Any], relationship: str) -> list[dict[str, Any]]:
    """Return the rows of a subquery; an empty one is null. Anything that is not a row is left out."""
    found = _inside(row, relationship).get("records")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _inside(row: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return the row nested under these names; empty if one of them does not hold a row."""
    found: Any = row
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
