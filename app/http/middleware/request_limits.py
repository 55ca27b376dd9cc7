"""Admission control: refuse oversized query strings and headers, and more concurrent requests than help.

A request counts against its address until its session is known, and then against the account; neither may take the
whole capacity. Bodies are bounded by `app/http/middleware/request_bodies.py` while they arrive, event streams by
`app/http/streaming/stream_slots.py`.
"""

from contextlib import AsyncExitStack

from litestar.handlers.base import BaseRouteHandler

from app.concurrency_limit import ConcurrencyLimit
from app.errors import InvalidRequest, PortalError, RateLimited
from app.http.answering.handler_types import AnyConnection
from app.http.answering.problems import Busy, HeadersTooLarge, QueryTooLong
from app.http.guards.client_address import client_address
from app.http.middleware.deadlines import refuse
from app.http.middleware.fair_share import Shares, part
from app.http.middleware.request_context import Application, Receive, Scope, Send
from app.http.middleware.request_head import malformed
from app.http.policies.policy import policy_of
from app.intake.addresses import counted
from app.settings import Settings
from app.words.sentence import say

LONGEST_QUERY = 4_096
LARGEST_HEADERS = 16_384
MOST_HEADERS = 64
PART = 8
"""One address, and one account, may have an eighth of the concurrent requests of a process."""
LIVE_EACH = 4
"""Concurrent requests of one account that call an upstream, which takes a few at a time; more wait for these."""
UNCOUNTED = ("/api/events", "/api/health/", "/metrics", "/webhooks/")
"""Streams stay open for hours, and a busy process must still answer health checks. Webhooks arrive in bursts from one
address; unsigned ones wait for nothing, and signed ones have admission control of their own
(`app/ingest/sources/admission.py`)."""


class AdmittedRequest:
    """An admitted request, and what it occupies until its end."""

    def __init__(self, shares: Shares, holder: str) -> None:
        self._shares, self._holder = shares, ""
        self.occupied = AsyncExitStack()
        self.count_to(holder)

    def count_to(self, holder: str) -> None:
        """Count against another holder from here on.

        Raises:
            RateLimited: `too_many_at_once`.
        """
        self.leave()
        if self._shares.is_spent(holder):
            sentence = say("problems.too_many_at_once")
            raise RateLimited(sentence, code="too_many_at_once", retry_after_seconds=2)
        self._shares.take(holder)
        self._holder = holder

    def leave(self) -> None:
        """Stop counting the request."""
        if self._holder:
            self._shares.give_back(self._holder)
            self._holder = ""


class RequestLimits:
    """Bounds heads and the number of concurrent requests."""

    def __init__(self, application: Application, settings: Settings) -> None:
        self._application, self._settings = application, settings
        self._running = Shares(settings.requests_at_once, part(settings.requests_at_once, PART))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit one request, or refuse it."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        uncounted = scope["path"].startswith(UNCOUNTED)
        if error := malformed(scope) or (None if uncounted else self._refused(scope)):
            await refuse(scope, send, error)
            return
        if uncounted:
            await self._application(scope, receive, send)
            return
        try:
            scope["admitted"] = admitted = AdmittedRequest(self._running, self._address(scope))
        except RateLimited as error:
            await refuse(scope, send, error)
            return
        async with admitted.occupied:
            try:
                await self._application(scope, receive, send)
            finally:
                admitted.leave()

    def _address(self, scope: Scope) -> str:
        return f"address {counted(client_address(scope, self._settings))}"

    def _refused(self, scope: Scope) -> PortalError | None:
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return InvalidRequest(say("problems.nul_in_address"))
        if len(scope["query_string"]) > LONGEST_QUERY:
            return QueryTooLong()
        headers = scope["headers"]
        if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > LARGEST_HEADERS:
            return HeadersTooLarge()
        return Busy() if self._running.is_full() else None


async def count_to_account(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Count the request against its caller's account from here on.

    Raises:
        RateLimited: `too_many_at_once`.
        Overloaded: `server_busy`, too many other requests of this account call an upstream.
    """
    admitted, actor = connection.scope.get("admitted"), connection.state.actor
    if not isinstance(admitted, AdmittedRequest) or actor.user_id is None:
        return
    account = str(actor.account_id or actor.user_id)
    admitted.count_to(f"account {account}")
    if policy_of(handler).asks_upstream:
        limit: ConcurrencyLimit = connection.app.state.live_room
        await admitted.occupied.enter_async_context(limit.slot(account))
