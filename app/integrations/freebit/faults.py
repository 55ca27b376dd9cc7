"""Error translation: a failure is identified by resultCode, a number or a string, and without one by HTTP status."""

from collections.abc import Mapping
from typing import Any

from app.errors import (
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
)
from app.intake import parse
from app.intake.text import scalar
from app.integrations.forms import FormAnswer, json_object, of_status, recovered_members, unreadable

FREEBIT = "freebit"
CODE, SUCCESS = "resultCode", "100"
RESULTS: dict[str, type[UpstreamError]] = {
    "401": UpstreamAuthFailed,
    "403": UpstreamAuthFailed,
    "404": UpstreamNotFound,
    "409": UpstreamBusy,
    "423": UpstreamBusy,
    "429": UpstreamBusy,
    "503": UpstreamBusy,
}
"""Unverified meanings of a resultCode. Other codes from 500 up are failures on their side, the rest plain refusals."""


def understood(operation: str, answer: FormAnswer, write: bool) -> dict[str, Any]:
    """Return the body of a success.

    Raises:
        UpstreamError: of the kind in `RESULTS`; vendor codes are pairs such as `400-356`.
    """
    body = json_object(answer)
    if body is None and write and _code(found := recovered_members(answer, CODE)) == SUCCESS:
        body = found
    body = body or {}
    code = _code(body)
    if code == SUCCESS:
        return body
    if code:
        raise _refusal(operation, code, body.get("status"), answer.retry_after_seconds)
    told = answer.retry_after_seconds
    if failure := of_status(FREEBIT, operation, answer.status, write=write, retry_after_seconds=told):
        raise failure
    message = f"HTTP {answer.status} without a resultCode"
    raise unreadable(FREEBIT, operation, message, write=write and answer.status == 200)


def _code(body: Mapping[str, Any]) -> str:
    """Return the result code, "" if there is none that can be read."""
    number = parse.whole_number(body.get(CODE))
    return "" if number is None else str(number)


def _refusal(operation: str, code: str, status: Any, told: int | None) -> UpstreamError:
    detail = status if isinstance(status, Mapping) else {}
    kind = RESULTS.get(code) or (UpstreamUnavailable if code.startswith("5") else UpstreamRejected)
    vendor_code = f"{code}-{scalar(detail.get('statusCode'))}"
    message = scalar(detail.get("message"))
    if told is not None and issubclass(kind, UpstreamUnavailable):
        return kind(FREEBIT, operation, message, vendor_code=vendor_code, retry_after_seconds=told)
    return kind(FREEBIT, operation, message, vendor_code=vendor_code)
