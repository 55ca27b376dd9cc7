"""Salesforce REST through simple-salesforce, which blocks: calls run in bounded threads with explicit timeouts.

The library is given a token and an instance URL and does no login of its own. A refused token is renewed once and the
call repeated; nothing else is ever repeated here.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError
from simple_salesforce.format import format_external_id, format_soql

from app.errors import UpstreamAuthFailed, UpstreamBusy
from app.integrations.admission.admission import alone
from app.integrations.admission.gates import Gate
from app.integrations.forms import NO_SLOT
from app.integrations.salesforce import composite, faults
from app.integrations.salesforce.composite import Part, PartResult
from app.integrations.salesforce.session import heard, session
from app.integrations.salesforce.token import Token, Tokens
from app.integrations.salesforce.wire import ACCOUNT_NUMBER, FIELDS
from app.settings import Settings

__all__ = ["Part", "PartResult", "SalesforceClient", "quote"]

T = TypeVar("T")


class SalesforceClient:
    """Typed calls; every vendor error comes out as one of `app.errors`."""

    def __init__(self, settings: Settings, gate: Gate | None = None) -> None:
        self._settings = settings
        self.gate = gate or alone(faults.SALESFORCE, settings)
        self._tokens = Tokens(settings)
        self._slots = asyncio.Semaphore(settings.salesforce_concurrency)
        self._threads = ThreadPoolExecutor(settings.salesforce_concurrency, thread_name_prefix="salesforce")
        self._session = session(settings)

    @classmethod
    async def open(cls, settings: Settings, gate: Gate | None = None) -> "SalesforceClient":
        """A client; nothing is called yet."""
        return cls(settings, gate)

    async def close(self) -> None:
        """Wait for running calls, then give threads and connections back."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._session.close()
        await self._tokens.close()

    @property
    def username(self) -> str:
        """The integration user: who the portal is in this org."""
        return self._settings.salesforce_username

    async def token(self, *, refused: Token | None = None) -> Token:
        """The current token, or a new one when `refused` is still the one held."""
        async with self.gate.admitted("token", login=True):
            return await self._tokens.get(refused)

    async def query(self, soql: str) -> list[dict[str, Any]]:
        """All rows of all pages."""
        return [row async for page in self.pages(soql) for row in page]

    async def pages(self, soql: str, *, deleted: bool = False) -> AsyncIterator[list[dict[str, Any]]]:
        """The rows, a page at a time; `deleted` counts the rows in the recycle bin too."""
        answer = await self._call("query", lambda api: api.query(soql, include_deleted=deleted))
        yield [_plain(row) for row in answer["records"]]
        while not answer["done"]:
            answer = await self._call("query", partial(_next_page, answer["nextRecordsUrl"]))
            yield [_plain(row) for row in answer["records"]]

    async def count(self, object_name: str) -> int:
        """How many records of an object there are now."""
        answer = await self._call("query", lambda api: api.query(f"SELECT COUNT() FROM {object_name}"))
        return int(answer["totalSize"])

    async def describe(self, object_name: str) -> dict[str, Any]:
        """What this user may see and do of an object.

        Raises:
            UpstreamNotFound: there is none, or the user may not see it.
        """
        answer: Any = await self._call(f"describe:{object_name}", lambda api: getattr(api, object_name).describe())
        return dict(answer)

    async def get(self, object_name: str, record_id: str) -> dict[str, Any]:
        """The mirrored fields of one record.

        Raises:
            UpstreamNotFound: absent or deleted.
        """
        path = f"sobjects/{object_name}/{record_id}"
        fields = ",".join(FIELDS[object_name])
        answer: Any = await self._call(
            f"get:{object_name}", lambda api: api.restful(path, params={"fields": fields}), record_id=record_id
        )
        return _plain(answer)

    async def content(self, object_name: str, record_id: str, field: str) -> bytes:
        """The bytes that a record keeps in a field. They are read whole: know the size before."""
        return await self._call(
            f"content:{object_name}", lambda api: getattr(api, object_name).get_base64(record_id, field)
        )

    async def update(self, object_name: str, record_id: str, fields: dict[str, Any]) -> None:
        """Change some fields."""
        await self._call(
            f"update:{object_name}",
            lambda api: getattr(api, object_name).update(record_id, fields),
            write=True,
            record_id=record_id,
        )

    async def upsert(self, object_name: str, key_field: str, key: str, fields: dict[str, Any]) -> str:
        """Create or change the record with this external id; returns its id. Safe to repeat."""
        path = format_external_id(key_field, key)
        answer: Any = await self._call(
            f"upsert:{object_name}",
            lambda api: api.restful(f"sobjects/{object_name}/{path}", method="PATCH", json=fields),
            write=True,
        )
        return str(faults.member(answer, "id", "upsert"))

    async def create(self, object_name: str, fields: dict[str, Any]) -> str:
        """Create a record; returns its id. Not safe to repeat: prefer `upsert` where there is an external id."""
        answer = await self._call(
            f"create:{object_name}", lambda api: getattr(api, object_name).create(fields), write=True
        )
        return str(faults.member(answer, "id", "create"))

    async def composite(self, parts: Sequence[Part], *, all_or_none: bool = True) -> list[PartResult]:
        """Several requests as one call and, all or none, one transaction. Parts name earlier ones by `@{ref.id}`.

        Raises:
            UpstreamRejected: a part was refused and all were rolled back; the reason is that part's.
        """
        body = composite.request_of(parts, self._settings.salesforce_api_version, all_or_none)
        answer: Any = await self._call(
            "composite", lambda api: api.restful("composite", method="POST", json=body), write=True
        )
        return composite.results_of(answer, all_or_none)

    async def account_by_customer_number(self, number: str) -> dict[str, Any] | None:
        """The account a customer number belongs to."""
        fields = ", ".join(FIELDS["Account"])
        rows = await self.query(
            format_soql(f"SELECT {fields} FROM Account WHERE {ACCOUNT_NUMBER} = {{}} LIMIT 1", number)
        )
        return rows[0] if rows else None

    async def merged_into(self, object_name: str, record_id: str) -> str | None:
        """The record that a deleted one became when staff merged the two, or None: it was just deleted, or is not.

        The recycle bin remembers it as MasterRecordId for 15 days.
        """
        soql = format_soql(f"SELECT MasterRecordId FROM {object_name} WHERE IsDeleted = true AND Id = {{}}", record_id)
        rows = [row async for page in self.pages(soql, deleted=True) for row in page]
        return rows[0]["MasterRecordId"] if rows else None

    async def _call(
        self, operation: str, call: Callable[[Salesforce], T], *, write: bool = False, record_id: str = ""
    ) -> T:
        async with self.gate.admitted(operation, key=f"{operation} {record_id or monotonic()}"):
            return await self._authorised(operation, call, write)

    async def _authorised(self, operation: str, call: Callable[[Salesforce], T], write: bool) -> T:
        token = await self._tokens.get()
        try:
            return await self._run(operation, call, token, write)
        except UpstreamAuthFailed as error:
            if error.vendor_code not in faults.STALE_TOKEN:
                raise
            renewed = await self._tokens.get(refused=token)
            return await self._run(operation, call, renewed, write)

    async def _run(self, operation: str, call: Callable[[Salesforce], T], token: Token, write: bool) -> T:
        def work() -> T:
            api = Salesforce(
                instance_url=token.instance_url,
                session_id=token.access_token,
                session=self._session,
                version=self._settings.salesforce_api_version,
            )
            try:
                return call(api)
            except SalesforceError as error:
                error.retry_after = heard.retry_after  # type: ignore[attr-defined]
                raise

        await self._slot(operation)
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # The slot is the thread's: a caller that is cancelled leaves before its thread does.
        running.add_done_callback(lambda _: self._slots.release())
        try:
            return await asyncio.shield(running)
        except Exception as error:
            raise faults.from_rest(error, operation, write=write) from error

    async def _slot(self, operation: str) -> None:
        """Wait for a free thread, no longer than a call may take."""
        try:
            async with asyncio.timeout(self._settings.salesforce_timeout_seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise UpstreamBusy(faults.SALESFORCE, operation, "no free thread", vendor_code=NO_SLOT) from error


def _next_page(url: str, api: Salesforce) -> Any:
    return api.query_more(url, identifier_is_url=True)


def quote(template: str, *values: object) -> str:
    """SOQL with values as properly escaped literals."""
    return str(format_soql(template, *values))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the vendor's `attributes`, in parents too."""
    return {
        name: _plain(value) if isinstance(value, dict) and "attributes" in value else value
        for name, value in row.items()
        if name != "attributes"
    }
