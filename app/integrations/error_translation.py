"""Error translation around the clients: whatever goes wrong inside is raised as one of `app.errors`.

A vendor's answer can be wrong in more ways than anybody lists. An exception that a client did not expect becomes
`UpstreamMalformed`, or `OutcomeUnknown` if a write had been sent, because it may have taken effect.
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
    """The writes of one call: `open` while one may have taken effect without a readable answer."""

    open = False


_sent: ContextVar[_Sent | None] = ContextVar("sent", default=None)


def write_sent() -> None:
    """Record that the current call has sent a write."""
    if sent := _sent.get():
        sent.open = True


def write_refused() -> None:
    """Record that the write was refused unprocessed: it had no effect."""
    if sent := _sent.get():
        sent.open = False


def translates_errors(
    upstream: str,
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Translate every error of an async function."""

    def around(call: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        @functools.wraps(call)
        async def guarded(*given: P.args, **named: P.kwargs) -> T:
            if _sent.get() is not None:  # a nested call; the outer one translates for both
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


def translates_all_errors(upstream: str) -> Callable[[C], C]:
    """Translate every error of all public async methods of a class, including future ones."""

    def around(made: C) -> C:
        for name, member in list(vars(made).items()):
            if not name.startswith("_") and inspect.iscoroutinefunction(member):
                setattr(made, name, translates_errors(upstream)(member))
        return made

    return around


def _unexpected(upstream: str, call: str, error: Exception, sent: _Sent) -> PortalError:
    """Describe the error by kind and place only: its message may quote a customer's data."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"
    log.error("answer_not_understood", upstream=upstream, call=call, error=type(error).__name__, place=place)
    kind = OutcomeUnknown if sent.open else UpstreamMalformed
    return kind(upstream, call, f"not as documented: {type(error).__name__} at {place}")
