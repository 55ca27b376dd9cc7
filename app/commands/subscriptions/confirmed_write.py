"""Make a change at a provider that has no idempotency key."""

from collections.abc import Awaitable, Callable

from app.errors import Conflict, OutcomeUnknown, UpstreamRejected
from app.integrations.whm.faults import ALREADY_SUSPENDED, LOCKED, NOT_SUSPENDED


async def surely(change: Callable[[], Awaitable[None]], is_done: Callable[[], Awaitable[bool]]) -> None:
    """Make a change; one that was not answered, or refused because it is so already, is looked at.

    Raises:
        OutcomeUnknown: it does not show; ask again in a minute, which looks first.
        Conflict: `suspension_locked`.
    """
    try:
        await change()
    except OutcomeUnknown:
        if not await is_done():
            raise
    except UpstreamRejected as error:
        if error.vendor_code == LOCKED:
            raise Conflict("Only root can lift this suspension, on the server.", code="suspension_locked") from error
        if error.vendor_code not in (ALREADY_SUSPENDED, NOT_SUSPENDED) or not await is_done():
            raise
