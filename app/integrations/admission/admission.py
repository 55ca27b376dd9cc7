"""The gates of all upstreams, opened and closed with a process."""

from app.integrations.admission.board import Board
from app.integrations.admission.gates import Gate, UpstreamAvailability
from app.settings import Settings

UPSTREAMS = ("salesforce", "whmcs", "freebit", "whm")
OTHER_CONCURRENCY = 4
"""Concurrent calls to Freebit, or to WHM, in one process."""


def alone(upstream: str, settings: Settings) -> Gate:
    """Create a gate that shares nothing with other processes, for a caller that opens a single client."""
    concurrency = {"salesforce": settings.salesforce_concurrency, "whmcs": settings.whmcs_concurrency}
    return Gate(
        upstream,
        calls_per_second=getattr(settings, f"{upstream}_calls_per_second"),
        concurrency=concurrency.get(upstream, OTHER_CONCURRENCY),
    )


class Admission:
    """The gates of one process."""

    def __init__(self, settings: Settings) -> None:
        self.gates = {upstream: alone(upstream, settings) for upstream in UPSTREAMS}
        self._board = Board(settings.database_url, self.gates)

    @classmethod
    async def open(cls, settings: Settings) -> "Admission":
        """Create all gates with the shared state as of now. Nothing is called."""
        made = cls(settings)
        await made._board.open()
        return made

    async def close(self) -> None:
        """Close the shared state's connection."""
        await self._board.close()

    def standings(self) -> list[UpstreamAvailability]:
        """Report each upstream's availability, as far as this process knows."""
        return [gate.standing() for gate in self.gates.values()]
