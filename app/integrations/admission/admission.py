"""The gates of all upstreams, as a process opens and closes them."""

from app.integrations.admission.board import Board
from app.integrations.admission.gates import Gate, UpstreamAvailability
from app.settings import Settings

UPSTREAMS = ("salesforce", "whmcs", "freebit", "whm")
OTHER_CONCURRENCY = 4
"""Calls to Freebit, or to WHM, at once in one process."""


def alone(upstream: str, settings: Settings) -> Gate:
    """A gate that no other process knows of, for whoever opens one client only."""
    concurrency = {"salesforce": settings.salesforce_concurrency, "whmcs": settings.whmcs_concurrency}
    return Gate(
        upstream,
        calls_per_second=getattr(settings, f"{upstream}_calls_per_second"),
        concurrency=concurrency.get(upstream, OTHER_CONCURRENCY),
    )


class Admission:
    """One a process."""

    def __init__(self, settings: Settings) -> None:
        self.gates = {upstream: alone(upstream, settings) for upstream in UPSTREAMS}
        self._board = Board(settings.database_url, self.gates)

    @classmethod
    async def open(cls, settings: Settings) -> "Admission":
        """All gates, as far as they agree by now. Nothing is called."""
        made = cls(settings)
        await made._board.open()
        return made

    async def close(self) -> None:
        """Let go of the board."""
        await self._board.close()

    def standings(self) -> list[UpstreamAvailability]:
        """How each upstream is, as far as this process knows."""
        return [gate.standing() for gate in self.gates.values()]
