"""One change of a service at a time, whoever makes it: customers, staff and workers take the same turn.

Reads: read_model.subscriptions.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.commands.execution.context import Actor, Context
from app.commands.subscriptions.service import known
from app.errors import Conflict

_OWNER = "SELECT account_id FROM read_model.subscriptions WHERE subscription_id = $1"


@asynccontextmanager
async def own_turn(ctx: Context, actor: Actor, subscription_id: str) -> AsyncIterator[None]:
    """Hold a service of the caller's.

    Raises:
        NotFound: `subscription_not_found`, absent or another account's.
        Conflict: `subscription_busy`.
    """
    await known(ctx, actor, subscription_id)
    async with turn(ctx, subscription_id):
        yield


@asynccontextmanager
async def turn(ctx: Context, subscription_id: str) -> AsyncIterator[None]:
    """Hold anybody's service, for members of staff and workers.

    Raises:
        Conflict: `subscription_busy`.
    """
    owner = await ctx.pool.fetchval(_OWNER, subscription_id)
    async with ctx.locks.exclusively("service", owner or "", subscription_id) as mine:
        if not mine:
            sentence = "Another change of this service is just being made. Please try again in a moment."
            raise Conflict(sentence, code="subscription_busy", retry_after_seconds=2)
        yield
