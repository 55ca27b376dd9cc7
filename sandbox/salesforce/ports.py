"""What the Salesforce stand-in needs of the world around it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sandbox.salesforce.org import Org


class Calls(Protocol):
    """The log of what an upstream was asked."""

    def record(self, upstream: str, operation: str, *, user_agent: str = "", detail: str = "") -> None:
        """Note one call."""


class Fault(Protocol):
    """One scripted fault that applies to the present call."""

    @property
    def kind(self) -> str:
        """latency, status, timeout_after_write or down; others mean nothing here."""

    @property
    def seconds(self) -> float:
        """How much latency."""

    @property
    def status(self) -> int:
        """The HTTP status to answer."""

    @property
    def retry_after(self) -> int:
        """Its `Retry-After` in seconds; 0 for none."""


class Faults(Protocol):
    """The scripted faults."""

    def take(self, upstream: str, operation: str) -> Sequence[Fault]:
        """The faults for one call; taking uses them up."""


class Clock(Protocol):
    """The time in the sandbox."""

    def now(self) -> datetime:
        """An aware instant."""


class SalesforceWorld(Protocol):
    """The world as this upstream sees it; `salesforce` may be replaced as a whole by a reset."""

    @property
    def salesforce(self) -> Org:
        """The org of the moment."""

    @property
    def calls(self) -> Calls:
        """Where calls are noted."""

    @property
    def faults(self) -> Faults:
        """Where scripted faults come from."""

    @property
    def clock(self) -> Clock:
        """The time."""


def now_ms(world: SalesforceWorld) -> int:
    """The world's time in epoch milliseconds."""
    return int(world.clock.now().timestamp() * 1000)
