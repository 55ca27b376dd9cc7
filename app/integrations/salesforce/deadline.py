"""A total deadline on what a thread does over TLS: connecting, shaking hands, sending, and reading to the end.

A socket's own time-out begins anew with each byte, so that an answer that drips would hold a thread for hours. Sockets
of this kind ask before every operation how much of the call's time is left. The deadline belongs to the thread, because
a call is made in one thread from beginning to end while its connection serves others before and after.
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
    """What is left of the call's time; None outside of any call.

    Raises:
        TimeoutError: nothing.
    """
    ends_at = getattr(_thread, "ends_at", None)
    if ends_at is None:
        return None
    left: float = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the call's time is over")
    return left


class DeadlineSocket(ssl.SSLSocket):
    """TLS that ends with the call's time. Every way to receive leads to `read`, every way to send to `send`."""

    def read(self, *args: Any, **options: Any) -> Any:
        """Receive, within what is left."""
        if (left := left_seconds()) is not None:
            self.settimeout(left)
        return super().read(*args, **options)

    def send(self, *args: Any, **options: Any) -> int:
        """Send, within what is left."""
        if (left := left_seconds()) is not None:
            self.settimeout(left)
        return super().send(*args, **options)

    def do_handshake(self, *args: Any, **options: Any) -> None:
        """Shake hands, within what is left, and within the time for a connection where that is less."""
        if (left := left_seconds()) is not None:
            self.settimeout(min(left, self.gettimeout() or left))
        super().do_handshake(*args, **options)


def bounded(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context, making sockets of this kind."""
    context.sslsocket_class = DeadlineSocket
    return context
