"""Add and remove members of staff: from the command line, never over HTTP.

A new member gets no password: a mailed link sets it, and the second factor is set up at the first login.

Reads and writes: portal.users. Writes: portal.sessions, portal.mails, portal.audit.
"""

import secrets
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
from msgspec import Struct

from app.audit import Operator, audit
from app.cache.lease import heard_everywhere
from app.commands import mail_outbox
from app.commands.execution.context import StaffCommand
from app.commands.identity import passwords, second_factor
from app.commands.identity.sessions import session_store
from app.db import rows
from app.errors import Conflict, InvalidRequest, NotFound, Violation
from app.inputs.email import known
from app.inputs.rule import Unfit
from app.inputs.text import LINE_OR_NOTHING
from app.words.sentence import say

ROLES = ("support", "operator", "analyst")

_LIST = """
SELECT u.id AS user_id, u.email, u.role, u.created_at, t.confirmed_at IS NOT NULL AS second_factor,
       (SELECT max(last_seen_at) FROM portal.sessions s WHERE s.user_id = u.id) AS last_seen_at
FROM portal.users u LEFT JOIN portal.totp t ON t.user_id = u.id WHERE u.role <> 'customer' ORDER BY u.email
"""


class Member(Struct, frozen=True, kw_only=True):
    """One member of staff, without anything secret."""

    user_id: UUID
    email: str
    role: str
    created_at: datetime
    second_factor: bool
    last_seen_at: datetime | None


async def members(pool: asyncpg.Pool) -> list[Member]:
    """Return every user who is not a customer."""
    return await rows(pool, Member, _LIST)


async def add(pool: asyncpg.Pool, operator: Operator, email: str, role: str, first_name: str) -> UUID:
    """Add a member and enqueue the invitation.

    Raises:
        InvalidRequest: the address or the name is invalid.
        Conflict: `email_taken`.
    """
    email, first_name = _validated(email, first_name)
    user_id, unknown_hash = uuid4(), await passwords.hashed(secrets.token_urlsafe(32))
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO portal.users (id, email, role, first_name, password_hash) VALUES ($1, $2, $3, $4, $5)",
                user_id,
                email,
                role,
                first_name,
                unknown_hash,
            )
            await mail_outbox.enqueue(connection, "invitation", email)
            await audit(connection, operator, "staff.add", [str(user_id)], role=role)
    except asyncpg.UniqueViolationError as error:
        raise Conflict(say("identity.user_exists"), code="email_taken") from error
    return user_id


def _validated(email: str, first_name: str) -> tuple[str, str]:
    """Validate both like a request body. `operator@localhost` is valid, because staff may be in a private network."""
    try:
        return known(email), LINE_OR_NOTHING.read(first_name)
    except Unfit as unfit:
        raise InvalidRequest(unfit.message, errors=[Violation("email", unfit.code, unfit.message)]) from unfit


async def remove(pool: asyncpg.Pool, operator: Operator, email: str) -> None:
    """Remove a member with sessions, second factor and password; their actions stay in the audit log.

    Raises:
        NotFound: there is no such member.
    """
    async with pool.acquire() as connection, connection.transaction():
        user_id = await connection.fetchval(
            "SELECT id FROM portal.users WHERE lower(email) = $1 AND role <> 'customer'", email.strip().lower()
        )
        if user_id is None:
            raise NotFound("There is no member of staff with this e-mail address. `portal staff list` shows all.")
        await session_store.hold(connection, user_id)
        await session_store.revoke_all(connection, user_id)
        await audit(connection, operator, "staff.remove", [str(user_id)])
        await connection.execute("DELETE FROM portal.sessions WHERE user_id = $1", user_id)
        await connection.execute("DELETE FROM portal.users WHERE id = $1", user_id)


async def forget_second_factor(pool: asyncpg.Pool, operator: Operator, email: str) -> None:
    """Remove the second factor of a user, customer or staff, who lost it and has proven their identity otherwise.

    Raises:
        NotFound: there is no such user.
    """
    async with pool.acquire() as connection, connection.transaction():
        user_id = await connection.fetchval(
            "SELECT id FROM portal.users WHERE lower(email) = $1", email.strip().lower()
        )
        if user_id is None:
            raise NotFound(say("identity.user_not_found"))
        await session_store.hold(connection, user_id)
        await second_factor.remove(connection, user_id)
        await session_store.revoke_all(connection, user_id)
        await mail_outbox.enqueue_for_user(connection, "mfa_disabled", user_id)
        await audit(connection, operator, "second_factor.forget", [str(user_id)])
    await heard_everywhere()


COMMANDS = (
    StaffCommand(add, "staff.add", writes=(), away="refuse"),
    StaffCommand(remove, "staff.remove", writes=(), away="refuse"),
    StaffCommand(forget_second_factor, "second_factor.forget", writes=(), away="refuse"),
)
