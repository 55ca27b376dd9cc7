"""The world as the Salesforce stand-in sees it."""

from datetime import datetime
from typing import Protocol

from sandbox.calls import Calls
from sandbox.faults.scripted import Faults
from sandbox.salesforce.org.org import Org


class Clock(Protocol):
    """The time in the sandbox."""

    def now(self) -> datetime:
        """Return an aware instant."""


class SalesforceWorld(Protocol):
    """The world as this upstream sees it; `salesforce` may be replaced as a whole by a reset."""

    @property
    def salesforce(self) -> Org:
        """The current org."""

    @property
    def calls(self) -> Calls:
        """The call log."""

    @property
    def faults(self) -> Faults:
        """The source of scripted faults."""

    @property
    def clock(self) -> Clock:
        """The time."""


def now_ms(world: SalesforceWorld) -> int:
    """Return the world's time in epoch milliseconds."""
    return int(world.clock.now().timestamp() * 1000)
