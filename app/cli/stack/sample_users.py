"""Portal users for the sandbox's sample customers, to log in as."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from app.commands.identity import passwords
from app.ingest.refetch import owners
from app.resources import open_resources
from app.settings import Settings

LINKED = 20
"""Number of sample customers with a billing client that become portal users; others can be linked or sign up."""


async def register_samples(settings: Settings, customers: list[dict[str, Any]], staff: dict[str, str]) -> set[str]:
    """Create the users with their id mappings, and request their records; returns their customer numbers."""
    chosen = [customer for customer in customers if customer["whmcs_client_id"]][:LINKED]
    async with open_resources(settings, pool_size=2) as resources:
        await _user(resources.pool, staff["email"], staff["password"], "operator")
        for customer in chosen:
            user_id = await _user(resources.pool, customer["email"], customer["password"], "customer", customer)
            account_id = uuid5(NAMESPACE_URL, f"account:{customer['customer_number']}")
            ids = (str(customer["whmcs_client_id"]), customer["salesforce_account_id"])
            await resources.pool.execute(
                "INSERT INTO portal.id_mappings "
                "(account_id, user_id, whmcs_client_id, salesforce_account_id, customer_number, told_at) "
                "VALUES ($1, $2, $3, $4, $5, now()) ON CONFLICT DO NOTHING",
                account_id,
                user_id,
                *ids,
                customer["customer_number"],
            )
            await owners.link(resources.inbox, account_id, *ids)
    return {customer["customer_number"] for customer in chosen}


_hashes: dict[str, str] = {}


async def _user(pool: Any, email: str, password: str, role: str, person: dict[str, Any] | None = None) -> Any:
    """Create a user. Sample customers share one password, so it is hashed once."""
    if password not in _hashes:
        _hashes[password] = await passwords.hashed(password)
    names = (person["first_name"], person["last_name"]) if person else ("Sample", "Staff")
    return await pool.fetchval(
        "INSERT INTO portal.users (id, email, password_hash, role, first_name, last_name) "
        "VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (lower(email)) DO UPDATE SET updated_at = now() RETURNING id",
        uuid5(NAMESPACE_URL, f"user:{email}"),
        email,
        _hashes[password],
        role,
        *names,
    )
