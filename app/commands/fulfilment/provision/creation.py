"""Making what has a password, without anybody knowing it, and what may be there already."""

import secrets
from collections.abc import Awaitable

from app.errors import UpstreamRejected
from app.integrations.whm.faults import ALREADY_EXISTS


def random_password() -> str:
    """A password that is never stored, shown or used: the customer chooses another one in the control panel."""
    return secrets.token_urlsafe(24)


async def ignore_existing(making: Awaitable[None]) -> None:
    """Make something under a name of its own; that it is there already, by an earlier try, is as good.

    Raises:
        UpstreamError: any other.
    """
    try:
        await making
    except UpstreamRejected as error:
        if error.vendor_code != ALREADY_EXISTS:
            raise
