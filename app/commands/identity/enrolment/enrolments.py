"""Sign-ups and links between their steps: the facts so far, sealed, under a token that only the caller holds.

Every step uses up its token and issues another, so that only one of two concurrent requests wins. Tries are counted
before codes and choices are checked.

Reads and writes: portal.enrolments.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Generic, Literal, TypeVar
from uuid import UUID, uuid4

import asyncpg
import msgspec
from cryptography.fernet import InvalidToken
from msgspec import Struct

from app.clock import now
from app.commands.identity import encryption
from app.commands.identity.sessions.session_store import digest
from app.db import Db
from app.errors import InvalidRequest
from app.settings import Settings
from app.words.sentence import say

LIFE_SECONDS = 1_800
MOST_TRIES = 5
_OPEN = "token_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now()"

F = TypeVar("F", bound=Struct)
Purpose = Literal["sign_up", "link"]

_REFUSALS = {
    "sign_up": (
        "signup_token_invalid",
        say("identity.sign_up_expired"),
    ),
    "link": ("link_token_invalid", say("identity.link_expired")),
}


class PendingEnrolment(Struct, Generic[F], frozen=True, kw_only=True):
    """An enrolment between its steps. `provable`: a mailed code can prove it; `untried`: no code was tried yet."""

    id: UUID
    subject: str
    facts: F
    provable: bool
    created_at: datetime
    untried: bool
    used: bool


class Offered(Struct, frozen=True):
    """A new enrolment, and its token, which is returned once."""

    id: UUID
    token: str
    created_at: datetime


async def begin(
    connection: Db,
    settings: Settings,
    purpose: Purpose,
    subject: str,
    facts: Struct,
    *,
    provable: bool = True,
    whmcs_client_ids: Sequence[str] = (),
) -> Offered:
    """Store the facts until the next step. `whmcs_client_ids` are those that the facts name."""
    offered = Offered(uuid4(), secrets.token_urlsafe(32), now())
    await connection.execute(
        "INSERT INTO portal.enrolments (id, token_hash, purpose, subject, sealed_facts, provable, created_at, "
        "expires_at, whmcs_client_ids) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        offered.id,
        digest(offered.token),
        purpose,
        subject,
        _sealed(settings, facts),
        provable,
        offered.created_at,
        offered.created_at + timedelta(seconds=LIFE_SECONDS),
        list(whmcs_client_ids),
    )
    return offered


async def find(
    pool: asyncpg.Pool, settings: Settings, purpose: Purpose, token: str, kind: type[F]
) -> PendingEnrolment[F]:
    """Find the enrolment of a token. A completed one has `used` set and its facts deleted.

    Raises:
        InvalidRequest: `signup_token_invalid` or `link_token_invalid`: expired, tried too often or never issued.
    """
    row = await pool.fetchrow(
        "SELECT id, subject, sealed_facts, provable, created_at, tries = 0 AS untried, used_at IS NOT NULL AS used "
        "FROM portal.enrolments "
        "WHERE token_hash = $1 AND purpose = $2 AND expires_at > now() AND (used_at IS NOT NULL OR tries < $3)",
        digest(token),
        purpose,
        MOST_TRIES,
    )
    if row is None:
        raise refusal(purpose)
    fields = dict(row)
    content = fields.pop("sealed_facts")
    return PendingEnrolment(**fields, facts=None if row["used"] else _unsealed(settings, purpose, content, kind))  # type: ignore[arg-type]


async def count_try(pool: asyncpg.Pool, purpose: Purpose, token: str) -> None:
    """Count a try with this token before it is made.

    Raises:
        InvalidRequest: there were too many tries, or the token is no longer valid.
    """
    statement = f"UPDATE portal.enrolments SET tries = tries + 1 WHERE {_OPEN} AND tries < $3 RETURNING true"
    if not await pool.fetchval(statement, digest(token), purpose, MOST_TRIES):
        raise refusal(purpose)


async def forget_try(pool: asyncpg.Pool, enrolment_id: UUID) -> None:
    """Uncount a try that succeeded."""
    await pool.execute("UPDATE portal.enrolments SET tries = greatest(tries - 1, 0) WHERE id = $1", enrolment_id)


async def store_facts(connection: Db, settings: Settings, enrolment_id: UUID, facts: Struct) -> None:
    """Store more facts under the same token."""
    await connection.execute(
        "UPDATE portal.enrolments SET sealed_facts = $2 WHERE id = $1 AND used_at IS NULL",
        enrolment_id,
        _sealed(settings, facts),
    )


async def advance(connection: Db, settings: Settings, purpose: Purpose, token: str, facts: Struct) -> str:
    """Store more facts under a new token; the former one is used up.

    Raises:
        InvalidRequest: a concurrent request has used it.
    """
    fresh = secrets.token_urlsafe(32)
    advanced = await connection.fetchval(
        f"UPDATE portal.enrolments SET token_hash = $3, sealed_facts = $4 WHERE {_OPEN} RETURNING true",
        digest(token),
        purpose,
        digest(fresh),
        _sealed(settings, facts),
    )
    if not advanced:
        raise refusal(purpose)
    return fresh


async def use(connection: Db, enrolment_id: UUID) -> bool:
    """Complete an enrolment and delete its facts; returns false if it was already completed."""
    return bool(
        await connection.fetchval(
            "UPDATE portal.enrolments SET used_at = now(), sealed_facts = '' "
            "WHERE id = $1 AND used_at IS NULL RETURNING true",
            enrolment_id,
        )
    )


def refusal(purpose: Purpose) -> InvalidRequest:
    """Return the refusal of a token that is not valid."""
    code, sentence = _REFUSALS[purpose]
    return InvalidRequest(sentence, code=code)


def _sealed(settings: Settings, facts: Struct) -> bytes:
    return encryption.seal(settings.keyring, encryption.ENROLMENT_FACTS, msgspec.json.encode(facts).decode())


def _unsealed(settings: Settings, purpose: Purpose, content: bytes, kind: type[F]) -> F:
    """Unseal the facts. Those of another PORTAL_SECRET or release count as expired."""
    try:
        return msgspec.json.decode(encryption.unseal(settings.keyring, encryption.ENROLMENT_FACTS, content), type=kind)
    except (InvalidToken, msgspec.MsgspecError) as error:
        raise refusal(purpose) from error
