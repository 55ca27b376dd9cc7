"""The journal of sign-ups, by which a repetition finishes what a crash interrupted.

Steps: `verified` the customer number is known · `adding` AddClient is about to be sent, so a client may exist whose id
is unknown · `client` the WHMCS client is known · `stored` user and mapping exist · `done` reported to Salesforce.

Reads: portal.users, portal.id_mappings. Reads and writes: portal.signups.
"""

from typing import Literal
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.commands.identity.users import User
from app.db import Db, only_row

SignUpStep = Literal["verified", "adding", "client", "stored", "done"]

_STORED = """
SELECT m.account_id, m.whmcs_client_id, u.password_hash, u.id AS user_id, u.email, u.first_name, u.last_name, u.role
FROM portal.id_mappings m JOIN portal.users u ON u.id = m.user_id
WHERE m.salesforce_account_id = $1
"""


class Journal(Struct, frozen=True, kw_only=True):
    """A sign-up as journaled. `email` is the address that the WHMCS client was, or may have been, created with."""

    email: str
    step: SignUpStep
    whmcs_client_id: str | None


class StoredSignUp(Struct, frozen=True, kw_only=True):
    """The user and the mapping of a customer number."""

    user: User
    account_id: UUID
    whmcs_client_id: str
    password_hash: str


async def is_open(pool: asyncpg.Pool, customer_number: str) -> bool:
    """Tell if a sign-up of this number is unfinished."""
    return bool(
        await pool.fetchval(
            "SELECT 1 FROM portal.signups WHERE customer_number = $1 AND finished_at IS NULL", customer_number
        )
    )


async def begin(pool: asyncpg.Pool, customer_number: str, email: str, salesforce_account_id: str) -> Journal:
    """Open the journal of a customer number, or read where an earlier attempt stopped."""
    row = await only_row(
        pool,
        "INSERT INTO portal.signups (customer_number, email, step, salesforce_account_id) "
        "VALUES ($1, $2, 'verified', $3) ON CONFLICT (customer_number) DO UPDATE SET updated_at = now() "
        "RETURNING email, step, whmcs_client_id",
        customer_number,
        email,
        salesforce_account_id,
    )
    return Journal(email=row["email"], step=row["step"], whmcs_client_id=row["whmcs_client_id"])


async def reach(db: Db, customer_number: str, step: SignUpStep, *, email: str, whmcs_client_id: str | None) -> None:
    """Record a step before (`adding`) or after (all others) it is done."""
    await db.execute(
        "UPDATE portal.signups SET step = $2, email = $3, whmcs_client_id = $4, updated_at = now(), "
        "finished_at = CASE WHEN $2 = 'done' THEN now() END WHERE customer_number = $1",
        customer_number,
        step,
        email,
        whmcs_client_id,
    )


async def finish(pool: asyncpg.Pool, customer_number: str) -> None:
    """Close the journal of a sign-up after its report to Salesforce."""
    await pool.execute(
        "UPDATE portal.signups SET step = 'done', finished_at = now() "
        "WHERE customer_number = $1 AND finished_at IS NULL",
        customer_number,
    )


async def stored(pool: asyncpg.Pool, salesforce_account_id: str) -> StoredSignUp | None:
    """Return the user and mapping of a Salesforce account, if there are any."""
    row = await pool.fetchrow(_STORED, salesforce_account_id)
    if row is None:
        return None
    user = User(**{name: row[name] for name in User.__struct_fields__})
    return StoredSignUp(
        user=user,
        account_id=row["account_id"],
        whmcs_client_id=row["whmcs_client_id"],
        password_hash=row["password_hash"],
    )
