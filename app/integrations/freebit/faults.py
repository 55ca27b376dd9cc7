"""The wall: a failure is told by resultCode, which comes as number or string, and without one by HTTP status."""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
)
from app.integrations.forms import Answer, of_status

FREEBIT = "freebit"
SUCCESS = "100"
RESULTS: dict[str, type[UpstreamError]] = {
    "401": UpstreamAuthFailed,
    "403": UpstreamAuthFailed,
    "404": UpstreamNotFound,
    "409": UpstreamBusy,
    "423": UpstreamBusy,
    "429": UpstreamBusy,
    "503": UpstreamBusy,
}
"""Unverified: what a resultCode means. Other codes of 500 and more are trouble of theirs, the rest a plain refusal."""


def understood(operation: str, answer: Answer, write: bool) -> dict[str, Any]:
    """The body of a success.

    Raises:
        UpstreamError: of the kind that `RESULTS` says; vendor codes are pairs such as `400-356`.
    """
    try:
        body: dict[str, Any] = msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.DecodeError:
        body = {}
    code = str(body.get("resultCode", ""))
    if code == SUCCESS:
        return body
    if code:
        raise _refusal(operation, code, body.get("status"))
    if failure := of_status(FREEBIT, operation, answer.status, write=write):
        raise failure
    kind = OutcomeUnknown if write and answer.status == 200 else UpstreamMalformed
    raise kind(FREEBIT, operation, f"HTTP {answer.status} without a resultCode")


def _refusal(operation: str, code: str, status: Any) -> UpstreamError:
    detail = status if isinstance(status, Mapping) else {}
    kind = RESULTS.get(code) or (UpstreamUnavailable if code.startswith("5") else UpstreamRejected)
    vendor_code = f"{code}-{detail.get('statusCode', '')}"
    return kind(FREEBIT, operation, str(detail.get("message", "")), vendor_code=vendor_code)
