"""The upstreams whose records are mirrored, as everything that reads them again is given them."""

import random
import time

from msgspec import Struct, field

from app.errors import UpstreamError
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.whmcs.client import WhmcsClient

AWAY_SECONDS = (1.0, 2.0)
"""How long an upstream that did not answer is left alone, unless it says itself when to come back."""
LONGEST_AWAY_SECONDS = 5.0
"""Asking again too early costs one call, asking too late keeps everything waiting."""


class Pauses:
    """Until when this process leaves each upstream alone."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def away(self) -> list[str]:
        """The upstreams that nobody shall ask now."""
        return [source for source, until in self._until.items() if until > time.monotonic()]

    def pause(self, source: str, error: UpstreamError) -> float:
        """Leave it alone for a while; returns the seconds."""
        seconds = random.uniform(*AWAY_SECONDS)
        if error.retry_after_seconds and error.retry_after_seconds != type(error).retry_after_seconds:
            seconds = min(error.retry_after_seconds, LONGEST_AWAY_SECONDS) * random.uniform(0.8, 1.2)
        self._until[source] = time.monotonic() + seconds
        return seconds


class Upstreams(Struct, frozen=True):
    """The two systems whose records are mirrored."""

    salesforce: SalesforceClient
    whmcs: WhmcsClient
    pauses: Pauses = field(default_factory=Pauses)
