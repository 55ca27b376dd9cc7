"""Charges sent to WHMCS: the guard against charging twice.

A charge is recorded before it is sent. A refused one is deleted; an accepted one is kept for a while, so that the
command that sent it recognises it. A charge without an answer is *open*: it may still be in progress at the gateway,
and is considered lost only after `SETTLE_SECONDS`.

Reads and writes: portal.captures.
"""

from decimal import Decimal
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.db import row

SETTLE_SECONDS = 300
"""Longer than PHP, the web server and the gateway let a charge run."""

_LAST = """
SELECT command_key, amount, CASE WHEN charged_at IS NULL THEN
    greatest($2 - extract(epoch FROM clock_timestamp() - sent_at)::float8, 0) ELSE 0 END AS open_for_seconds
FROM portal.captures WHERE invoice_id = $1
"""
_SEND = """
INSERT INTO portal.captures (invoice_id, account_id, command_key, amount) VALUES ($1, $2, $3, $4)
ON CONFLICT (invoice_id) DO UPDATE SET account_id = excluded.account_id, command_key = excluded.command_key,
    amount = excluded.amount, sent_at = clock_timestamp(), charged_at = NULL
"""


class Capture(Struct, frozen=True):
    """The last charge of an invoice: its command, its amount, and how much longer it may take effect."""

    command_key: str
    amount: Decimal
    open_for_seconds: float


async def last(pool: asyncpg.Pool, invoice_id: str) -> Capture | None:
    """Return the last charge that was not refused."""
    return await row(pool, Capture, _LAST, invoice_id, float(SETTLE_SECONDS))


async def record_sent(pool: asyncpg.Pool, invoice_id: str, account_id: UUID, command_key: str, amount: Decimal) -> None:
    """Record durably that a charge is about to be sent."""
    await pool.execute(_SEND, invoice_id, account_id, command_key, amount)


async def mark_charged(pool: asyncpg.Pool, invoice_id: str) -> None:
    """Record that the charge succeeded."""
    await pool.execute("UPDATE portal.captures SET charged_at = clock_timestamp() WHERE invoice_id = $1", invoice_id)


async def forget(pool: asyncpg.Pool, invoice_id: str) -> None:
    """Delete a charge that was refused: nothing was charged, and nothing will be."""
    await pool.execute("DELETE FROM portal.captures WHERE invoice_id = $1", invoice_id)
