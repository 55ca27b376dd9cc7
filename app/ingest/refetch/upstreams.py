"""The upstream clients for refetches, with their pauses."""

import random
import time

from msgspec import Struct, field

from app.errors import UpstreamError
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.whm.client import WhmClient
from app.integrations.whmcs.client import WhmcsClient

AWAY_SECONDS = (1.0, 2.0)
"""Pause after an upstream did not answer, unless it sends `Retry-After`."""
LONGEST_AWAY_SECONDS = 5.0
"""Longest pause: a call that is too early costs one call, one that is too late delays everything."""


class Pauses:
    """The pauses of one process, per upstream."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def away(self) -> list[str]:
        """Return the upstreams that must not be called now."""
        return [source for source, until in self._until.items() if until > time.monotonic()]

    def pause(self, source: str, error: UpstreamError) -> float:
        """Pause calls to an upstream; return the seconds."""
        seconds = random.uniform(*AWAY_SECONDS)
        if error.retry_after_seconds and error.retry_after_seconds != type(error).retry_after_seconds:
            seconds = min(error.retry_after_seconds, LONGEST_AWAY_SECONDS) * random.uniform(0.8, 1.2)
        self._until[source] = time.monotonic() + seconds
        return seconds


class Upstreams(Struct, frozen=True):
    """The systems whose records are mirrored. Without `whm`, hosting accounts are not read."""

    salesforce: SalesforceClient
    whmcs: WhmcsClient
    whm: WhmClient | None = None
    pauses: Pauses = field(default_factory=Pauses)
