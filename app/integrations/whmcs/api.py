"""One WHMCS action over the wire, and lists of any length.

Reads are repeated a little on trouble that may pass at once; writes never, because nothing in WHMCS is idempotent: a
write that was sent but not answered is `OutcomeUnknown`, and whoever made it must look before repeating.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from app.errors import OutcomeUnknown, UpstreamMalformed, UpstreamUnavailable
from app.integrations.admission.admission import alone
from app.integrations.admission.gates import Gate
from app.integrations.forms import NO_SLOT, TIMED_OUT, Answer, Forms, json_object, of_status, spoiled
from app.integrations.whmcs.faults import WHMCS, of_message, of_other_status, understood
from app.integrations.whmcs.wire import as_list, form, identifier, text
from app.settings import Settings

READ_ATTEMPTS = 3
PAGE = 100
MOST_PAGES = 100
NOT_AT_ONCE = frozenset({TIMED_OUT, NO_SLOT})
"""An upstream that is slow gets slower by asking again."""


class Api:
    """The one endpoint."""

    def __init__(self, settings: Settings, gate: Gate | None = None) -> None:
        self._settings = settings
        self._gate = gate or alone(WHMCS, settings)
        self._forms = Forms(WHMCS, settings, concurrency=settings.whmcs_concurrency)
        self._url = settings.whmcs_url.rstrip("/") + "/includes/api.php"

    async def close(self) -> None:
        """Give the connections back."""
        await self._forms.close()

    async def call(
        self,
        action: str,
        params: Mapping[str, object] | None = None,
        *,
        write: bool = False,
        timeout_seconds: float | None = None,
    ) -> dict[str, Any]:
        """One action, with the timeout of reads or of writes unless another is given. A failed read is repeated only
        while the breaker is closed, and only as often as the retry budget allows.

        Raises:
            UpstreamUnavailable, UpstreamBusy: not done, may be repeated.
            OutcomeUnknown: a write that was sent and not answered, or whose answer was spoiled.
            UpstreamRejected, UpstreamNotFound: refused, with WHMCS's sentence as reason.
            UpstreamAuthFailed, UpstreamMalformed
        """
        attempts = 1 if write else READ_ATTEMPTS
        for attempt in range(attempts):
            try:
                key = f"{action} {form(params or {})}"
                async with self._gate.admitted(action, key=key, again=attempt > 0):
                    return await self._once(action, params or {}, write, timeout_seconds)
            except (UpstreamUnavailable, UpstreamMalformed) as error:
                if attempt == attempts - 1 or error.vendor_code in NOT_AT_ONCE or error.told_to_wait:
                    raise
                if not self._gate.may_retry():
                    raise
                await asyncio.sleep(random.uniform(0.05, 0.2) * 2**attempt)
        raise AssertionError("unreachable")

    async def _once(
        self, action: str, params: Mapping[str, object], write: bool, timeout_seconds: float | None
    ) -> dict[str, Any]:
        settings = self._settings
        credentials = {"identifier": settings.whmcs_identifier, "secret": settings.whmcs_secret}
        fields = {"action": action, "responsetype": "json", **credentials, **form(params)}
        seconds = settings.whmcs_write_timeout_seconds if write else settings.whmcs_read_timeout_seconds
        answer = await self._forms.post(
            action, self._url, fields, write=write, timeout_seconds=timeout_seconds or seconds
        )
        return _understood(action, answer, write)

    async def rows(self, action: str, params: Mapping[str, object], plural: str, singular: str) -> list[dict[str, Any]]:
        """Every row of a list, each id once.

        Pages are counted by what they hold, because an install may give fewer rows than were asked for.

        Raises:
            UpstreamMalformed: more than `MOST_PAGES` pages; and whatever `call` raises.
        """
        rows: dict[str, dict[str, Any]] = {}
        start = 0
        for _ in range(MOST_PAGES):
            body = await self.call(action, {**params, "limitstart": start, "limitnum": PAGE})
            with understood(action):
                found = as_list(body.get(plural), singular)
                rows |= {identifier(row["id"]): row for row in found}
                total = identifier(body.get("totalresults"))
                start += len(found)
                if not found or (total and start >= int(total)):
                    return list(rows.values())
        raise UpstreamMalformed(WHMCS, action, f"more than {MOST_PAGES} pages")


def required(body: Mapping[str, Any], name: str, action: str) -> str:
    """Success needs the expected id too; WHMCS is known to answer a bare warning for something it did not do."""
    try:
        value = identifier(body.get(name))
    except ValueError:
        value = ""
    if value in ("", "0"):
        raise OutcomeUnknown(WHMCS, action, f"success without {name}")
    return value


def _understood(action: str, answer: Answer, write: bool) -> dict[str, Any]:
    told = answer.retry_after_seconds
    if failure := of_status(WHMCS, action, answer.status, write=write, retry_after_seconds=told):
        raise failure
    body = json_object(answer)
    if answer.status != 200:
        raise of_other_status(action, answer.status, text(body.get("message")) if body else "")
    if body is None:  # spoiled by a hook or a PHP notice
        raise spoiled(WHMCS, action, "the answer is not a JSON object", write=write)
    # Some payloads have a status of their own; only these two words speak of the outcome.
    outcome = next((body[key] for key in ("result", "status") if body.get(key) in ("success", "error")), None)
    if outcome == "success":
        return body
    if outcome is None:
        message = text(body.get("warning")) or "neither success nor error"
        raise spoiled(WHMCS, action, message, write=write)
    raise of_message(action, text(body.get("message")) or "no reason given")
