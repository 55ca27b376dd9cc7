"""Connections of one process: so many in all, and so many of one address, unless that is a proxy of ours, which speaks
for all and bounds them itself. Who comes by no network is on this machine, and counts as one."""

from app.http.guards.client_address import trusted_proxies
from app.http.middleware.fair_share import Shares, part
from app.intake.addresses import client, counted, within
from app.settings import Settings

PART = 16
"""One address may have a sixteenth of them."""
PROXIES = "proxies"
"""Holds what all our proxies have."""


class ConnectionSlots:
    """One a process. `most`: connections in all."""

    def __init__(self, most: int, settings: Settings) -> None:
        self._trusted = trusted_proxies(settings)
        self._shares = Shares(most, part(most, PART))

    def take(self, peer: str) -> str | None:
        """A place for a connection whose other end is `peer`: what is to be given back; nothing where there is none."""
        from_proxy = not peer or within(peer, self._trusted)
        holder = PROXIES if from_proxy else counted(client(peer, (), self._trusted))
        if self._shares.is_full() or (not from_proxy and self._shares.is_spent(holder)):
            return None
        self._shares.take(holder)
        return holder

    def give_back(self, holder: str) -> None:
        """What was taken."""
        self._shares.give_back(holder)
