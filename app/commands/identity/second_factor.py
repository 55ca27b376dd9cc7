"""The second factor: time-based one-time passwords (RFC 6238), with recovery codes for a lost device.

A code is accepted once: the number of its time step is stored, and neither it nor an earlier one is accepted again.
Guesses are counted per user, from all addresses, because an attacker who makes them already knows the password.

Reads and writes: portal.totp, portal.recovery_codes.
"""

import hashlib
import hmac
import secrets
import time
from base64 import b32encode
from uuid import UUID

import pyotp
import structlog
from cryptography.fernet import InvalidToken
from msgspec import Struct

from app.commands.execution.context import Actor, Context
from app.commands.identity import encryption, login_throttle
from app.db import Db
from app.errors import NotAuthenticated
from app.words.sentence import say

STEP_SECONDS = 30
DRIFT_STEPS = 1
"""The accepted clock drift in steps."""
RECOVERY_CODES = 10
RECOVERY_BYTES = 15
"""120 bits in 24 letters and digits: the stored hash is unkeyed, so only the length protects from guessing."""
ISSUER = "Customer portal"
COUNTED_AS = "mfa"

log = structlog.get_logger()

_ACCEPT = "UPDATE portal.totp SET last_step = $2 WHERE user_id = $1 AND last_step < $2 RETURNING true"
_USE = (
    "UPDATE portal.recovery_codes SET used_at = now() "
    "WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL RETURNING true"
)


class Enrolment(Struct, frozen=True):
    """The secret for an authenticator app. `otpauth_uri` is the content of the QR code."""

    secret: str
    """The secret, to be typed where no code can be scanned."""
    otpauth_uri: str
    """The content of the QR code."""


async def is_enrolled(pool: Db, user_id: UUID) -> bool:
    """Tell if the user has a confirmed second factor."""
    return bool(
        await pool.fetchval(
            "SELECT EXISTS (SELECT FROM portal.totp WHERE user_id = $1 AND confirmed_at IS NOT NULL)", user_id
        )
    )


async def offer(ctx: Context, user_id: UUID, email: str) -> Enrolment | None:
    """Issue a new secret to be confirmed; None if one is already in effect."""
    secret = pyotp.random_base32()
    kept = await ctx.pool.fetchval(
        "INSERT INTO portal.totp (user_id, secret) VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE "
        "SET secret = excluded.secret, created_at = now(), last_step = 0 WHERE totp.confirmed_at IS NULL "
        "RETURNING true",
        user_id,
        encryption.seal(ctx.settings.keyring, encryption.TOTP_SECRET, secret),
    )
    uri = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)
    return Enrolment(secret, uri) if kept else None


async def require(ctx: Context, actor: Actor, user_id: UUID, code: str, *, counted_as: str = COUNTED_AS) -> bool:
    """Require the second factor if the user has one; returns whether that is so. Guesses are `counted_as` an action.

    Raises:
        NotAuthenticated: `mfa_required` without a code, `mfa_code_invalid` with a wrong or used one.
        RateLimited: `too_many_attempts`.
    """
    if not await is_enrolled(ctx.pool, user_id):
        return False
    if not code:
        raise NotAuthenticated(say("identity.app_code_needed"), code="mfa_required")
    await check(ctx, actor, user_id, code, counted_as=counted_as)
    return True


async def check(
    ctx: Context, actor: Actor, user_id: UUID, code: str, *, recovery: bool = True, counted_as: str = COUNTED_AS
) -> None:
    """Require that this is the user's current code, or a recovery code; without blanks and hyphens.

    Raises:
        NotAuthenticated: `mfa_code_invalid`.
        RateLimited: `too_many_attempts`.
    """
    await login_throttle.count(ctx, actor, counted_as, str(user_id), everywhere=True)
    if not (await _is_current(ctx, user_id, code) or (recovery and await _is_recovery(ctx.pool, user_id, code))):
        raise NotAuthenticated(say("identity.app_code_wrong"), code="mfa_code_invalid")
    await login_throttle.forget(ctx, actor, counted_as, str(user_id), everywhere=True)


async def _is_current(ctx: Context, user_id: UUID, code: str) -> bool:
    stored = await ctx.pool.fetchval("SELECT secret FROM portal.totp WHERE user_id = $1", user_id)
    if stored is None:
        return False
    try:
        totp = pyotp.TOTP(
            encryption.unseal(ctx.settings.keyring, encryption.TOTP_SECRET, stored), interval=STEP_SECONDS
        )
    except InvalidToken:  # sealed under a lost secret; recovery codes still work
        log.error("sealed_value_unreadable", table=encryption.TOTP_SECRET.table, key=str(user_id))
        return False
    now = int(time.time()) // STEP_SECONDS
    steps = range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1)
    found = [step for step in steps if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode())]
    return bool(found and await ctx.pool.fetchval(_ACCEPT, user_id, found[0]))


async def _is_recovery(pool: Db, user_id: UUID, code: str) -> bool:
    return bool(await pool.fetchval(_USE, user_id, _hash(code)))


async def put_in_force(connection: Db, user_id: UUID) -> list[str]:
    """Confirm the issued secret; returns the recovery codes, which are shown once."""
    await connection.execute("UPDATE portal.totp SET confirmed_at = now() WHERE user_id = $1", user_id)
    await connection.execute("DELETE FROM portal.recovery_codes WHERE user_id = $1", user_id)
    codes = [b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode() for _ in range(RECOVERY_CODES)]
    rows = [(user_id, _hash(code)) for code in codes]
    await connection.executemany("INSERT INTO portal.recovery_codes (user_id, code_hash) VALUES ($1, $2)", rows)
    return ["-".join(code[at : at + 6] for at in range(0, len(code), 6)) for code in codes]


async def remove(connection: Db, user_id: UUID) -> None:
    """Remove the second factor and its recovery codes."""
    await connection.execute("DELETE FROM portal.totp WHERE user_id = $1", user_id)
    await connection.execute("DELETE FROM portal.recovery_codes WHERE user_id = $1", user_id)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
