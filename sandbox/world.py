"""Everything the sandbox holds, and how it came about: the seed, and the way back to it."""

import pickle
from dataclasses import dataclass
from pathlib import Path

from sandbox.calls import Calls
from sandbox.clock import Clock
from sandbox.faults.rudeness import Rudeness
from sandbox.faults.scripted import Faults
from sandbox.freebit.state import Freebit
from sandbox.salesforce import connected_app
from sandbox.salesforce.org import seed as salesforce_seed
from sandbox.salesforce.org.org import Org
from sandbox.seed import billing, network
from sandbox.seed.people import Person, people
from sandbox.seed.products import products
from sandbox.whm.state import Whm
from sandbox.whmcs.install import Install


@dataclass
class Data:
    """The four upstreams' own data: what is kept over restarts and replaced by a reset."""

    salesforce: Org
    whmcs: Install
    freebit: Freebit
    whm: Whm


SECTIONS = tuple(Data.__dataclass_fields__)


class World:
    """The upstreams' data with calls log, faults and clock."""

    def __init__(self, customers: int, private_key: Path) -> None:
        self.clock = Clock()
        self.calls = Calls(self.clock)
        self.faults = Faults()
        self.rudeness: Rudeness | None = None
        self.people: list[Person] = people(customers)
        self._private_key = private_key
        data = self._seeded()
        self._seed = {name: pickle.dumps(getattr(data, name)) for name in SECTIONS}
        self.salesforce, self.whmcs, self.freebit, self.whm = data.salesforce, data.whmcs, data.freebit, data.whm

    def _seeded(self) -> Data:
        goods = products()
        data = Data(Org(), Install(), Freebit(), Whm())
        salesforce_seed.seed(data.salesforce, self.people, goods)
        connected_app.give_key(data.salesforce, self._private_key)
        billing.seed(data.whmcs, self.clock, self.people, goods)
        network.seed_freebit(data.freebit, self.people, goods)
        network.seed_whm(data.whm, self.people, goods)
        return data

    def section(self, name: str) -> Org | Install | Freebit | Whm:
        """One upstream's data."""
        found: Org | Install | Freebit | Whm = getattr(self, name)
        return found

    def replace(self, sections: dict[str, Org | Install | Freebit | Whm]) -> None:
        """Other data for some upstreams. Who listens, and the key of the connected app, stay."""
        for name, data in sections.items():
            if isinstance(data, Install):
                data.listeners = self.whmcs.listeners
            if isinstance(data, Org):
                data.app = self.salesforce.app
                data.catch_up()
            setattr(self, name, data)

    def set_rudeness(self, rudeness: Rudeness | None) -> None:
        """Random faults from now on, or none."""
        self.rudeness = self.faults.chance = rudeness

    def reset(self) -> None:
        """Return to the seed. Replay ids from before are unknown; faults, calls and the clock are reset.

        WHMCS keeps its address and its webhook target.
        """
        self.clock.offset_seconds = 0.0
        old, address, target = self.salesforce, self.whmcs.system_url, self.whmcs.webhook_url
        self.replace({name: pickle.loads(data) for name, data in self._seed.items()})  # noqa: S301 our own bytes
        self.salesforce.take_over(old)
        self.whmcs.system_url, self.whmcs.webhook_url = address, target
        self.faults.clear()
        self.set_rudeness(None)
        self.calls.clear()
        for wake in self.whmcs.listeners:
            wake()
