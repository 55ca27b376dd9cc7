"""Whose data it is: the ids under which everything of a customer is found.

Reads: portal.users, portal.id_mappings, portal.erasures.
"""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.errors import NotFound


class Subject(Struct, frozen=True, kw_only=True):
    """A customer; `email` is as the portal has it."""

    user_id: UUID
    account_id: UUID
    email: str
    whmcs_client_id: str
    salesforce_account_id: str
    customer_number: str


_FIND = """
SELECT u.id AS user_id, u.email, m.account_id, m.whmcs_client_id, m.salesforce_account_id, m.customer_number
FROM portal.users u JOIN portal.id_mappings m ON m.user_id = u.id
"""


async def find(connection: Any, email: str) -> Subject:
    """The customer who logs in with this address.

    Raises:
        NotFound: `no_such_customer`, with what to do instead.
    """
    row = await connection.fetchrow(f"{_FIND} WHERE lower(u.email) = $1", plain(email))
    if row is None:
        if at := await erased_at(connection, email):
            raise NotFound(f"This customer's data was erased on {at:%Y-%m-%d}.", code="no_such_customer")
        sentence = "No customer logs in with this address. Who never signed up is in WHMCS and Salesforce alone."
        raise NotFound(sentence, code="no_such_customer")
    return Subject(**dict(row))


async def being_erased(connection: Any, email: str) -> Subject | None:
    """Somebody whose erasure was begun under this address and is not finished."""
    row = await connection.fetchrow(
        f"{_FIND} JOIN portal.erasures e ON e.user_id = u.id WHERE e.email_hash = $1 AND e.finished_at IS NULL",
        hashed(email),
    )
    return Subject(**dict(row)) if row else None


async def erased_at(connection: Any, email: str) -> datetime | None:
    """When an erasure under this address was finished, if one was."""
    found: datetime | None = await connection.fetchval(
        "SELECT max(finished_at) FROM portal.erasures WHERE email_hash = $1", hashed(email)
    )
    return found


def plain(email: str) -> str:
    """As addresses are compared."""
    return email.strip().lower()


def hashed(email: str) -> bytes:
    """What is kept of an address after an erasure."""
    return hashlib.sha256(plain(email).encode()).digest()
