"""Calls through simple-salesforce, which blocks: they run in bounded threads with explicit time-outs.

The library is given a token and an instance URL and never logs in by itself. A refused token is renewed once and the
call repeated; nothing else is repeated here.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, TypeVar

from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError

from app.errors import UpstreamAuthFailed, UpstreamBusy
from app.integrations.admission.upstream_admission import UpstreamAdmission
from app.integrations.forms import NO_SLOT
from app.integrations.salesforce import faults
from app.integrations.salesforce.deadline import within
from app.integrations.salesforce.session import heard, session
from app.integrations.salesforce.token import AccessToken, Tokens
from app.settings import Settings

T = TypeVar("T")
GRACE_SECONDS = 1.0
"""How late a thread may be before its caller leaves without it."""


class Transport:
    """The threads, connections and token of one client."""

    def __init__(self, settings: Settings, admission: UpstreamAdmission) -> None:
        self._settings, self._admission = settings, admission
        self._tokens = Tokens(settings)
        self._slots = asyncio.Semaphore(settings.salesforce_concurrency)
        self._threads = ThreadPoolExecutor(settings.salesforce_concurrency, thread_name_prefix="salesforce")
        self._session = session(settings)

    async def close(self) -> None:
        """Wait for running calls, then release threads and connections."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._session.close()
        await self._tokens.close()

    async def token(self, *, refused: AccessToken | None = None) -> AccessToken:
        """Return the current token, or a new one if `refused` is still the current one."""
        async with self._admission.admitted("token", login=True):
            return await self._tokens.get(refused)

    def token_worked(self, token: AccessToken) -> None:
        """Record that another API accepted the token: a renewal will be a fresh one."""
        self._tokens.worked(token)

    async def call(
        self, operation: str, call: Callable[[Salesforce], T], *, write: bool = False, record_id: str = ""
    ) -> T:
        """Make one call. `call` also parses the answer, so that parsing errors are translated too."""
        async with self._admission.admitted(operation, key=f"{operation} {record_id or monotonic()}"):
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

    async def _run(self, operation: str, call: Callable[[Salesforce], T], token: AccessToken, write: bool) -> T:
        seconds = self._settings.salesforce_timeout_seconds

        def work() -> T:
            with within(seconds):
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
        running.add_done_callback(self._done)
        try:
            # The thread ends in time by itself, unless name resolution or the processor delays it.
            async with asyncio.timeout(seconds + GRACE_SECONDS):
                result = await asyncio.shield(running)
        except Exception as error:
            raise faults.from_rest(error, operation, write=write) from error
        self._tokens.worked(token)
        return result

    def _done(self, running: "asyncio.Future[Any]") -> None:
        self._slots.release()
        if not running.cancelled():
            running.exception()  # its caller may have been cancelled

    async def _slot(self, operation: str) -> None:
        """Wait for a free thread, no longer than a call may take."""
        try:
            async with asyncio.timeout(self._settings.salesforce_timeout_seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise UpstreamBusy(faults.SALESFORCE, operation, "no free thread", vendor_code=NO_SLOT) from error
