"""A mailed link is worth a password and nothing more: it does not stand in for a second factor."""

from typing import Any

import asyncpg
import httpx
import pyotp

from app.settings import Settings
from tests.http.routes.identity.test_passwords import HANA, NEW, api, forgot, mailed, mailed_token, reset
from tests.http.routes.identity.test_second_factor import code, enrol

__all__ = ["api", "mailed"]


async def test_after_a_reset_the_second_factor_is_still_asked_for(
    api: httpx.AsyncClient, sandbox: Any, pool: asyncpg.Pool, mailed: Settings, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    secret, _ = await enrol(api, await log_in(api, "hana"))
    await sandbox.control.delete("/mail/")
    await pool.execute("DELETE FROM portal.mails")
    await forgot(api, HANA)
    done = await reset(api, await mailed_token(sandbox, pool, mailed))
    assert (done.status_code, "set-cookie" in done.headers) == (204, False)
    without = await api.post("/api/auth/login", json={"email": HANA, "password": NEW})
    assert (without.status_code, without.json()["code"]) == (401, "mfa_required")
    both = await api.post("/api/auth/login", json={"email": HANA, "password": NEW, "code": code(secret)})
    assert both.status_code == 200


def test_the_secret_of_a_second_factor_has_160_bits() -> None:
    assert {len(pyotp.random_base32()) for _ in range(20)} == {32}
    assert len({pyotp.random_base32() for _ in range(50)}) == 50
