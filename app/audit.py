"""Who looks into the machinery or decides about it, for the audit log.

Writes: portal.audit.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct


class Operator(Struct, frozen=True, kw_only=True):
    """A member of staff, or whoever runs a command: `name` is then the system user."""

    name: str = ""
    user_id: UUID | None = None
    request_id: str = ""
    address: str = ""


async def audit(connection: Any, operator: Operator, action: str, targets: Sequence[str], **detail: str) -> None:
    """One entry a target, within the caller's transaction where there is one."""
    by = {"operator": operator.name} if operator.name else {}
    await connection.executemany(
        "INSERT INTO portal.audit (action, outcome, user_id, target, request_id, address, detail) "
        "VALUES ($1, 'done', $2, $3, $4, $5, $6)",
        [
            (action, operator.user_id, target, operator.request_id, operator.address, {**by, **detail})
            for target in targets
        ],
    )
