"""The writes of commands as every page of the customer sees them: pending, until the commit that shows them.

A command builds its write, begins it right before it calls the upstream, and submits it with what the upstream
answered. The ledger does the rest: a refused write is shown as rejected, one of unknown effect is looked up.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from app.commands.execution.context import Actor, Context
from app.ingest.inbox import pending
from app.ingest.inbox.pending import Pending


def write_of(
    actor: Actor,
    command: str,
    of: str,
    value: Mapping[str, Any],
    *,
    item_id: str = "",
    recheck: tuple[str, str, str] | None = None,
) -> Pending:
    """Build the write of the caller's command.

    Args:
        of: the read model that will show it.
        item_id: the item written; empty where an account has one, and for a new one.
        recheck: source, object and id to read again if nobody knows whether the write took effect.
    """
    return Pending(
        account_id=actor.account_id_or_refuse(),
        slice=of,
        item_id=item_id,
        command_id=actor.command_id or uuid4(),
        command=command,
        value=value,
        recheck=recheck,
    )


async def begin(ctx: Context, write: Pending) -> None:
    """Show the write as pending: the upstream is called next. It outlives this process."""
    await pending.begin(ctx.pool, write)
