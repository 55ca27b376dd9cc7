"""Support cases in Salesforce's own words: always the account's own, always those with the portal's origin.

What staff took down by phone or mail is theirs: its words were never meant for the customer's eyes.
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
"""The same words within this time are the same wish: a double click opens one case."""

MOST_FILES = 100
NO_ID = frozenset({"INVALID_QUERY_FILTER_OPERATOR", "MALFORMED_ID", "INVALID_ID_FIELD"})
"""Unverified which of these a text gets that is no id; any other refusal is trouble of ours."""

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
    """Customers know Salesforce, where their cases are, as the support system. What cannot be read of an answer is that
    system's trouble too."""
    try:
        with faults.understood("cases"):
            yield
    except (UpstreamUnavailable, UpstreamAuthFailed, UpstreamMalformed) as error:
        raise SupportUnavailable(error.upstream, error.operation, error.reason) from error


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
        """The user as whom the portal writes: what is hers the customer said."""
        return self._client.username

    async def listed(
        self,
        salesforce_account_id: str,
        *,
        limit: int,
        after: tuple[datetime, str] | None = None,
        closed: bool | None = None,
    ) -> list[dict[str, Any]]:
        """The account's cases, newest first; `after` is (CreatedDate, Id) of the last one seen."""
        where, values = ["AccountId = {}", "Origin = {}"], [salesforce_account_id, CASE_ORIGIN]
        if closed is not None:
            where.append(f"IsClosed = {str(closed).lower()}")
        if after is not None:
            where.append("(CreatedDate < {} OR (CreatedDate = {} AND Id < {}))")
            values += [after[0], after[0], after[1]]  # type: ignore[list-item]
        order = f"ORDER BY CreatedDate DESC, Id DESC LIMIT {int(limit)}"
        soql = f"SELECT {SUMMARY} FROM Case WHERE {' AND '.join(where)} {order}"
        return await self._query(quote(soql, *values))

    async def one(self, salesforce_account_id: str, case_id: str) -> dict[str, Any] | None:
        """One of the account's own cases with its newest public comments under `CaseComments`, newest first, and the
        files that the customer may see under `Files`; an id that is none at all is as absent as an unknown one."""
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
        """What the customer sent, and what staff share with customers; not what staff keep among themselves."""
        sent_by = _text(_inside(link, "ContentDocument", "CreatedBy").get("Username"))
        return link.get("Visibility") == "AllUsers" or sent_by.casefold() == self.portal_user.casefold()

    async def by_key(self, key: str) -> str | None:
        """The id of the case that was opened under this key."""
        rows = await self._query(quote(f"SELECT Id FROM Case WHERE {CASE_KEY} = {{}} LIMIT 1", key))
        with _support():
            return str(rows[0]["Id"]) if rows else None

    async def same(self, salesforce_account_id: str, subject: str, description: str) -> str | None:
        """The id of the open case that the same words opened a moment ago, however their lines end there."""
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
        """The account's contact, when there is but one and so no doubt who asks."""
        soql = "SELECT Id FROM Contact WHERE AccountId = {} LIMIT 2"
        rows = await self._query(quote(soql, salesforce_account_id))
        with _support():
            return str(rows[0]["Id"]) if len(rows) == 1 else None

    async def opened(self, salesforce_account_id: str, key: str, subject: str, description: str, priority: str) -> str:
        """Open a case; returns its id. The key is unique there, so a repetition is refused with `DUPLICATE_VALUE`."""
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
        """Add a public comment; returns its id. Not safe to repeat: look at the case first, and after a doubt."""
        fields = {"ParentId": case_id, "CommentBody": body, "IsPublished": True}
        return await self._create("CaseComment", fields)

    async def content(self, version_id: str) -> bytes:
        """The content of a file's version."""
        with _support():
            return await self._client.content("ContentVersion", version_id, "VersionData")

    async def attached(self, case_id: str, name: str, content: bytes) -> str:
        """Attach a file; returns its version's id. Not safe to repeat: look by `same_file` first, and after a doubt."""
        fields = {
            "Title": name,
            "PathOnClient": name,
            "VersionData": base64.b64encode(content).decode(),
            "FirstPublishLocationId": case_id,
        }
        return await self._create("ContentVersion", fields)

    async def same_file(self, case_id: str, content: bytes) -> bool:
        """Whether these very bytes were attached to the case before."""
        checksum = hashlib.md5(content, usedforsecurity=False).hexdigest()  # Salesforce's own
        soql = "SELECT Id FROM ContentVersion WHERE FirstPublishLocationId = {} AND Checksum = {} LIMIT 1"
        return bool(await self._query(quote(soql, case_id, checksum)))


def _below(row: dict[str, Any], relationship: str) -> list[dict[str, Any]]:
    """The rows of a subquery; an empty one is null. What is no row is left out."""
    found = _inside(row, relationship).get("records")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _inside(row: dict[str, Any], *names: str) -> dict[str, Any]:
    """What a row holds under these names, one below the other; nothing where one of them does not hold a row."""
    found: Any = row
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
