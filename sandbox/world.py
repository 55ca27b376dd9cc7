"""The world: four upstreams, the time, the calls log and the script of faults."""

import asyncio
import pickle
from pathlib import Path
from typing import Any

from sandbox.calls import Calls
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.freebit.network import Freebit
from sandbox.salesforce import connected_app
from sandbox.salesforce import seed as salesforce_seed
from sandbox.salesforce.org import Org
from sandbox.seed.people import people
from sandbox.seed.products import products
from sandbox.whm.server import Whm
from sandbox.whmcs import seed as whmcs_seed
from sandbox.whmcs.install import Install

PARTS = ("salesforce", "whmcs", "freebit", "whm")
"""What is persisted, and what a reset brings back."""


class World:
    """Everything in one process and one event loop, so nothing needs a lock."""

    def __init__(self, customers: int, private_key: Path) -> None:
        self.customers = customers
        self.private_key = private_key
        self.clock = Clock()
        self.calls = Calls(self.clock)
        self.faults = Faults()
        self.webhook_target = ""
        self.whmcs_url = ""
        self.hooks_waiting = asyncio.Event()
        self.salesforce, self.whmcs, self.freebit, self.whm = Org(), Install(), Freebit(), Whm()
        self._seed = b""
        self.keep: Any = None
        """What must live as long as the world: the gRPC server."""

    def seed(self) -> None:
        """Fill everything, and remember how it was."""
        goods, persons = products(), people(self.customers)
        connected_app.give_key(self.salesforce, self.private_key)
        salesforce_seed.seed(self.salesforce, persons, goods)
        whmcs_seed.seed(self, persons, goods)
        self._seed = self.snapshot()

    def reset(self) -> None:
        """Back to the seed. Feeds that listen stay connected and find the bus begun anew."""
        self.restore(self._seed)
        self.faults.clear()
        self.clock.offset_seconds = 0.0

    def snapshot(self) -> bytes:
        """All parts as bytes."""
        return pickle.dumps({name: getattr(self, name) for name in PARTS}, protocol=5)

    def restore(self, state: bytes) -> None:
        """All parts from bytes that `snapshot` gave."""
        parts: dict[str, Any] = pickle.loads(state)  # noqa: S301  our own file
        for name, part in parts.items():
            setattr(self, name, part)
        self.hooks_waiting.set()
