"""One WHMCS action over the wire.

Reads are retried a little after failures that may pass; writes never, because nothing in WHMCS is idempotent: a write
that was sent but not answered is `OutcomeUnknown`, and its caller must check before repeating it.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any

from app.errors import OutcomeUnknown, UpstreamMalformed, UpstreamUnavailable
from app.integrations.admission.admission import unshared
from app.integrations.admission.upstream_admission import UpstreamAdmission
from app.integrations.error_translation import translates_all_errors
from app.integrations.forms import (
    NO_SLOT,
    TIMED_OUT,
    FormAnswer,
    Forms,
    json_object,
    of_status,
    recovered_members,
    unreadable,
)
from app.integrations.whmcs import lists
from app.integrations.whmcs.faults import WHMCS, of_message, of_other_status
from app.integrations.whmcs.lists import PAGE, ListPage, Rows
from app.integrations.whmcs.wire import form, identifier, text
from app.settings import Settings

READ_ATTEMPTS = 3
NOT_AT_ONCE = frozenset({TIMED_OUT, NO_SLOT})
"""A retry would slow down a slow upstream even more."""


@translates_all_errors(WHMCS)
class Api:
    """The one endpoint of an installation."""

    def __init__(self, settings: Settings, admission: UpstreamAdmission | None = None) -> None:
        self._settings = settings
        self._admission = admission or unshared(WHMCS, settings)
        self._forms = Forms(WHMCS, settings, concurrency=settings.whmcs_concurrency)
        self._url = settings.whmcs_url.rstrip("/") + "/includes/api.php"

    async def close(self) -> None:
        """Close the connections to WHMCS."""
        await self._forms.close()

    async def call(
        self,
        action: str,
        params: Mapping[str, object] | None = None,
        *,
        write: bool = False,
        timeout_seconds: float | None = None,
    ) -> dict[str, Any]:
        """Call an action, with the time-out of reads or of writes unless another is given.

        A failed read is repeated only while the breaker is closed, and only as often as the retry budget allows.

        Raises:
            UpstreamUnavailable, UpstreamBusy: not done, may be repeated.
            OutcomeUnknown: a write that was sent and not answered, or whose answer cannot be read.
            UpstreamRejected, UpstreamNotFound: refused, with WHMCS's sentence as reason.
            UpstreamAuthFailed, UpstreamMalformed
        """
        attempts = 1 if write else READ_ATTEMPTS
        seconds = timeout_seconds or self._seconds(write)
        give_up_at = time.monotonic() + seconds
        for attempt in range(attempts):
            try:
                key = f"{action} {form(params or {})}"
                async with self._admission.admitted(action, key=key, again=attempt > 0):
                    return await self._once(action, params or {}, write, seconds)
            except (UpstreamUnavailable, UpstreamMalformed) as error:
                late = time.monotonic() >= give_up_at
                if attempt == attempts - 1 or late or error.vendor_code in NOT_AT_ONCE or error.told_to_wait:
                    raise
                if not self._admission.may_retry():
                    raise
                await asyncio.sleep(random.uniform(0.05, 0.2) * 2**attempt)
        raise AssertionError("unreachable")

    def _seconds(self, write: bool) -> float:
        settings = self._settings
        return settings.whmcs_write_timeout_seconds if write else settings.whmcs_read_timeout_seconds

    async def _once(
        self, action: str, params: Mapping[str, object], write: bool, timeout_seconds: float
    ) -> dict[str, Any]:
        settings = self._settings
        credentials = {"identifier": settings.whmcs_identifier, "secret": settings.whmcs_secret}
        fields = {"action": action, "responsetype": "json", **credentials, **form(params)}
        answer = await self._forms.post(action, self._url, fields, write=write, timeout_seconds=timeout_seconds)
        return _understood(action, answer, write)

    async def rows(self, action: str, params: Mapping[str, object], plural: str, singular: str) -> Rows:
        """Return every row of a list, as `lists.rows_of` does."""
        return await lists.rows_of(self.call, action, params, plural, singular)

    async def page(self, action: str, plural: str, singular: str, *, start: int, size: int = PAGE) -> ListPage:
        """Return one page of a list."""
        return await lists.page(self.call, action, {}, plural, singular, start=start, size=size)


def required(body: Mapping[str, Any], name: str, action: str) -> str:
    """Return the expected id of a success; WHMCS may answer a bare warning for something it did not do."""
    try:
        value = identifier(body.get(name))
    except ValueError:
        value = ""
    if value in ("", "0"):
        raise OutcomeUnknown(WHMCS, action, f"success without {name}")
    return value


def _understood(action: str, answer: FormAnswer, write: bool) -> dict[str, Any]:
    told = answer.retry_after_seconds
    if failure := of_status(WHMCS, action, answer.status, write=write, retry_after_seconds=told):
        raise failure
    body = json_object(answer)
    if body is None and write and (found := recovered_members(answer, "result")).get("result") == "success":
        body = found
    if answer.status != 200:
        raise of_other_status(action, answer.status, text(body.get("message")) if body else "")
    if body is None:  # corrupted by a hook or a PHP notice
        raise unreadable(WHMCS, action, "the answer is not a JSON object", write=write)
    # Some payloads have a status of their own; only these two words state the outcome.
    outcome = next((body[key] for key in ("result", "status") if body.get(key) in ("success", "error")), None)
    if outcome == "success":
        return body
    if outcome is None:
        message = text(body.get("warning")) or "neither success nor error"
        raise unreadable(WHMCS, action, message, write=write)
    raise of_message(action, text(body.get("message")) or "no reason given")
