"""Portal users as commands and responses represent them.

Reads: portal.users.
"""

from typing import Annotated
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.db import rows
from app.intake.words import one_of

RoleWord = Annotated[str, one_of(["customer", "support", "operator", "analyst"])]
"""The roles that the database allows."""


class User(Struct, frozen=True, kw_only=True):
    """A portal user."""

    user_id: UUID
    """The id of the user."""
    email: str
    first_name: str
    last_name: str
    role: RoleWord
    """The role of the user."""


async def user_of(pool: asyncpg.Pool, user_id: UUID) -> User:
    """Return the user of a session."""
    (user,) = await rows(
        pool,
        User,
        "SELECT id AS user_id, email, first_name, last_name, role FROM portal.users WHERE id = $1",
        user_id,
    )
    return user
