"""Re-encrypt stored secrets after a change of PORTAL_SECRET: from the former secret to the current one.

Reads and writes: the columns that `app/commands/identity/encryption.py` lists. Writes: portal.audit.
"""

from typing import Any

import asyncpg
import structlog
from cryptography.fernet import InvalidToken
from msgspec import Struct

from app.audit import Operator, audit
from app.commands.execution.context import StaffCommand
from app.commands.identity import encryption
from app.commands.identity.encryption import Sealed
from app.keyring import Keyring

BATCH = 500

log = structlog.get_logger()


class Resealed(Struct, kw_only=True):
    """The result for the values of one column. `unreadable`: sealed under neither secret, or damaged."""

    table: str
    column: str
    current: int = 0
    resealed: int = 0
    unreadable: int = 0


async def reseal(pool: asyncpg.Pool, keyring: Keyring, operator: Operator) -> list[Resealed]:
    """Re-encrypt every sealed column in batches. Safe to repeat, and safe while the portal is running. Emptied values
    are skipped."""
    found = [await _column(pool, keyring, kind) for kind in encryption.STORED]
    async with pool.acquire() as connection:
        for each in found:
            counts = {"resealed": str(each.resealed), "unreadable": str(each.unreadable)}
            await audit(connection, operator, "secret.reseal", [f"{each.table}.{each.column}"], **counts)
    return found


async def _column(pool: asyncpg.Pool, keyring: Keyring, kind: Sealed) -> Resealed:
    result, after = Resealed(table=kind.table, column=kind.column), None
    page = (
        f"SELECT {kind.key} AS key, {kind.column} AS sealed FROM {kind.table} "
        f"WHERE ($1::text IS NULL OR {kind.key}::text > $1) AND {kind.column} <> '' "
        f"ORDER BY {kind.key}::text LIMIT {BATCH}"
    )
    while rows := await pool.fetch(page, after):
        for row in rows:
            await _value(pool, keyring, kind, row, result)
        after = str(rows[-1]["key"])
    return result


async def _value(pool: asyncpg.Pool, keyring: Keyring, kind: Sealed, row: Any, result: Resealed) -> None:
    try:
        fresh = encryption.resealed(keyring, kind, row["sealed"])
    except InvalidToken:
        result.unreadable += 1
        log.error("sealed_value_unreadable", table=kind.table, key=str(row["key"]))
        return
    if fresh is None:
        result.current += 1
        return
    # Only the value that was read: one that was replaced since is under the current secret.
    change = f"UPDATE {kind.table} SET {kind.column} = $1 WHERE {kind.key} = $2 AND {kind.column} = $3"
    await pool.execute(change, fresh, row["key"], row["sealed"])
    result.resealed += 1


COMMAND = StaffCommand(reseal, "secret.reseal", writes=(), away="refuse")
