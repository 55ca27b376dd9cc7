"""`portal staff`: made by mail, listed, removed; and the way back for who lost the second factor."""

import json
from typing import Any
from uuid import uuid4

import asyncpg

from app.commands import mail_outbox
from app.settings import Settings


async def test_a_member_is_invited_by_mail_listed_and_removed(
    portal: Any, pool: asyncpg.Pool, sandbox: Any, sandbox_settings: Settings
) -> None:
    assert "No members yet" in portal("staff").stdout
    added = portal("staff", "add", "Op@example.jp", "--role", "operator", "--name", "Aya")
    assert added.returncode == 0, added.stderr
    await sandbox.control.delete("/mail/")
    await mail_outbox.send_due(pool, sandbox_settings)
    sent = (await sandbox.control.get("/mail/")).json()["mails"]
    assert [each["to"] for each in sent] == ["op@example.jp"]
    assert "Aya" not in sent[0]["text"], "no name that somebody else chose"
    assert "token=" in sent[0]["text"]
    listed = json.loads(portal("staff", "--json").stdout)["staff"]
    assert [(each["email"], each["role"], each["second_factor"]) for each in listed] == [
        ("op@example.jp", "operator", False)
    ]
    again = portal("staff", "add", "op@example.jp", "--role", "analyst")
    assert (again.returncode, "already" in again.stderr) == (1, True)
    assert portal("staff", "remove", "op@example.jp").returncode == 0
    assert portal("staff", "remove", "op@example.jp").returncode == 1
    actions = await pool.fetch("SELECT action FROM portal.audit ORDER BY id")
    assert [row["action"] for row in actions] == ["staff.add", "staff.remove"]


async def test_a_customer_is_no_member_of_staff(portal: Any, pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO portal.users (id, email, password_hash) VALUES ($1, 'hana@example.jp', 'unused')", uuid4()
    )
    assert portal("staff", "remove", "hana@example.jp").returncode == 1
    assert await pool.fetchval("SELECT count(*) FROM portal.users") == 1


async def test_a_lost_second_factor_is_forgotten_and_every_session_ends(portal: Any, pool: asyncpg.Pool) -> None:
    user_id = uuid4()
    await pool.execute(
        "INSERT INTO portal.users (id, email, password_hash) VALUES ($1, 'hana@example.jp', 'unused')", user_id
    )
    await pool.execute("INSERT INTO portal.totp (user_id, secret, confirmed_at) VALUES ($1, 'x', now())", user_id)
    await pool.execute(
        "INSERT INTO portal.sessions (id, token_hash, user_id, expires_at) VALUES ($1, 'x', $2, 'infinity')",
        uuid4(),
        user_id,
    )
    assert portal("forget-second-factor", "HANA@example.jp").returncode == 0
    assert await pool.fetchval("SELECT count(*) FROM portal.totp") == 0
    assert await pool.fetchval("SELECT count(*) FROM portal.sessions WHERE revoked_at IS NULL") == 0
    assert await pool.fetchval("SELECT kind FROM portal.mails") == "mfa_disabled"
    assert portal("forget-second-factor", "nobody@example.jp").returncode == 1
