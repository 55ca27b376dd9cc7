"""Upstream writes that may be sent any number of times: a doubt about one is nothing but a reason to try again."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import OutcomeUnknown, UpstreamUnavailable


@contextmanager
def repeatable() -> Iterator[None]:
    """Within the block an unknown outcome counts as not done."""
    try:
        yield
    except OutcomeUnknown as error:
        raise UpstreamUnavailable(error.upstream, error.operation, error.reason) from error
