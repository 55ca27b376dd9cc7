"""Scripted faults: what an upstream does wrong, and how often.

Every upstream's handlers take the faults of each call from here; webhook delivery, lists that are read page by page
and the event bus take their own kinds. Random faults (`sandbox.faults.rudeness`) join the scripted ones.
"""

import dataclasses
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Protocol

LATENCY, STATUS, DOWN, TIMEOUT_AFTER_WRITE = "latency", "status", "down", "timeout_after_write"
TIMEOUT, RESET, GARBAGE, EMPTY = "timeout", "reset", "garbage", "empty"
REWRITE, HEADERS, REDIRECT, DRIP = "rewrite", "headers", "redirect", "drip"
MOVING, SHORT_PAGES = "moving", "short_pages"
DROP, DUPLICATE, REORDER = "drop_webhook", "duplicate_webhook", "reorder_webhooks"
UNDECODABLE_EVENT, GAP_EVENT = "undecodable_event", "gap_event"
DUPLICATE_EVENT, DROP_EVENT = "duplicate_event", "drop_event"

UPSTREAMS = ("salesforce", "whmcs", "freebit", "whm")
CALLS = (
    *(LATENCY, STATUS, DOWN, TIMEOUT_AFTER_WRITE, TIMEOUT, RESET, GARBAGE, EMPTY),
    *(REWRITE, HEADERS, REDIRECT, DRIP),
)
WEBHOOKS = (DROP, DUPLICATE, REORDER)
LISTS = (MOVING, SHORT_PAGES)
EVENTS = (UNDECODABLE_EVENT, GAP_EVENT, DUPLICATE_EVENT, DROP_EVENT)
KINDS = {
    "salesforce": (*CALLS, *EVENTS),
    "whmcs": (*CALLS, *LISTS, *WEBHOOKS),
    "freebit": CALLS,
    "whm": CALLS,
}
DEFAULT_SECONDS = 1.0
DEFAULT_STATUS = 503
DEFAULT_RATE = 2
DEFAULT_ROWS = 10
MOST_FAULTS = 1_000
KEPT_SPOILT = 10_000


class BadFault(ValueError):
    """A fault that cannot be scripted; the message is one sentence that says why."""


@dataclass
class Fault:
    """One scripted fault. `operation` `*` matches all; `count` is how many calls are left, None for all of them.

    Attributes:
        seconds: latency.
        status: the HTTP status of `status`, `redirect` and, when given, `rewrite`.
        skip: how many calls pass before the first that it meets.
        how: which rewrite, or what a moving list does (`delete`, `insert`, `reorder`), or how an event is spoilt.
        find, replace: bytes of an answer, as text with `\\xNN` escapes or `base64:…`; for a rewrite without `how`.
        field: the names of the values that a rewrite spoils, separated by commas; empty for what suits it.
        text: what a rewrite puts into a value; empty for its own choice.
        retry_after: the `Retry-After` header of `status` and `down`; empty for none.
        page: `status` answers an HTML page, as a proxy does, where the upstream would answer JSON.
        headers: what `headers` sets; an empty value removes one.
        location: where `redirect` leads.
        rate: bytes a second of `drip`.
        rows: the most rows on a page of `short_pages`.

    For `reorder_webhooks`, `count` webhooks are held and then sent last one first.
    """

    upstream: str
    operation: str
    kind: str
    count: int | None = 1
    seconds: float = DEFAULT_SECONDS
    status: int = DEFAULT_STATUS
    skip: int = 0
    how: str = ""
    find: str = ""
    replace: str = ""
    field: str = ""
    text: str = ""
    retry_after: str = ""
    page: bool = False
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    location: str = "/elsewhere"
    rate: float = DEFAULT_RATE
    rows: int = DEFAULT_ROWS

    def meets(self, upstream: str, operation: str) -> bool:
        """Return whether the fault applies to a call."""
        wanted = self.operation.lower()
        return upstream == self.upstream and (wanted in ("*", "") or wanted == operation.lower())


class Chance(Protocol):
    """A source of random faults."""

    def met(self, upstream: str, operation: str, kinds: tuple[str, ...]) -> list[Fault]:
        """Return the faults that one call, webhook, page or event meets."""


class Faults:
    """All scripted faults, in the order in which they were scripted, and the random ones of `chance`."""

    def __init__(self) -> None:
        self._scripted: list[Fault] = []
        self.chance: Chance | None = None
        self.spoilt: deque[dict[str, Any]] = deque(maxlen=KEPT_SPOILT)
        """The records whose events met a fault, newest last."""

    def add(self, fault: Fault) -> None:
        """Script one more fault.

        Raises:
            BadFault
        """
        if len(self._scripted) >= MOST_FAULTS:
            raise BadFault(f"There are {MOST_FAULTS} faults already; DELETE /faults first.")
        self._scripted.append(fault)

    def take(self, upstream: str, operation: str) -> list[Fault]:
        """Take the faults for one call and use them up."""
        return self._take(upstream, operation, CALLS)

    def take_webhook(self, upstream: str, event: str) -> list[Fault]:
        """Take the faults for one webhook of an upstream and use them up."""
        return self._take(upstream, event, WEBHOOKS)

    def take_list(self, upstream: str, operation: str, kind: str) -> Fault | None:
        """Take the fault of one kind for a page of a list and use it up."""
        return next(iter(self._take(upstream, operation, (kind,))), None)

    def take_event(self, upstream: str, topic: str) -> Fault | None:
        """Take the fault for one event that is about to be delivered and use it up."""
        return next(iter(self._take(upstream, topic, EVENTS)), None)

    def note_event(self, kind: str, object_name: str, record_ids: list[str]) -> None:
        """Remember the records of an event that met a fault."""
        self.spoilt.append({"kind": kind, "object": object_name, "record_ids": record_ids})

    def _take(self, upstream: str, operation: str, kinds: tuple[str, ...]) -> list[Fault]:
        meant = [fault for fault in self._scripted if fault.kind in kinds and fault.meets(upstream, operation)]
        met = [fault for fault in meant if not fault.skip]
        for fault in meant:
            fault.skip = max(fault.skip - 1, 0)
        for fault in met:
            if fault.count is not None:
                fault.count -= 1
        self._scripted = [fault for fault in self._scripted if fault.count is None or fault.count > 0]
        return met + (self.chance.met(upstream, operation, kinds) if self.chance else [])

    def listed(self) -> list[dict[str, Any]]:
        """Return the scripted faults that are left."""
        return [asdict(fault) for fault in self._scripted]

    def clear(self) -> None:
        """Remove every scripted fault."""
        self._scripted = []
        self.spoilt.clear()
