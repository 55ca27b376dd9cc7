"""The priority of the current task: for a waiting customer, or in the background."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_BACKGROUND = ContextVar("admission_background", default=False)


@contextmanager
def background() -> Iterator[None]:
    """Mark calls made inside as background work, which leaves part of the budget and connections to customers."""
    before = _BACKGROUND.set(True)
    try:
        yield
    finally:
        _BACKGROUND.reset(before)


def in_background() -> bool:
    """Return true if the current task is background work."""
    return _BACKGROUND.get()
