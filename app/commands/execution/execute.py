"""The audit log: who did what, when, from where, with which outcome. Append-only, without secrets.

Writes: portal.audit.
"""

from typing import Any
from uuid import UUID

import asyncpg

from app.commands.execution.context import Actor, Command, Context, Done
from app.errors import PortalError


async def record(
    pool: asyncpg.Pool,
    actor: Actor,
    action: str,
    outcome: str,
    *,
    target: str = "",
    user_id: UUID | None = None,
    account_id: UUID | None = None,
    **detail: Any,
) -> None:
    """Append one entry. `user_id` and `account_id` are the actor's unless given."""
    await pool.execute(
        "INSERT INTO portal.audit (action, outcome, user_id, account_id, target, request_id, address, detail) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        action,
        outcome,
        user_id or actor.user_id,
        account_id or actor.account_id,
        target,
        actor.request_id,
        actor.address,
        detail,
    )


async def audited(ctx: Context, actor: Actor, command: Command, request: Any) -> Done:
    """Run a command; what it did, or why not, stands in the audit log. It raises what the command raises."""
    recorded = command.changes and not command.audits_itself
    try:
        done = await command.handle(ctx, actor, request)
    except PortalError as error:
        if recorded:
            await refused(ctx, actor, command.name, error)
        raise
    if recorded:
        about = {"user_id": done.user_id, "account_id": done.account_id}
        await record(ctx.pool, actor, command.name, "ok", target=done.target, **about)
    return done


async def refused(ctx: Context, actor: Actor, action: str, error: PortalError, *, user_id: UUID | None = None) -> None:
    """Append one entry about what was not done, with the codes of why."""
    await record(
        ctx.pool, actor, action, error.code, user_id=user_id, errors=sorted({each.code for each in error.errors})
    )
