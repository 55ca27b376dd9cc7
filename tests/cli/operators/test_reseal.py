"""`portal reseal`: says what it did, and that something is readable no more."""

import json
import subprocess
import sys
from uuid import uuid4

import asyncpg

from app.commands.identity import encryption
from app.keyring import Keyring

OLD = Keyring("o" * 32)


async def _user(pool: asyncpg.Pool, secret: bytes) -> None:
    user_id = uuid4()
    email = f"{user_id}@example.jp"
    await pool.execute("INSERT INTO portal.users (id, email, password_hash) VALUES ($1, $2, 'x')", user_id, email)
    await pool.execute("INSERT INTO portal.totp (user_id, secret) VALUES ($1, $2)", user_id, secret)


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "app.cli", "reseal", *arguments]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)


async def test_it_says_what_was_sealed_again_and_what_nobody_can_read(
    environment: dict[str, str], pool: asyncpg.Pool
) -> None:
    for _ in range(3):
        await _user(pool, encryption.seal(OLD, encryption.TOTP_SECRET, "PLAIN"))
    turning = {**environment, "PORTAL_SECRET_PREVIOUS": OLD.current}
    done = _run(turning, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["columns"] == [
        {"table": "portal.totp", "column": "secret", "current": 0, "resealed": 3, "unreadable": 0},
        {"table": "portal.enrolments", "column": "sealed_facts", "current": 0, "resealed": 0, "unreadable": 0},
    ]
    await _user(pool, b"damaged")
    await _user(pool, b"")
    again = _run(turning)
    assert (again.returncode, "3 were current, 1 unreadable" in again.stdout) == (1, True)
    assert "PLAIN" not in done.stdout + done.stderr + again.stdout + again.stderr
