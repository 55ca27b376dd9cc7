"""Turn the second factor on and off. Turning it on takes two steps, so that a code that never worked locks nobody out.
Both renew the session's token, so that a copied token becomes useless.

Reads and writes: portal.totp, portal.recovery_codes. Writes: portal.sessions, portal.mails.
"""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from app.cache.lease import heard_everywhere
from app.commands import mail_outbox
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity import second_factor
from app.commands.identity.change_password import Secret, require_password
from app.commands.identity.sessions import session_store
from app.errors import Conflict, NotAllowed
from app.inputs.numbers import Code
from app.words.sentence import say

FactorCode = Annotated[Code, Meta(min_length=6, max_length=60)]


class EnrolSecondFactor(Struct, forbid_unknown_fields=True):
    """The password, so that a stolen session cannot take over the account."""

    password: Secret


class ConfirmSecondFactor(Struct, forbid_unknown_fields=True):
    """The code that the authenticator app shows now."""

    code: FactorCode
    """The six digits that the app shows now."""


class DisableSecondFactor(Struct, forbid_unknown_fields=True):
    """Both factors; the code may be a recovery code."""

    password: Secret
    code: FactorCode
    """The six digits that the app shows now, or a recovery code."""


class SessionRenewed(Struct, frozen=True, kw_only=True):
    """The session continues under this token, also in the cookie; the former token is refused. `csrf_token` as at
    login."""

    token: str
    expires_at: datetime
    csrf_token: str


class SecondFactorOn(SessionRenewed, frozen=True, kw_only=True):
    """The renewed session, and recovery codes, each of which replaces the app once. They are shown only now."""

    recovery_codes: list[str]
    """Codes, each of which replaces the app once. They are shown only now."""


async def enrol_second_factor(ctx: Context, actor: Actor, request: EnrolSecondFactor) -> Done:
    """Issue a secret for an authenticator app. It takes effect once a code of it is confirmed.

    Raises:
        NotAllowed: `password_wrong`.
        Conflict: `mfa_already_on`.
    """
    user = await require_password(ctx, actor, request.password)
    assert actor.user_id is not None
    enrolment = await second_factor.offer(ctx, actor.user_id, user.email)
    if enrolment is None:
        raise Conflict(say("identity.second_factor_on"), code="mfa_already_on")
    return Done(enrolment)


async def confirm_second_factor(ctx: Context, actor: Actor, request: ConfirmSecondFactor) -> Done:
    """Put the issued secret into effect. This session continues under another token; every other session ends.

    Raises:
        NotAuthenticated: `mfa_code_invalid`; or the session has ended.
        Conflict: `mfa_already_on`.
    """
    assert actor.user_id is not None
    if await second_factor.is_enrolled(ctx.pool, actor.user_id):
        raise Conflict(say("identity.second_factor_on"), code="mfa_already_on")
    await second_factor.check(ctx, actor, actor.user_id, request.code, recovery=False)
    async with ctx.pool.acquire() as connection, connection.transaction():
        await session_store.hold(connection, actor.user_id)
        codes = await second_factor.put_in_force(connection, actor.user_id)
        await session_store.revoke_all(connection, actor.user_id, but=actor.session_id)
        opened = await session_store.renew(connection, actor.session_id, proven=True)
        await mail_outbox.enqueue_for_user(connection, "mfa_enabled", actor.user_id)
    await heard_everywhere()
    return Done((opened, {"recovery_codes": codes}))


async def disable_second_factor(ctx: Context, actor: Actor, request: DisableSecondFactor) -> Done:
    """Turn the second factor off. This session continues under another token. Members of staff may not.

    Raises:
        NotAllowed: `password_wrong`, `mfa_needed_by_staff`.
        NotAuthenticated: `mfa_code_invalid`; or the session has ended.
    """
    if actor.role != "customer":
        raise NotAllowed(say("identity.second_factor_for_staff"), code="mfa_needed_by_staff")
    await require_password(ctx, actor, request.password)
    assert actor.user_id is not None
    await second_factor.check(ctx, actor, actor.user_id, request.code)
    async with ctx.pool.acquire() as connection, connection.transaction():
        await session_store.hold(connection, actor.user_id)
        await second_factor.remove(connection, actor.user_id)
        opened = await session_store.renew(connection, actor.session_id)
        await mail_outbox.enqueue_for_user(connection, "mfa_disabled", actor.user_id)
    await heard_everywhere()
    return Done((opened, {}))


ENROL_SECOND_FACTOR = Command(enrol_second_factor, writes=(), away="refuse", replayable=False)
CONFIRM_SECOND_FACTOR = Command(confirm_second_factor, writes=(), away="refuse", replayable=False)
DISABLE_SECOND_FACTOR = Command(disable_second_factor, writes=(), away="refuse", replayable=False)
COMMANDS = (ENROL_SECOND_FACTOR, CONFIRM_SECOND_FACTOR, DISABLE_SECOND_FACTOR)
