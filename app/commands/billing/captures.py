"""Charges sent to WHMCS: the guard against charging twice, and the journal of all attempts.

A charge is recorded before it is sent: as the last one of its invoice in `portal.captures`, and as an attempt. A
refused one is deleted from the former, an accepted one is kept there for a while, so that the command that sent it
recognises it. A charge without an answer is *open*: it may still be in progress at the gateway, and another one may be
sent only after `SETTLE_SECONDS`. Its attempt stays *in doubt* until something shows what came of it.

Reads and writes: portal.captures, portal.capture_attempts.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from app.commands.billing.decline_kinds import Decline
from app.db import Db, row, rows
from app.readmodels.billing.payment_attempts import SETTLE_SECONDS, DeclineKind, DeclineReason

Initiator = Literal["customer", "staff", "dunning"]
Outcome = Literal["charged", "declined", "not_charged"]

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
_ATTEMPT = """
INSERT INTO portal.capture_attempts
    (invoice_id, account_id, command_key, initiator, amount, currency, pay_method_id, card_type, card_last_four, before)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_CHARGED = "UPDATE portal.captures SET charged_at = clock_timestamp() WHERE invoice_id = $1 AND charged_at IS NULL"
_FORGET = "DELETE FROM portal.captures WHERE invoice_id = $1"
_LAST_DOUBT = """(
    SELECT max(a.attempt_id) FROM portal.capture_attempts a JOIN portal.captures c USING (invoice_id, command_key)
    WHERE invoice_id = $1
) AND outcome IS NULL"""
"""The attempt of the charge in `portal.captures`, which must still be there."""
_END = f"""
UPDATE portal.capture_attempts SET outcome = $2, ended_at = clock_timestamp(), decline_kind = $3, decline_reason = $4,
    decline_code = $5, decline_text = $6, gateway_entry_id = $7 WHERE attempt_id = {_LAST_DOUBT}
"""
_REVISE = """
UPDATE portal.capture_attempts SET decline_kind = $2, decline_reason = $3, decline_code = $4, decline_text = $5,
    gateway_entry_id = $6 WHERE attempt_id = $1 AND outcome = 'declined'
"""
_WITHDRAW = f"DELETE FROM portal.capture_attempts WHERE attempt_id = {_LAST_DOUBT}"
_COLUMNS = """attempt_id, invoice_id, account_id, command_key, initiator, amount, currency, pay_method_id, card_type,
    card_last_four, sent_at, outcome, ended_at, decline_kind, decline_reason, decline_code, decline_text,
    gateway_entry_id, before, transaction_id, looked_at, resolved_by, evidence"""
_OF_INVOICE = f"""
SELECT {_COLUMNS} FROM portal.capture_attempts WHERE invoice_id = $1 ORDER BY attempt_id DESC LIMIT $2
"""
_STATED = """
SELECT EXISTS (SELECT FROM portal.capture_attempts
    WHERE invoice_id = $1 AND outcome = 'charged' AND resolved_by IS NOT NULL AND transaction_id IS NULL)
"""
_BY_KEY = f"""
SELECT {_COLUMNS} FROM portal.capture_attempts WHERE invoice_id = $1 AND command_key = $2
ORDER BY attempt_id DESC LIMIT 1
"""
_ONE = f"SELECT {_COLUMNS} FROM portal.capture_attempts WHERE attempt_id = $1"
_IN_DOUBT = f"""
SELECT {_COLUMNS} FROM portal.capture_attempts WHERE invoice_id = $1 AND outcome IS NULL ORDER BY attempt_id
"""
MOST_ATTEMPTS = 100


class Capture(Struct, frozen=True):
    """The last charge of an invoice: its command, its amount, and how much longer it may take effect."""

    command_key: str
    amount: Decimal
    open_for_seconds: float


class Before(Struct, frozen=True):
    """What WHMCS showed of the invoice before the charge: its time of the last attempt, and the ids of the payments."""

    tried_at: str | None
    payment_ids: list[str]


class NewAttempt(Struct, frozen=True, kw_only=True):
    """A charge that is about to be sent. The method is the one that WHMCS charges, as far as that is known."""

    invoice_id: str
    account_id: UUID
    command_key: str
    initiator: Initiator
    amount: Decimal
    currency: str
    pay_method_id: str | None = None
    card_type: str | None = None
    card_last_four: str | None = None
    before: Before | None = None


class Attempt(NewAttempt, frozen=True, kw_only=True):
    """A charge that was sent. Without an outcome it is in doubt."""

    attempt_id: int
    sent_at: datetime
    outcome: Outcome | None
    ended_at: datetime | None
    decline_kind: DeclineKind | None
    decline_reason: DeclineReason | None
    decline_code: str | None
    decline_text: str | None
    gateway_entry_id: int | None
    transaction_id: str | None
    looked_at: datetime | None
    resolved_by: str | None
    evidence: str | None


async def last(pool: asyncpg.Pool, invoice_id: str) -> Capture | None:
    """Return the last charge that was not refused."""
    return await row(pool, Capture, _LAST, invoice_id, float(SETTLE_SECONDS))


async def attempts(pool: asyncpg.Pool, invoice_id: str) -> Sequence[Attempt]:
    """Return the newest attempts to charge an invoice, newest first, `MOST_ATTEMPTS` at most."""
    return await rows(pool, Attempt, _OF_INVOICE, invoice_id, MOST_ATTEMPTS)


async def in_doubt(pool: asyncpg.Pool, invoice_id: str) -> Sequence[Attempt]:
    """Return the attempts of an invoice of which nobody knows what came of them, oldest first."""
    return await rows(pool, Attempt, _IN_DOUBT, invoice_id)


async def is_stated_charged(pool: asyncpg.Pool, invoice_id: str) -> bool:
    """Tell if staff stated that an attempt charged the invoice, and named no payment in WHMCS for it."""
    return bool(await pool.fetchval(_STATED, invoice_id))


async def by_key(pool: asyncpg.Pool, invoice_id: str, command_key: str) -> Attempt | None:
    """Return the newest attempt of a request."""
    return await row(pool, Attempt, _BY_KEY, invoice_id, command_key)


async def one(db: Db, attempt_id: int) -> Attempt | None:
    """Return one attempt."""
    return await row(db, Attempt, _ONE, attempt_id)


async def record_sent(pool: asyncpg.Pool, attempt: NewAttempt) -> None:
    """Record durably that a charge is about to be sent."""
    a = attempt
    more = (a.pay_method_id, a.card_type, a.card_last_four, msgspec.to_builtins(a.before))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_SEND, a.invoice_id, a.account_id, a.command_key, a.amount)
        await connection.execute(
            _ATTEMPT, a.invoice_id, a.account_id, a.command_key, a.initiator, a.amount, a.currency, *more
        )


async def mark_charged(pool: asyncpg.Pool, invoice_id: str) -> None:
    """Record that the last charge succeeded. Safe to repeat."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_CHARGED, invoice_id)
        await connection.execute(_END, invoice_id, "charged", *(None,) * 5)


async def mark_declined(pool: asyncpg.Pool, invoice_id: str, decline: Decline) -> int | None:
    """Record that the last charge was declined: nothing was charged, and nothing will be. Return its attempt's id."""
    d = decline
    async with pool.acquire() as connection, connection.transaction():
        attempt_id: int | None = await connection.fetchval(
            _END + " RETURNING attempt_id", invoice_id, "declined", d.kind, d.reason, d.code, d.text, d.entry_id
        )
        await connection.execute(_FORGET, invoice_id)
    return attempt_id


async def revise_decline(pool: asyncpg.Pool, attempt_id: int | None, decline: Decline) -> None:
    """Record what was found out later about a declined charge."""
    d = decline
    await pool.execute(_REVISE, attempt_id, d.kind, d.reason, d.code, d.text, d.entry_id)


async def forget(pool: asyncpg.Pool, invoice_id: str) -> None:
    """Delete a charge that never reached a gateway, and its attempt."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_WITHDRAW, invoice_id)
        await connection.execute(_FORGET, invoice_id)
