"""Codes in letters, which prove a sign-up if no mailbox is on file or the company invites by letter.

An operator issues a code for a customer number. It is shown once, valid for one sign-up, and stored as a hash.

Reads and writes: portal.invitations. Writes: portal.audit.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
from msgspec import Struct

from app.audit import Operator, audit
from app.clock import now
from app.commands.execution.context import Context, StaffCommand
from app.commands.identity import readable_codes
from app.commands.identity.enrolment.check_customer_number import account_of
from app.db import Db
from app.errors import RuleViolated
from app.integrations.salesforce import wire

LENGTH = 12
"""Characters of five bits each: a letter is valid for weeks."""

_REPLACE = """
INSERT INTO portal.invitations (id, customer_number, code_hash, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (customer_number) WHERE used_at IS NULL DO UPDATE
SET id = excluded.id, code_hash = excluded.code_hash, created_at = now(), expires_at = excluded.expires_at
"""
_OPEN = "customer_number = $1 AND code_hash = $2 AND used_at IS NULL AND expires_at > now()"


class Invitation(Struct, frozen=True, kw_only=True):
    """The content of a letter. The code exists nowhere else."""

    customer_number: str
    code: str
    expires_at: datetime


async def invite(ctx: Context, operator: Operator, customer_numbers: Iterable[str], *, days: int) -> list[Invitation]:
    """Issue a code for each number, or for none if one is unknown. Earlier unused codes become invalid.

    Raises:
        RuleViolated: `customer_number_unknown`.
    """
    numbers = [await _known_number(ctx, each) for each in dict.fromkeys(customer_numbers)]
    expires_at = now() + timedelta(days=days)
    async with ctx.pool.acquire() as connection, connection.transaction():
        return [await _issue(connection, operator, each, expires_at) for each in numbers]


async def _known_number(ctx: Context, customer_number: str) -> str:
    account = await account_of(ctx, customer_number.strip(), fresh=True)
    if account is None:
        raise RuleViolated(
            f"Salesforce has no account with number {customer_number}. No code was issued.",
            code="customer_number_unknown",
        )
    return str(account[wire.ACCOUNT_NUMBER])


async def _issue(connection: Db, operator: Operator, number: str, expires_at: datetime) -> Invitation:
    code = readable_codes.random_code(LENGTH)
    await connection.execute(_REPLACE, uuid4(), number, _hash(code), expires_at)
    await audit(connection, operator, "customer.invite", [number], expires_at=expires_at.isoformat())
    return Invitation(customer_number=number, code=code, expires_at=expires_at)


async def is_code(pool: asyncpg.Pool, customer_number: str, typed: str) -> bool:
    """Tell if this is the valid code in this customer's letter."""
    found = await pool.fetchval(f"SELECT true FROM portal.invitations WHERE {_OPEN}", customer_number, _hash(typed))
    return bool(found)


async def use_all(connection: Db, customer_number: str) -> None:
    """Invalidate the customer's letters after a sign-up."""
    await connection.execute(
        "UPDATE portal.invitations SET used_at = now() WHERE customer_number = $1 AND used_at IS NULL", customer_number
    )


def _hash(code: str) -> bytes:
    return hashlib.sha256(readable_codes.plain(code).encode()).digest()


COMMAND = StaffCommand(invite, "customer.invite", writes=(), away="refuse")
