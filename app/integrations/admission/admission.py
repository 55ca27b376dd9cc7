"""Admission control for all upstreams, opened and closed with a process."""

from app.integrations.admission.board import Board
from app.integrations.admission.breaker import UpstreamAvailability
from app.integrations.admission.upstream_admission import UpstreamAdmission
from app.settings import Settings

UPSTREAMS = ("salesforce", "whmcs", "freebit", "whm")
OTHER_CONCURRENCY = 4
"""Concurrent calls to Freebit, or to WHM, in one process."""


def unshared(upstream: str, settings: Settings) -> UpstreamAdmission:
    """Create admission control that shares nothing with other processes, for a caller that opens a single client."""
    concurrency = {"salesforce": settings.salesforce_concurrency, "whmcs": settings.whmcs_concurrency}
    return UpstreamAdmission(
        upstream,
        calls_per_second=getattr(settings, f"{upstream}_calls_per_second"),
        concurrency=concurrency.get(upstream, OTHER_CONCURRENCY),
    )


class Admission:
    """Admission control of one process, by upstream."""

    def __init__(self, settings: Settings) -> None:
        self.upstreams = {upstream: unshared(upstream, settings) for upstream in UPSTREAMS}
        self._board = Board(settings.database_url, self.upstreams)

    @classmethod
    async def open(cls, settings: Settings) -> "Admission":
        """Create all of it with the shared state as of now. Nothing is called."""
        made = cls(settings)
        await made._board.open()
        return made

    async def close(self) -> None:
        """Close the shared state's connection."""
        await self._board.close()

    def availabilities(self) -> list[UpstreamAvailability]:
        """Report each upstream's availability, as far as this process knows."""
        return [each.availability() for each in self.upstreams.values()]
