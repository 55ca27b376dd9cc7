"""Run a command and record its outcome in the audit log.

Writes: portal.audit, through `app.audit`.
"""

from typing import Any
from uuid import UUID

import asyncpg

from app.audit import AuditEntry, append
from app.commands.execution.context import Actor, Command, Context, Done
from app.errors import PortalError
from app.inputs.text import said


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
    """Append one entry to the audit log. `user_id` and `account_id` default to the actor's. A `target` may be what the
    caller wrote, so it is cut to one short line; nothing can be removed from the log again."""
    entry = AuditEntry(
        action=action,
        outcome=outcome,
        user_id=user_id or actor.user_id,
        account_id=account_id or actor.account_id,
        target=said(target),
        request_id=actor.request_id,
        address=actor.address,
        detail=detail,
    )
    await append(pool, entry)


async def audited(ctx: Context, actor: Actor, command: Command, request: Any) -> Done:
    """Run a command and record its success or its refusal. Raises what the command raises."""
    recorded = command.changes and not command.audits_itself
    try:
        done = await command.handle(ctx, actor, request)
    except PortalError as error:
        if recorded:
            await refused(ctx, actor, command.name, error)
        raise
    if recorded:
        concerned = {"user_id": done.user_id, "account_id": done.account_id}
        await record(ctx.pool, actor, command.name, "ok", target=done.target, **concerned)
    return done


async def refused(ctx: Context, actor: Actor, action: str, error: PortalError, *, user_id: UUID | None = None) -> None:
    """Record that an action was refused, with the error's codes as the reason."""
    await record(
        ctx.pool, actor, action, error.code, user_id=user_id, errors=sorted({each.code for each in error.errors})
    )
