"""The upstream customers that each portal account stands for.

Writes: portal.id_mappings, which nothing else in an installation writes.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from app.db import Db

OwnerColumn = Literal["salesforce_account_id", "whmcs_client_id"]


async def add(
    db: Db,
    account_id: UUID,
    user_id: UUID,
    *,
    whmcs_client_id: str,
    salesforce_account_id: str,
    customer_number: str,
) -> None:
    """Map a new account to its upstream customers.

    Raises:
        asyncpg.UniqueViolationError: one of the ids belongs to another account.
    """
    await db.execute(
        "INSERT INTO portal.id_mappings (account_id, user_id, whmcs_client_id, salesforce_account_id, customer_number) "
        "VALUES ($1, $2, $3, $4, $5)",
        account_id,
        user_id,
        whmcs_client_id,
        salesforce_account_id,
        customer_number,
    )


async def move(db: Db, column: OwnerColumn, former: str, into: str, customer_number: str | None) -> UUID | None:
    """Map the account of a merged customer to the remaining one; return the account, if there is one."""
    account_id: UUID | None = await db.fetchval(
        f"UPDATE portal.id_mappings SET {column} = $2, customer_number = coalesce($3, customer_number) "
        f"WHERE {column} = $1 RETURNING account_id",
        former,
        into,
        customer_number,
    )
    return account_id


async def mark_registered(db: Db, salesforce_account_id: str) -> None:
    """Note that Salesforce knows the account to be in the portal."""
    await db.execute(
        "UPDATE portal.id_mappings SET told_at = now() WHERE salesforce_account_id = $1", salesforce_account_id
    )


async def mark_sign_in_reported(db: Db, account_id: UUID, signed_in_at: datetime) -> None:
    """Note the last sign-in that Salesforce knows of."""
    await db.execute(
        "UPDATE portal.id_mappings SET sign_in_told_at = $2 WHERE account_id = $1", account_id, signed_in_at
    )
