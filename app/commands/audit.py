"""The audit log: who did what, when, from where, with which outcome. Append-only, without secrets.

Writes: portal.audit.
"""

from typing import Any
from uuid import UUID

import asyncpg

from app.commands.context import Actor


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
