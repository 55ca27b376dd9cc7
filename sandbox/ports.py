"""The world as the stand-ins see it."""

from typing import Protocol

from sandbox.calls import Calls
from sandbox.clock import Clock
from sandbox.faults.scripted import Faults
from sandbox.freebit.state import Freebit
from sandbox.whm.state import Whm
from sandbox.whmcs.install import Install


class World(Protocol):
    """The world as WHMCS, Freebit and WHM see it; a reset replaces their data as a whole."""

    calls: Calls
    faults: Faults
    clock: Clock
    whmcs: Install
    freebit: Freebit
    whm: Whm
