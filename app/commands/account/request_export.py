"""Ask for a copy of one's own personal data. A worker makes it; it can be downloaded for a day.

Reads: portal.users. Reads and writes: portal.account_exports.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from msgspec import Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity import second_factor
from app.commands.identity.change_password import Secret, require_password
from app.commands.identity.change_second_factor import FactorCode
from app.db import Db, row
from app.errors import NotFound
from app.words.sentence import say

KEPT_HOURS = 24
"""How long an archive can be downloaded. Until then no other one is made for the account."""
_STATE = """
SELECT export_id, state, requested_at, ready_at, expires_at, size_bytes FROM portal.account_exports
WHERE account_id = $1 AND user_id = $2 AND (expires_at IS NULL OR expires_at > now())
"""
_REQUEST = """
INSERT INTO portal.account_exports AS e (account_id, user_id, export_id) VALUES ($1, $2, $3)
ON CONFLICT (account_id) DO UPDATE SET user_id = excluded.user_id, export_id = excluded.export_id, state = 'waiting',
    requested_at = now(), next_attempt_at = now(), attempts = 0, ready_at = NULL, expires_at = NULL, size_bytes = NULL,
    archive = NULL
WHERE e.state = 'failed' OR e.expires_at <= now() OR e.user_id <> excluded.user_id
RETURNING export_id
"""

ExportState = Literal["waiting", "ready", "failed"]


class RequestExport(Struct, forbid_unknown_fields=True):
    """The password, so that a stolen session cannot take the data, and a code if the second factor is on."""

    password: Secret
    code: FactorCode | None = None


class Export(Struct, frozen=True, kw_only=True):
    """A copy of the personal data: `waiting` until it is made, `ready` to be downloaded until it expires, or `failed`:
    then support can help."""

    export_id: UUID
    """The id of the copy."""
    state: ExportState
    """How far it is."""
    requested_at: datetime
    """When it was asked for."""
    ready_at: datetime | None
    """Since when it can be downloaded; null until then."""
    expires_at: datetime | None
    """Until when it can be downloaded; null before it is ready."""
    size_bytes: int | None
    """The size of the ZIP; null before it is ready."""


async def request_export(ctx: Context, actor: Actor, request: RequestExport) -> Done:
    """Request the copy; one that is being made or can still be downloaded is the answer to a repetition.

    Raises:
        NotAllowed: `password_wrong`.
        NotAuthenticated: `mfa_required`, `mfa_code_invalid`.
        RateLimited: `too_many_attempts`.
    """
    account_id = actor.account_id_or_refuse()
    assert actor.user_id is not None
    await require_password(ctx, actor, request.password)
    await second_factor.require(ctx, actor, actor.user_id, request.code or "")
    began = await ctx.pool.fetchval(_REQUEST, account_id, actor.user_id, uuid4())
    found = await state_of(ctx.pool, account_id, actor.user_id)
    return Done(found, outcome="shown" if began else "unchanged", target=str(found.export_id))


async def state_of(connection: Db, account_id: UUID, user_id: UUID | None) -> Export:
    """Return the account's present export, which only the user who asked for it may see.

    Raises:
        NotFound: `export_not_found`.
    """
    found = await row(connection, Export, _STATE, account_id, user_id)
    if found is None:
        raise NotFound(say("account.no_export"), code="export_not_found")
    return found


COMMAND = Command(request_export, writes=(), away="refuse")
