"""The lock of a service: customers, staff and workers change it one at a time.

Reads: read_model.subscriptions.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.commands.execution.context import Actor, Context
from app.commands.execution.locks import LockAttempt
from app.commands.subscriptions.service import find_own
from app.errors import Conflict
from app.words.sentence import say

_OWNER = "SELECT account_id FROM read_model.subscriptions WHERE subscription_id = $1"


@asynccontextmanager
async def lock_own_service(ctx: Context, actor: Actor, subscription_id: str) -> AsyncIterator[None]:
    """Hold the lock of one of the caller's own services.

    Raises:
        NotFound: `subscription_not_found`, absent or another account's.
        Conflict: `subscription_busy`.
    """
    await find_own(ctx, actor, subscription_id)
    async with lock_service(ctx, subscription_id):
        yield


@asynccontextmanager
async def lock_service(ctx: Context, subscription_id: str) -> AsyncIterator[LockAttempt]:
    """Hold the lock of a service of any account, for members of staff and workers.

    Raises:
        Conflict: `subscription_busy`.
    """
    owner = await ctx.pool.fetchval(_OWNER, subscription_id)
    async with ctx.locks.exclusively("service", owner or "", subscription_id) as mine:
        if not mine:
            sentence = say("subscriptions.busy")
            raise Conflict(sentence, code="subscription_busy", retry_after_seconds=2)
        yield mine
