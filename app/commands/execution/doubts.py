"""Unknown outcomes of upstream writes that may be sent any number of times: they are simply tried again."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import OutcomeUnknown, UpstreamUnavailable


@contextmanager
def repeatable() -> Iterator[None]:
    """Treat an unknown outcome within the block as a failure that may be retried."""
    try:
        yield
    except OutcomeUnknown as error:
        raise UpstreamUnavailable(error.upstream, error.operation, error.reason) from error
