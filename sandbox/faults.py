"""Scripted faults: what an upstream is told to do wrong, and how often.

Every upstream's handlers take the faults of each call from here; webhook delivery takes its own kinds.
"""

from dataclasses import asdict, dataclass
from typing import Any

LATENCY, STATUS, DOWN, TIMEOUT_AFTER_WRITE = "latency", "status", "down", "timeout_after_write"
TIMEOUT, RESET, GARBAGE, EMPTY = "timeout", "reset", "garbage", "empty"
DROP, DUPLICATE, REORDER = "drop_webhook", "duplicate_webhook", "reorder_webhooks"

UPSTREAMS = ("salesforce", "whmcs", "freebit", "whm")
COMMON = (LATENCY, STATUS, TIMEOUT_AFTER_WRITE, DOWN)
FORMS = (*COMMON, TIMEOUT, RESET, GARBAGE, EMPTY)
WEBHOOKS = (DROP, DUPLICATE, REORDER)
KINDS = {"salesforce": COMMON, "whmcs": (*FORMS, *WEBHOOKS), "freebit": FORMS, "whm": FORMS}
DEFAULT_SECONDS = 1.0
DEFAULT_STATUS = 503
MOST_FAULTS = 1_000


class BadFault(ValueError):
    """A fault that cannot be scripted; the message is one sentence that says why."""


@dataclass
class Fault:
    """One scripted fault. `operation` `*` matches all; `count` is how many calls are left, None for all of them.

    `seconds` is latency; `status` an HTTP status, with `retry_after` seconds as its `Retry-After` unless 0; `skip` how
    many calls pass before the first that it meets. For `reorder_webhooks`, `count` webhooks are held and then sent last
    one first.
    """

    upstream: str
    operation: str
    kind: str
    count: int | None = 1
    seconds: float = DEFAULT_SECONDS
    status: int = DEFAULT_STATUS
    skip: int = 0
    retry_after: int = 0

    def meets(self, upstream: str, operation: str) -> bool:
        """Whether it applies to a call."""
        wanted = self.operation.lower()
        return upstream == self.upstream and (wanted in ("*", "") or wanted == operation.lower())


class Faults:
    """All scripted faults, in the order in which they were scripted."""

    def __init__(self) -> None:
        self._scripted: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Script one more.

        Raises:
            BadFault
        """
        if len(self._scripted) >= MOST_FAULTS:
            raise BadFault(f"There are {MOST_FAULTS} faults already; DELETE /faults first.")
        self._scripted.append(fault)

    def take(self, upstream: str, operation: str) -> list[Fault]:
        """The faults for one call; taking uses them up."""
        return self._take(upstream, operation, webhooks=False)

    def take_webhook(self, upstream: str, event: str) -> list[Fault]:
        """The faults for one webhook of an upstream; taking uses them up."""
        return self._take(upstream, event, webhooks=True)

    def _take(self, upstream: str, operation: str, *, webhooks: bool) -> list[Fault]:
        meant = [
            fault
            for fault in self._scripted
            if (fault.kind in WEBHOOKS) is webhooks and fault.meets(upstream, operation)
        ]
        met = [fault for fault in meant if not fault.skip]
        for fault in meant:
            fault.skip = max(fault.skip - 1, 0)
        for fault in met:
            if fault.count is not None:
                fault.count -= 1
        self._scripted = [fault for fault in self._scripted if fault.count is None or fault.count > 0]
        return met

    def listed(self) -> list[dict[str, Any]]:
        """What is still scripted."""
        return [asdict(fault) for fault in self._scripted]

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._scripted = []


def parse(body: Any) -> Fault:
    """A fault from a control request.

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
    return Fault(
        upstream,
        str(body.get("operation") or "*"),
        kind,
        _count(body, kind),
        _number(body, "seconds", DEFAULT_SECONDS),
        int(_number(body, "status", DEFAULT_STATUS)),
        int(_number(body, "skip", 0)),
        int(_number(body, "retry_after", 0)),
    )


def _count(body: dict[str, Any], kind: str) -> int | None:
    """An absent count means once, for an upstream that is down until told otherwise, and two webhooks in reverse."""
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
