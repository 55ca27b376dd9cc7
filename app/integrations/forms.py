"""HTTP form posts, as WHMCS, Freebit and WHM expect them: bounded in time, size and concurrency.

The caller of a write must know whether it was sent. A connection that was never made is `UpstreamUnavailable`; anything
that went wrong later is `OutcomeUnknown` for a write and `UpstreamUnavailable` for a read.
"""

import asyncio
import math
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

from msgspec import Struct

from app import http_client
from app.errors import (
    OutcomeUnknown,
    PortalError,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamUnavailable,
    UpstreamUnreached,
)
from app.intake import text
from app.intake.salvage import salvaged
from app.integrations.admission.pauses import retry_after_seconds_of
from app.integrations.error_translation import write_refused, write_sent
from app.integrations.tls import trusted
from app.settings import Settings

USER_AGENT = "customer-portal/0.1"
CONNECT_TIMEOUT_SECONDS = 5.0
LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
TIMED_OUT = "timeout"
NO_SLOT = "no_slot"
"""Vendor codes of our own, for failures that an immediate retry would only make worse."""


class FormAnswer(Struct, frozen=True):
    """A response of any status. `retry_after_seconds` is set if the upstream states it."""

    status: int
    content: bytes
    retry_after_seconds: int | None = None


class Forms:
    """The HTTP connections to one upstream."""

    def __init__(
        self, upstream: str, settings: Settings, *, concurrency: int, headers: Mapping[str, str] | None = None
    ) -> None:
        self._upstream = upstream
        self._slots = asyncio.Semaphore(concurrency)
        # No cookies: a session that one customer's call opened must not carry into the next customer's.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._http = http_client.AsyncClient(
            verify=trusted(settings),
            trust_env=False,
            follow_redirects=False,
            cookies=no_cookies,
            limits=http_client.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
            headers={"User-Agent": USER_AGENT, **(headers or {})},
        )

    async def close(self) -> None:
        """Close the connections to the upstream."""
        await self._http.aclose()

    async def post(
        self, operation: str, url: str, fields: Mapping[str, str], *, write: bool, timeout_seconds: float
    ) -> FormAnswer:
        """Send one form; a response of any status is an answer.

        It takes at most twice `timeout_seconds` and a connect: once to wait for a slot, and once from the first byte
        sent to the last one read.

        Raises:
            UpstreamBusy: no slot became free in `timeout_seconds`; nothing was sent.
            UpstreamUnavailable: not reached, or a read that was not answered in time.
            OutcomeUnknown: a write that was sent and not answered.
            UpstreamMalformed: the answer to a read is larger than the bound.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise UpstreamBusy(self._upstream, operation, "no free slot", vendor_code=NO_SLOT) from error
        try:
            return await self._send(operation, url, fields, write, timeout_seconds)
        finally:
            self._slots.release()

    async def _send(
        self, operation: str, url: str, fields: Mapping[str, str], write: bool, timeout_seconds: float
    ) -> FormAnswer:
        connect = min(CONNECT_TIMEOUT_SECONDS, timeout_seconds)
        timeout = http_client.Timeout(timeout_seconds, connect=connect)
        try:
            plain = {name: text.clean(value) for name, value in fields.items()}
            request = self._http.build_request("POST", url, data=plain, timeout=timeout)
        except Exception as error:  # an invalid address, or anything else that prevents sending
            raise UpstreamUnavailable(self._upstream, operation, type(error).__name__) from error
        try:
            # The library bounds each read; only a total deadline bounds an answer that arrives byte by byte.
            async with asyncio.timeout(timeout_seconds + connect):
                return await self._exchange(operation, request, write)
        except PortalError:
            raise
        except (
            http_client.ConnectError,
            http_client.ConnectTimeout,
            http_client.PoolTimeout,
            http_client.UnsupportedProtocol,
        ) as error:
            write_refused()
            raise UpstreamUnreached(self._upstream, operation, repr(error)) from error
        except (http_client.TimeoutException, TimeoutError) as error:
            raise self._unanswered(write)(self._upstream, operation, repr(error), vendor_code=TIMED_OUT) from error
        except http_client.DecodingError as error:
            raise unreadable(self._upstream, operation, repr(error), write=write) from error
        except Exception as error:  # the library does not wrap errors of cookies, headers, sockets and TLS
            raise self._unanswered(write)(self._upstream, operation, type(error).__name__) from error

    async def _exchange(self, operation: str, request: http_client.Request, write: bool) -> FormAnswer:
        if write:
            write_sent()
        response = await self._http.send(request, stream=True)
        try:
            if 300 <= response.status_code < 500:
                write_refused()
            told = retry_after_of(response.headers.get("retry-after"))
            return FormAnswer(response.status_code, await self._body(operation, response, write), told)
        finally:
            await response.aclose()

    async def _body(self, operation: str, response: http_client.Response, write: bool) -> bytes:
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > LARGEST_ANSWER_BYTES:
                raise unreadable(self._upstream, operation, f"more than {LARGEST_ANSWER_BYTES} bytes", write=write)
        return bytes(content)

    @staticmethod
    def _unanswered(write: bool) -> type[UpstreamError]:
        return OutcomeUnknown if write else UpstreamUnavailable


def json_object(answer: FormAnswer) -> dict[str, Any] | None:
    """Decode the answer as a JSON object; None if it is not one."""
    try:
        return text.json_object(answer.content)
    except text.Unreadable:
        return None


def recovered_members(answer: FormAnswer, member: str) -> dict[str, Any]:
    """Recover the readable members of a truncated answer to a write, or of one printed amid other output.

    Empty unless `member` is among them. A write that its vendor calls a success is one, however the rest reads. For
    reads this would be wrong: the missing part might be everything.
    """
    found = salvaged(answer.content, member)
    return found.members if found else {}


def unreadable(upstream: str, operation: str, message: str, *, write: bool) -> UpstreamError:
    """Return the error for an answer that states neither success nor failure: a write may have taken effect."""
    return (OutcomeUnknown if write else UpstreamMalformed)(upstream, operation, message)


def retry_after_of(header: str | None) -> int | None:
    """Parse a `Retry-After` header into whole seconds, rounded up."""
    told = retry_after_seconds_of(header)
    return None if told is None else max(math.ceil(told), 1)


def of_status(
    upstream: str, operation: str, status: int, *, write: bool, retry_after_seconds: int | None = None
) -> UpstreamError | None:
    """Return the error for a 5xx or 429, None for other statuses.

    503 and 429 mean that the request was not accepted. After any other 5xx a write may have taken effect, because PHP
    and proxies fail after the work as well as before.
    """
    if status in (429, 503):
        return UpstreamBusy(upstream, operation, f"HTTP {status}", retry_after_seconds=retry_after_seconds)
    if status >= 500:
        kind = OutcomeUnknown if write else UpstreamUnavailable
        return kind(upstream, operation, f"HTTP {status}", retry_after_seconds=retry_after_seconds)
    return None
