"""The audit log: who did what, when, from where, with which outcome. Append-only, without secrets.

Writes: portal.audit, which no other module writes.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import astuple

_APPEND = (
    "INSERT INTO portal.audit (action, outcome, user_id, account_id, target, request_id, address, detail) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
)


class Operator(Struct, frozen=True, kw_only=True):
    """A member of staff, or the system user who runs a command on the command line; `name` is that user's."""

    name: str = ""
    user_id: UUID | None = None
    request_id: str = ""
    address: str = ""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One line of the audit log, in the order of its columns."""

    action: str
    outcome: str
    user_id: UUID | None = None
    account_id: UUID | None = None
    target: str | None = None
    request_id: str | None = None
    address: str | None = None
    detail: Mapping[str, Any] = {}


async def append(connection: Any, entry: AuditEntry) -> None:
    """Append one entry, within the caller's transaction if there is one."""
    await connection.execute(_APPEND, *astuple(entry))


async def audit(connection: Any, operator: Operator, action: str, targets: Sequence[str], **detail: str) -> None:
    """Append one entry per target for what an operator did, within the caller's transaction if there is one."""
    by = {"operator": operator.name} if operator.name else {}
    entries = [
        AuditEntry(
            action=action,
            outcome="done",
            user_id=operator.user_id,
            target=target,
            request_id=operator.request_id,
            address=operator.address,
            detail={**by, **detail},
        )
        for target in targets
    ]
    await connection.executemany(_APPEND, [astuple(entry) for entry in entries])
