"""Faults as control requests: each one is validated, with a sentence for every mistake."""

from typing import Any

from sandbox.faults import rewrites
from sandbox.faults.scripted import DOWN, KINDS, LISTS, MOVING, REORDER, REWRITE, UPSTREAMS, BadFault, Fault

MOVES = ("delete", "insert", "reorder")
_NUMBERS = ("seconds", "status", "skip", "rate", "rows")
_WHOLE = ("status", "skip", "rows")
_TEXTS = ("how", "find", "replace", "field", "text", "location")


def parse(body: Any) -> Fault:
    """Return the fault that a control request describes.

    Raises:
        BadFault
    """
    if not isinstance(body, dict):
        raise BadFault("A fault is a JSON object with upstream, operation and kind.")
    upstream, kind = str(body.get("upstream", "")), str(body.get("kind", ""))
    if upstream not in UPSTREAMS:
        raise BadFault(f"upstream must be one of {', '.join(UPSTREAMS)}, not {upstream!r}.")
    if kind not in KINDS[upstream]:
        raise BadFault(f"kind must be one of {', '.join(KINDS[upstream])} for {upstream}, not {kind!r}.")
    if unknown := sorted(set(body) - set(Fault.__dataclass_fields__)):
        raise BadFault(f"A fault has no {', '.join(unknown)}; it has {', '.join(Fault.__dataclass_fields__)}.")
    fault = Fault(upstream, str(body.get("operation") or "*"), kind, _count(body, kind))
    _fill(fault, body)
    _check(fault, status_given="status" in body)
    return fault


def _fill(fault: Fault, body: dict[str, Any]) -> None:
    for name in _NUMBERS:
        number = _number(body, name, getattr(fault, name))
        setattr(fault, name, int(number) if name in _WHOLE else number)
    for name in _TEXTS:
        value = body.get(name, getattr(fault, name))
        if not isinstance(value, str):
            raise BadFault(f"{name} must be a text, not {value!r}.")
        setattr(fault, name, value)
    fault.retry_after, fault.page = str(body.get("retry_after", "")), bool(body.get("page", False))
    headers = body.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(each, str) for each in headers.values()):
        raise BadFault("headers must be an object of names and texts.")
    fault.headers = headers


def _check(fault: Fault, *, status_given: bool) -> None:
    if fault.kind == REWRITE:
        if not status_given:
            fault.status = 0  # as the upstream answered
        if fault.how and fault.how not in rewrites.HOWS:
            raise BadFault(f"how must be one of {', '.join(rewrites.HOWS)}, not {fault.how!r}.")
        if not fault.how and not fault.find:
            raise BadFault("A rewrite needs how, or find and replace.")
        try:
            rewrites.spelled(fault.find), rewrites.spelled(fault.replace)
        except ValueError as error:
            raise BadFault(f"find and replace are text with \\xNN escapes, or base64: {error}.") from error
    if fault.kind == MOVING and fault.how not in ("", *MOVES):
        raise BadFault(f"how must be one of {', '.join(MOVES)}, not {fault.how!r}.")
    if fault.kind in LISTS and fault.rows < 1:
        raise BadFault("rows must be at least 1.")
    if fault.rate <= 0:
        raise BadFault("rate must be more than 0.")


def _count(body: dict[str, Any], kind: str) -> int | None:
    """Return how many calls a fault meets. Without a count: one, two webhooks to reorder, no end for an upstream that
    is down."""
    given = body.get("count", {DOWN: None, REORDER: 2}.get(kind, 1))
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise BadFault("count must be a whole number from 1, or null for every call from now on.")
    return given


def _number(body: dict[str, Any], name: str, default: float) -> float:
    value = body.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise BadFault(f"{name} must be a number, not {value!r}.")
    return value
