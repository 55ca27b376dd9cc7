"""A total deadline for what a thread does over TLS: connecting, handshake, sending, and reading to the end.

A socket's own time-out restarts with each byte, so an answer that arrives slowly would hold a thread for hours. Sockets
of this kind check before every operation how much of the call's time is left. The deadline belongs to the thread,
because a call is made in one thread from beginning to end while its connection serves others before and after.
"""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_thread = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bound everything that this thread does over `DeadlineSocket`s in the block."""
    _thread.ends_at = time.monotonic() + seconds
    try:
        yield
    finally:
        del _thread.ends_at


def left_seconds() -> float | None:
    """Return the rest of the call's time; None outside of a call.

    Raises:
        TimeoutError: no time is left.
    """
    ends_at = getattr(_thread, "ends_at", None)
    if ends_at is None:
        return None
    left: float = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the call's time is over")
    return left


class DeadlineSocket(ssl.SSLSocket):
    """A TLS socket bounded by the call's deadline. All receiving goes through `read`, all sending through `send`."""

    def read(self, *args: Any, **options: Any) -> Any:
        """Receive within the remaining time."""
        if (left := left_seconds()) is not None:
            self.settimeout(left)
        return super().read(*args, **options)

    def send(self, *args: Any, **options: Any) -> int:
        """Send within the remaining time."""
        if (left := left_seconds()) is not None:
            self.settimeout(left)
        return super().send(*args, **options)

    def do_handshake(self, *args: Any, **options: Any) -> None:
        """Shake hands within the remaining time, or the connect time-out if that is shorter."""
        if (left := left_seconds()) is not None:
            self.settimeout(min(left, self.gettimeout() or left))
        super().do_handshake(*args, **options)


def bounded(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make the context create sockets of this kind."""
    context.sslsocket_class = DeadlineSocket
    return context
