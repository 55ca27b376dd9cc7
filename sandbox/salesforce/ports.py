"""What the Salesforce stand-in needs of the world around it."""

from datetime import datetime
from typing import Protocol

from sandbox.calls import Calls
from sandbox.faults.scripted import Faults
from sandbox.salesforce.org.org import Org


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
