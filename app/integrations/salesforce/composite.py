"""Several requests in one call: what is sent, and what the answer means."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from app.errors import UpstreamError
from app.integrations.salesforce import faults


class Part(Struct, frozen=True):
    """One request of a composite; `path` begins after `/services/data/vXX.0`, e.g. `/sobjects/Order`."""

    method: str
    path: str
    reference_id: str
    body: dict[str, Any] | None = None


class PartResult(Struct, frozen=True):
    """What became of one part."""

    reference_id: str
    status: int
    body: Any


def request_of(parts: Sequence[Part], version: str, all_or_none: bool) -> dict[str, Any]:
    """The body, for this version of the API."""
    base = f"/services/data/v{version}"
    requested = [
        {"method": part.method, "url": base + part.path, "referenceId": part.reference_id}
        | ({"body": part.body} if part.body is not None else {})
        for part in parts
    ]
    return {"allOrNone": all_or_none, "compositeRequest": requested}


def results_of(answer: Any, all_or_none: bool) -> list[PartResult]:
    """What became of each part.

    Raises:
        UpstreamRejected: all or none was asked for, and a part was refused; the reason is that part's.
    """
    results = [
        PartResult(part["referenceId"], part["httpStatusCode"], part["body"])
        for part in faults.member(answer, "compositeResponse", "composite")
    ]
    if all_or_none:
        _raise_refusal(results)
    return results


def _raise_refusal(results: Sequence[PartResult]) -> None:
    refused = [result for result in results if result.status >= 400]
    own: UpstreamError | None = None
    for result in refused:
        error = result.body[0] if isinstance(result.body, list) and result.body else {}
        code, message = error.get("errorCode", ""), error.get("message", "")
        if own is None or code != "PROCESSING_HALTED":
            own = faults.of_code(result.status, code, message, f"composite:{result.reference_id}")
            if code != "PROCESSING_HALTED":
                break
    if own is not None:
        raise own
