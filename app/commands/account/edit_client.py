"""Edits of a WHMCS client: one at a time per customer, conditional on what WHMCS holds, and read back.

Reads and writes: WHMCS client. Writes: ingest.inbox.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from app.clock import now
from app.commands.execution import pending_write
from app.commands.execution.context import Actor, Context, Done
from app.errors import Conflict, Outdated, RuleViolated, UpstreamNotFound, UpstreamRejected, UpstreamUnavailable
from app.ingest.inbox.pending import Pending
from app.ingest.refetch.owners import whmcs_hint
from app.integrations.whmcs import records
from app.readmodels.profiles import Profile, profile_of
from app.words.sentence import say

PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.05

log = structlog.get_logger()


async def edit(
    ctx: Context,
    actor: Actor,
    fields: Mapping[str, str],
    is_expected: Callable[[Profile], bool],
    write: Pending | None = None,
) -> Done:
    """Set fields, under WHMCS's names, if the client is as the caller expects it; the result is the new profile.

    `write` is what is shown as pending meanwhile. The client's services are refetched in the background.

    Raises:
        Outdated: `precondition_failed`; what WHMCS holds is submitted to the read models.
        RuleViolated: `details_refused`, WHMCS refused them.
        Conflict: `edit_in_progress`.
    """
    account_id = actor.account_id_or_refuse()
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        async with ctx.locks.exclusively("client", account_id) as mine:
            if mine:
                return await _edit(ctx, actor, fields, is_expected, write)
        if asyncio.get_running_loop().time() > deadline:
            raise Conflict(say("account.edit_in_progress"), code="edit_in_progress", retry_after_seconds=2)
        await asyncio.sleep(PAUSE_SECONDS)


async def _edit(
    ctx: Context,
    actor: Actor,
    fields: Mapping[str, str],
    is_expected: Callable[[Profile], bool],
    write: Pending | None,
) -> Done:
    read_at = now()
    present = await ctx.whmcs.client(actor.whmcs_client_id)
    if actor.repeated and all(present.data.get(name) == value for name, value in fields.items()):
        held = [records.change(present, origin="command", read_at=read_at)]
        return Done(profile_of(present.data), await ctx.inbox.submit(held, pending=[write] if write else []))
    if not is_expected(profile_of(present.data)):
        await ctx.inbox.submit([records.change(present, origin="command", read_at=read_at)])
        raise Outdated
    if write:
        await pending_write.begin(ctx, write)
    try:
        await ctx.whmcs.update_client(actor.whmcs_client_id, fields)
    except UpstreamNotFound:
        raise
    except UpstreamRejected as error:
        log.warning("client_edit_refused", whmcs_client_id=actor.whmcs_client_id, error=str(error))
        sentence = say("account.details_refused")
        raise RuleViolated(sentence, code="details_refused") from error
    read_at = now()
    reason = f"edit:{read_at.timestamp()}"
    data: Mapping[str, Any] = {**present.data, **fields}
    try:
        changed = await ctx.whmcs.client(actor.whmcs_client_id)
        data, written = changed.data, records.change(changed, origin="command", read_at=read_at)
    except UpstreamUnavailable as error:  # it was changed all the same; a worker reads it
        log.warning("edited_client_not_read_back", whmcs_client_id=actor.whmcs_client_id, error=str(error))
        written = whmcs_hint("client", actor.whmcs_client_id, reason)
    submission = await ctx.inbox.submit([written], pending=[write] if write else [])
    await ctx.inbox.submit([whmcs_hint("client_services", actor.whmcs_client_id, reason)])
    return Done(profile_of(data), submission)
