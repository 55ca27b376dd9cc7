"""The upstream calls that one piece of work made, each attempt by itself, refused ones included."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from msgspec import Struct

from app.clock import now

MOST = 100
"""Calls that are remembered of one piece of work."""


class UpstreamCall(Struct, frozen=True, kw_only=True):
    """One attempt of one call. `error_code` is null if it was answered."""

    upstream: str
    operation: str
    at: datetime
    error_code: str | None


_calls: ContextVar[list[UpstreamCall] | None] = ContextVar("calls", default=None)


@contextmanager
def logged() -> Iterator[list[UpstreamCall]]:
    """Yield the list of calls that the block makes, also in the tasks it starts."""
    calls: list[UpstreamCall] = []
    token = _calls.set(calls)
    try:
        yield calls
    finally:
        _calls.reset(token)


@contextmanager
def call(upstream: str, operation: str) -> Iterator[None]:
    """Note the call that is made in the block, once it has ended."""
    at, error_code = now(), None
    try:
        yield
    except BaseException as error:
        error_code = getattr(error, "code", type(error).__name__)
        raise
    finally:
        calls = _calls.get()
        if calls is not None and len(calls) < MOST:
            calls.append(UpstreamCall(upstream=upstream, operation=operation, at=at, error_code=error_code))
