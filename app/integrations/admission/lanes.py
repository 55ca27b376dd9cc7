"""Whether the work that runs now is for a customer who waits, or may as well be done a little later."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_BACKGROUND = ContextVar("admission_background", default=False)


@contextmanager
def background() -> Iterator[None]:
    """Calls made inside leave a part of the budget and of the connections to customers' commands and reads."""
    before = _BACKGROUND.set(True)
    try:
        yield
    finally:
        _BACKGROUND.reset(before)


def in_background() -> bool:
    """Whether the present task works in the background."""
    return _BACKGROUND.get()
