"""The wall around the clients: whatever goes wrong inside comes out as one of `app.errors`.

A vendor's answer can surprise in more ways than anybody lists. What a client's code did not expect is
`UpstreamMalformed`, or `OutcomeUnknown` when a write had been sent, because it may well have been done.
"""

import functools
import inspect
import traceback
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import structlog

from app.errors import OutcomeUnknown, PortalError, UpstreamMalformed

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=type)

log = structlog.get_logger()


class _Sent:
    """What one call has sent: `open` while a write may have been done and nothing readable was said of it."""

    open = False


_sent: ContextVar[_Sent | None] = ContextVar("sent", default=None)


def write_sent() -> None:
    """Note that the write of the running call is on its way."""
    if sent := _sent.get():
        sent.open = True


def write_refused() -> None:
    """Note that it was turned away unread: nothing was done."""
    if sent := _sent.get():
        sent.open = False


def walled(
    upstream: str,
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Put a call behind the wall."""

    def around(call: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @functools.wraps(call)
        async def guarded(*given: P.args, **named: P.kwargs) -> T:
            if _sent.get() is not None:  # a call within a call; the outer one answers for both
                return await call(*given, **named)
            sent = _Sent()
            token = _sent.set(sent)
            try:
                return await call(*given, **named)
            except UpstreamMalformed as error:
                if not sent.open:
                    raise
                raise OutcomeUnknown(error.upstream, error.operation, error.reason) from error
            except PortalError:
                raise
            except Exception as error:
                raise _unexpected(upstream, call.__name__, error, sent) from error
            finally:
                _sent.reset(token)

        return guarded

    return around


def all_walled(upstream: str) -> Callable[[C], C]:
    """Put every public call of a class behind the wall, those not yet written included."""

    def around(made: C) -> C:
        for name, member in list(vars(made).items()):
            if not name.startswith("_") and inspect.iscoroutinefunction(member):
                setattr(made, name, walled(upstream)(member))
        return made

    return around


def _unexpected(upstream: str, call: str, error: Exception, sent: _Sent) -> PortalError:
    """The error's own words may quote a customer's data, so its kind and place must do."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"
    log.error("answer_not_understood", upstream=upstream, call=call, error=type(error).__name__, place=place)
    kind = OutcomeUnknown if sent.open else UpstreamMalformed
    return kind(upstream, call, f"not as documented: {type(error).__name__} at {place}")
