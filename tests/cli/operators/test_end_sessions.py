"""`portal end-sessions`: one user's, everybody's, and nobody's by mistake."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg


async def _session(pool: asyncpg.Pool, user_id: UUID) -> None:
    await pool.execute(
        "INSERT INTO portal.sessions (id, token_hash, user_id, expires_at) VALUES ($1, $2, $3, 'infinity')",
        uuid4(),
        uuid4().bytes,
        user_id,
    )


async def _user(pool: asyncpg.Pool, name: str, sessions: int) -> UUID:
    user_id = uuid4()
    await pool.execute(
        "INSERT INTO portal.users (id, email, password_hash) VALUES ($1, $2, 'x')", user_id, f"{name}@example.jp"
    )
    for _ in range(sessions):
        await _session(pool, user_id)
    return user_id


async def _open(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM portal.sessions WHERE revoked_at IS NULL"))


async def test_those_of_one_user_or_of_everybody_end_and_that_is_audited(portal: Any, pool: asyncpg.Pool) -> None:
    hana = await _user(pool, "hana", 2)
    await _user(pool, "kenji", 3)
    assert portal("end-sessions", "HANA@example.jp").stdout == "2 sessions ended.\n"
    assert await _open(pool) == 3
    assert portal("end-sessions", "--everybody").stdout == "3 sessions ended.\n"
    assert await _open(pool) == 0
    entries = await pool.fetch("SELECT target FROM portal.audit WHERE action = 'sessions.end' ORDER BY id")
    assert [entry["target"] for entry in entries] == [str(hana), "everybody"]


async def test_without_a_clear_word_nothing_ends(portal: Any, pool: asyncpg.Pool) -> None:
    await _user(pool, "hana", 1)
    assert portal("end-sessions").returncode == 2
    assert portal("end-sessions", "hana@example.jp", "--everybody").returncode == 2
    assert portal("end-sessions", "nobody@example.jp").returncode == 1
    assert await _open(pool) == 1
