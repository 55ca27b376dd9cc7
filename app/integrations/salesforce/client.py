"""Typed Salesforce REST calls; every vendor error is raised as one of `app.errors`."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote_plus

import msgspec
from simple_salesforce.api import Salesforce
from simple_salesforce.format import format_external_id, format_soql

from app.errors import UpstreamMalformed, UpstreamRejected
from app.integrations.admission.admission import unshared
from app.integrations.admission.upstream_admission import UpstreamAdmission
from app.integrations.salesforce import composite, faults, paging, records
from app.integrations.salesforce.composite import Part, PartResult
from app.integrations.salesforce.paging import RowPage
from app.integrations.salesforce.transport import Transport
from app.integrations.salesforce.wire import ACCOUNT_NUMBER, FIELDS, MAY_LACK
from app.settings import Settings

__all__ = ["Part", "PartResult", "SalesforceClient", "quote"]

T = TypeVar("T")


class SalesforceClient:
    """The client of one org."""

    def __init__(self, settings: Settings, admission: UpstreamAdmission | None = None) -> None:
        self._settings = settings
        self.admission = admission or unshared(faults.SALESFORCE, settings)
        self._transport = Transport(settings, self.admission)
        self._call = self._transport.call
        self.token, self.token_worked = self._transport.token, self._transport.token_worked
        self._lacking: frozenset[str] = frozenset()

    @classmethod
    async def open(cls, settings: Settings, admission: UpstreamAdmission | None = None) -> "SalesforceClient":
        """Create a client; nothing is called yet."""
        return cls(settings, admission)

    async def close(self) -> None:
        """Wait for running calls, then release threads and connections."""
        await self._transport.close()

    @property
    def username(self) -> str:
        """The integration user, as which the portal acts in this org."""
        return self._settings.salesforce_username

    async def query(self, soql: str) -> list[dict[str, Any]]:
        """Return all rows of all pages."""
        rows: list[dict[str, Any]] = []
        async for page in self._paged(soql, deleted=False):
            rows = page.rows if page.anew else [*rows, *page.rows]
        return rows

    async def pages(self, soql: str, *, deleted: bool = False) -> AsyncIterator[list[dict[str, Any]]]:
        """Return the rows page by page; `deleted` includes the rows in the recycle bin.

        When Salesforce loses the query's position, a query ordered by id (`ORDER BY Id`) resumes after the last row.
        Any other restarts, a few times at most, so that rows may come twice.
        """
        async for page in self._paged(soql, deleted=deleted):
            yield page.rows

    async def _paged(self, soql: str, *, deleted: bool) -> AsyncIterator[RowPage]:
        page = await self._first_page(soql, deleted)
        restarts, last_id, seen = 0, None, set()
        while True:
            yield page
            last_id = page.rows[-1].get("Id") if page.rows else last_id
            if page.following is None:
                return
            if page.following in seen:
                raise UpstreamMalformed(faults.SALESFORCE, "query", "the pages form a cycle")
            seen.add(page.following)
            try:
                page = await self._call("query", partial(_next_page, page.following))
                restarts = 0 if paging.resumed(soql, last_id) else restarts
            except UpstreamRejected as error:
                restarts += 1
                if not paging.is_lost(error) or restarts > paging.MOST_RESTARTS:
                    raise
                seen.clear()
                rest = paging.resumed(soql, last_id)
                page = await self._first_page(rest or soql, deleted)
                page = msgspec.structs.replace(page, anew=rest is None)

    async def _first_page(self, soql: str, deleted: bool) -> RowPage:
        return await self._selected(
            "query", soql, lambda selected, api: paging.first_page_of(api.query(selected, include_deleted=deleted))
        )

    async def count(self, object_name: str) -> int:
        """Count the records of an object."""
        soql = f"SELECT COUNT() FROM {object_name}"
        return await self._call("query", lambda api: int(api.query(soql)["totalSize"]))

    async def describe(self, object_name: str) -> dict[str, Any]:
        """Describe an object as this user sees it.

        Raises:
            UpstreamNotFound: it does not exist, or the user may not see it.
        """
        return await self._call(f"describe:{object_name}", lambda api: dict(getattr(api, object_name).describe()))

    async def get(self, object_name: str, record_id: str) -> dict[str, Any]:
        """Read the mirrored fields of one record.

        Raises:
            UpstreamNotFound: absent, deleted, or hidden from this user: see `deletion`.
        """
        path = f"sobjects/{object_name}/{quote_plus(record_id)}"
        return await self._selected(
            f"get:{object_name}",
            ", ".join(FIELDS[object_name]),
            lambda selected, api: records.whole(
                object_name, paging.plain(api.restful(path, params={"fields": selected.replace(" ", "")}))
            ),
            record_id=record_id,
        )

    async def deletion(self, object_name: str, record_id: str) -> bool:
        """Return true if the recycle bin shows that a record was deleted.

        `UpstreamNotFound` alone does not prove a deletion: a user who lost a permission gets it for a living record.
        """
        soql = quote(f"SELECT Id, IsDeleted FROM {object_name} WHERE Id = {{}}", record_id)
        page = await self._call("deletion", lambda api: paging.page_of(api.query(soql, include_deleted=True)))
        return any(_same(str(row.get("Id"))) == _same(record_id) and row.get("IsDeleted") is True for row in page.rows)

    async def _selected(
        self, operation: str, selection: str, call: Callable[[str, Salesforce], T], *, record_id: str = ""
    ) -> T:
        """Read with fields that this org may lack: once refused for one, repeat without it."""
        if not any(name in selection for name in MAY_LACK):
            return await self._call(operation, partial(call, selection), record_id=record_id)
        tried = _without(selection, self._lacking)
        try:
            return await self._call(operation, partial(call, tried), record_id=record_id)
        except UpstreamRejected as error:
            lacking = {name for name in MAY_LACK if name in error.reason and name in tried}
            if error.vendor_code != faults.NO_SUCH_FIELD or not lacking:
                raise
        self._lacking |= lacking
        return await self._call(operation, partial(call, _without(tried, lacking)), record_id=record_id)

    async def content(self, object_name: str, record_id: str, field: str) -> bytes:
        """Download the bytes in a record's field. They are held in memory: know the size before."""
        return await self._call(
            f"content:{object_name}",
            lambda api: bytes(getattr(api, object_name).get_base64(quote_plus(record_id), field)),
        )

    async def update(self, object_name: str, record_id: str, fields: dict[str, Any]) -> None:
        """Update some fields of a record."""
        operation = f"update:{object_name}"
        await self._call(
            operation,
            lambda api: faults.done(
                getattr(api, object_name).update(quote_plus(record_id), fields, raw_response=True), operation
            ),
            write=True,
            record_id=record_id,
        )

    async def upsert(self, object_name: str, key_field: str, key: str, fields: dict[str, Any]) -> str:
        """Create or update the record with this external id; returns its id. Safe to repeat."""
        path = f"sobjects/{object_name}/{format_external_id(key_field, key)}"
        return await self._call(
            f"upsert:{object_name}",
            lambda api: faults.new_id(api.restful(path, method="PATCH", json=fields), "upsert"),
            write=True,
        )

    async def create(self, object_name: str, fields: dict[str, Any]) -> str:
        """Create a record; returns its id. Not safe to repeat: prefer `upsert` where there is an external id."""
        return await self._call(
            f"create:{object_name}",
            lambda api: faults.new_id(getattr(api, object_name).create(fields), "create"),
            write=True,
        )

    async def composite(self, parts: Sequence[Part], *, all_or_none: bool = True) -> list[PartResult]:
        """Send several requests as one call and, if all or none, one transaction.

        Parts refer to earlier ones by `@{ref.id}`.

        Raises:
            UpstreamRejected: a part was refused and all were rolled back; the reason is that part's.
        """
        body = composite.request_of(parts, self._settings.salesforce_api_version, all_or_none)
        return await self._call(
            "composite",
            lambda api: composite.results_of(parts, api.restful("composite", method="POST", json=body), all_or_none),
            write=True,
        )

    async def account_by_customer_number(self, number: str) -> dict[str, Any] | None:
        """Find the account with this customer number."""
        fields = ", ".join(FIELDS["Account"])
        rows = await self.query(
            format_soql(f"SELECT {fields} FROM Account WHERE {ACCOUNT_NUMBER} = {{}} LIMIT 1", number)
        )
        return records.whole("Account", rows[0]) if rows else None

    async def merged_into(self, object_name: str, record_id: str) -> str | None:
        """Find the record that a deleted one was merged into; None if it was just deleted, or was not.

        The recycle bin remembers it as MasterRecordId for 15 days.
        """
        soql = format_soql(f"SELECT MasterRecordId FROM {object_name} WHERE IsDeleted = true AND Id = {{}}", record_id)
        rows = [row async for page in self.pages(soql, deleted=True) for row in page]
        master_id = rows[0].get("MasterRecordId") if rows else None
        if master_id is not None and not isinstance(master_id, str):
            raise UpstreamMalformed(faults.SALESFORCE, "query", "MasterRecordId is no id")
        return master_id


def _next_page(locator: str, api: Salesforce) -> RowPage:
    return paging.page_of(api.query_more(locator, identifier_is_url=True))


def _same(record_id: str) -> str:
    """Normalise an id for comparison: the last three of its 18 characters only encode the case of the others."""
    return record_id[:15]


def _without(selection: str, names: Iterable[str]) -> str:
    """Remove fields from a field list or a query. They are never the first."""
    for name in names:
        selection = selection.replace(f", {name}", "")
    return selection


def quote(template: str, *values: object) -> str:
    """Format SOQL with values as escaped literals."""
    return str(format_soql(template, *values))
