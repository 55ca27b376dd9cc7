"""Composite requests: several requests in one call, and the meaning of the answer."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from app.errors import OutcomeUnknown
from app.integrations.salesforce import faults


class Part(Struct, frozen=True):
    """One request of a composite; `path` begins after `/services/data/vXX.0`, e.g. `/sobjects/Order`."""

    method: str
    path: str
    reference_id: str
    body: dict[str, Any] | None = None


class PartResult(Struct, frozen=True):
    """The result of one part."""

    reference_id: str
    status: int
    body: Any


def request_of(parts: Sequence[Part], version: str, all_or_none: bool) -> dict[str, Any]:
    """Compose the body for this version of the API."""
    base = f"/services/data/v{version}"
    requested = [
        {"method": part.method, "url": base + part.path, "referenceId": part.reference_id}
        | ({"body": part.body} if part.body is not None else {})
        for part in parts
    ]
    return {"allOrNone": all_or_none, "compositeRequest": requested}


def results_of(parts: Sequence[Part], answer: Any, all_or_none: bool) -> list[PartResult]:
    """Parse the result of each part.

    Raises:
        UpstreamRejected: all or none was requested, and a part was refused; the reason is that part's.
        OutcomeUnknown: the answer does not cover every part.
    """
    answered = faults.member(answer, "compositeResponse", "composite")
    with faults.understood("composite", write=True):
        results = [PartResult(str(one["referenceId"]), int(one["httpStatusCode"]), one["body"]) for one in answered]
    if all_or_none:
        _raise_refusal(results)
    if [result.reference_id for result in results] != [part.reference_id for part in parts]:
        raise OutcomeUnknown(faults.SALESFORCE, "composite", "not an answer to each part, in order")
    return results


def _raise_refusal(results: Sequence[PartResult]) -> None:
    refused = [result for result in results if not 200 <= result.status < 300]
    for result in sorted(refused, key=_is_halted):
        operation = f"composite:{result.reference_id}"
        refusal = faults.refusal_of(result.status, result.body, operation)
        raise refusal or OutcomeUnknown(faults.SALESFORCE, operation, f"HTTP {result.status} without a reason")


def _is_halted(result: PartResult) -> bool:
    """Return true if the part was only rolled back because of another one."""
    first = result.body[0] if isinstance(result.body, list) and result.body else None
    return isinstance(first, dict) and first.get("errorCode") == "PROCESSING_HALTED"
