"""Back-off after failures: pauses grow, have jitter, and end with a success.

For calls that the upstream itself limits, such as log-ins: a caller during a pause receives the last failure at once,
and nothing is sent.
"""

import random
import time

from app.errors import UpstreamError, UpstreamUnavailable

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 60.0
LONGEST_UNREACHED_SECONDS = 5.0
"""After an attempt without a connection: it cost the upstream nothing, and the next one may succeed."""


class Pacing:
    """The back-off of one kind of attempt."""

    def __init__(self, first_seconds: float = FIRST_SECONDS) -> None:
        self._first_seconds = first_seconds
        self._failures = 0
        self._error: UpstreamError | None = None
        self._ends_at = 0.0

    def check(self) -> None:
        """Return, unless a pause is running.

        Raises:
            UpstreamError: the last failure again, with the rest of the pause.
        """
        left_seconds = self._ends_at - time.monotonic()
        if self._error is not None and left_seconds > 0:
            last = self._error
            reason = f"{last.reason} (failed {self._failures} times; next attempt in {left_seconds:.1f} s)"
            raise type(last)(last.upstream, last.operation, reason, vendor_code=last.vendor_code)

    def failed(self, error: UpstreamError, *, pause: bool = True) -> None:
        """Start a longer pause than the last one; with `pause=False` only lengthen the next one."""
        self._failures += 1
        self._error = error
        if not pause:
            return
        unreached = isinstance(error, UpstreamUnavailable) and not error.vendor_code
        longest_seconds = LONGEST_UNREACHED_SECONDS if unreached else LONGEST_SECONDS
        seconds = min(self._first_seconds * 2 ** min(self._failures - 1, 10), longest_seconds)
        self._ends_at = time.monotonic() + seconds * random.uniform(0.75, 1.0)

    def succeeded(self) -> None:
        """Reset: the next failure is a first one."""
        self._failures, self._error, self._ends_at = 0, None, 0.0
