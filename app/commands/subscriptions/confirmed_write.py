"""Writes to a provider that has no idempotency keys."""

from collections.abc import Awaitable, Callable

from app.errors import Conflict, OutcomeUnknown, UpstreamRejected
from app.integrations.whm.faults import ALREADY_SUSPENDED, LOCKED, NOT_SUSPENDED
from app.words.sentence import say


async def write_and_confirm(change: Callable[[], Awaitable[None]], is_done: Callable[[], Awaitable[bool]]) -> None:
    """Make a change. If it has no answer, or is refused as already made, verify the state instead.

    Raises:
        OutcomeUnknown: the change does not show yet; repeating in a minute verifies it first.
        Conflict: `suspension_locked`.
    """
    try:
        await change()
    except OutcomeUnknown:
        if not await is_done():
            raise
    except UpstreamRejected as error:
        if error.vendor_code == LOCKED:
            raise Conflict(say("subscriptions.suspended_by_root"), code="suspension_locked") from error
        if error.vendor_code not in (ALREADY_SUSPENDED, NOT_SUSPENDED) or not await is_done():
            raise
