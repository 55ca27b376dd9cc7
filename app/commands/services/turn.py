"""One change of a service at a time, whoever makes it: customers, staff and workers take the same turn."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.commands.context import Context
from app.commands.exclusive import exclusively
from app.errors import Conflict


@asynccontextmanager
async def turn(ctx: Context, subscription_id: str) -> AsyncIterator[None]:
    """Hold the service.

    Raises:
        Conflict: `subscription_busy`.
    """
    # Not `service:…`, under which projections take turns: they must go on while somebody changes a service.
    async with exclusively(ctx.settings, f"turn:service:{subscription_id}") as mine:
        if not mine:
            sentence = "Another change of this service is just being made. Please try again in a moment."
            raise Conflict(sentence, code="subscription_busy", retry_after_seconds=2)
        yield
