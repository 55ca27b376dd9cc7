"""Creation of what needs a password, or may exist already."""

import secrets
from collections.abc import Awaitable

from app.errors import UpstreamRejected
from app.integrations.whm.faults import ALREADY_EXISTS


def random_password() -> str:
    """Return a password that is never stored, shown or used: the customer sets another one in the control panel."""
    return secrets.token_urlsafe(24)


async def ignore_existing(creation: Awaitable[None]) -> None:
    """Create something under a unique name; it may exist already from an earlier try.

    Raises:
        UpstreamError: any other.
    """
    try:
        await creation
    except UpstreamRejected as error:
        if error.vendor_code != ALREADY_EXISTS:
            raise
