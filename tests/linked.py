"""Customers of the portal, as signing up or linking leaves them, and the workers' part done at once."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from app.resources import Resources
from app.worker import Work

PATIENCE_SECONDS = 20


async def add_account(
    pool: asyncpg.Pool, customer: Mapping[str, Any], *, password_hash: str = "", told: bool = False
) -> tuple[UUID, UUID]:
    """Make a user with an account; (user id, account id). `customer` is one of the sandbox's, or has as much; `told`
    says that Salesforce knows."""
    user_id, account_id = uuid4(), uuid4()
    await pool.execute(
        "INSERT INTO portal.users (id, email, first_name, last_name, password_hash) VALUES ($1, $2, $3, $4, $5)",
        user_id,
        customer["email"],
        customer.get("first_name", ""),
        customer.get("last_name", ""),
        password_hash,
    )
    await pool.execute(
        "INSERT INTO portal.id_mappings (account_id, user_id, whmcs_client_id, salesforce_account_id, customer_number, "
        "told_at) VALUES ($1, $2, $3, $4, $5, CASE WHEN $6 THEN now() END)",
        account_id,
        user_id,
        str(customer["whmcs_client_id"]),
        customer["salesforce_account_id"],
        customer["customer_number"],
        told,
    )
    return user_id, account_id


async def settle(resources: Resources) -> None:
    """Until the workers have nothing left to do."""
    work = Work(resources)
    for _ in range(4):
        await work.sweep()


async def settle_all(resources: Resources) -> None:
    """The same, and what a busy machine made fail once and put off is waited for, as long as that helps."""
    await settle(resources)
    work = Work(resources)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await resources.pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL"):
                await asyncio.sleep(0.2)
                await work.sweep()
    except TimeoutError:
        return
