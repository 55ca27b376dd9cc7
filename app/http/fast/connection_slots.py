"""The number of connections of one process, in all and per address.

A trusted proxy is exempt from the bound per address: it speaks for many callers and bounds them itself. A peer without
an address is on this machine and counts as such a proxy.
"""

from app.http.guards.client_address import trusted_proxies
from app.http.middleware.fair_share import Shares, part
from app.intake.addresses import client, counted, within
from app.settings import Settings

PART = 16
"""One address may hold a sixteenth of them."""
PROXIES = "proxies"
"""The holder that all trusted proxies share."""


class ConnectionSlots:
    """The slots of one process; `most` bounds the connections in all."""

    def __init__(self, most: int, settings: Settings) -> None:
        self._trusted = trusted_proxies(settings)
        self._shares = Shares(most, part(most, PART))

    def take(self, peer: str) -> str | None:
        """Take a slot for a connection from `peer`. Return its holder, to be given back, or None where none is free."""
        from_proxy = not peer or within(peer, self._trusted)
        holder = PROXIES if from_proxy else counted(client(peer, (), self._trusted))
        if self._shares.is_full() or (not from_proxy and self._shares.is_spent(holder)):
            return None
        self._shares.take(holder)
        return holder

    def give_back(self, holder: str) -> None:
        """Release a slot that was taken."""
        self._shares.give_back(holder)
