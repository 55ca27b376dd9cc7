"""Lockout: strangers are slowed down wherever they come from, and a reader of the user's mailbox is never locked out.

The addresses come from a proxy that the portal trusts.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import asyncpg
import httpx
import msgspec
import pyotp
import pytest

from app.commands import mail_outbox
from app.commands.identity import login_throttle
from app.settings import Settings
from tests.http.conftest import PASSWORD

HANA = "hana@example.jp"
NEW = "glass harbour violin 77"
HOME, HOTEL = "192.0.2.10", "192.0.2.77"
_STRANGERS = count(1)


@pytest.fixture
async def mailed(sandbox: Any, sandbox_settings: Settings, settings: Settings) -> Settings:
    await sandbox.control.delete("/mail/")
    names = ("smtp_host", "smtp_port", "smtp_security")
    return msgspec.structs.replace(
        settings,
        auth_rate_per_minute=10_000,
        trusted_proxies="203.0.113.7",
        **{name: getattr(sandbox_settings, name) for name in names},
    )


@pytest.fixture
async def api(serve: Any, mailed: Settings, add_customer: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(mailed) as client:
        await add_customer("hana")
        yield client


@pytest.fixture
def mailbox(sandbox: Any, pool: asyncpg.Pool, mailed: Settings) -> "Mailbox":
    return Mailbox(sandbox, pool, mailed)


class Mailbox:
    """Hana's."""

    def __init__(self, sandbox: Any, pool: asyncpg.Pool, settings: Settings) -> None:
        self._sandbox, self._pool, self._settings = sandbox, pool, settings

    async def latest(self) -> str:
        await mail_outbox.send_due(self._pool, self._settings)
        text: str = (await self._sandbox.control.get("/mail/", params={"to": HANA})).json()["mails"][0]["text"]
        return text

    async def code(self, api: httpx.AsyncClient, address: str = HOTEL) -> str:
        """Asked for and read."""
        response = await post(api, "/api/auth/login/code", address, email=HANA)
        assert response.status_code == 204
        found = re.search(r"\b([0-9A-Z]{4}-){3}[0-9A-Z]{4}\b", await self.latest())
        assert found
        return found.group()


async def post(api: httpx.AsyncClient, path: str, address: str, **body: Any) -> httpx.Response:
    response = await api.post(path, json=body, headers={"x-forwarded-for": address})
    api.cookies.clear()
    return response


async def login(api: httpx.AsyncClient, address: str, password: str = PASSWORD, **more: str) -> str:
    """`ok`, or the code of the problem."""
    response = await post(api, "/api/auth/login", address, **{"email": HANA, "password": password, **more})
    return "ok" if response.status_code == 200 else str(response.json()["code"])


async def besiege(api: httpx.AsyncClient, many: int = login_throttle.MOST_OF_EMAIL + 5) -> list[str]:
    """Each stranger has an address of their own."""
    found = []
    for _ in range(many):
        number = next(_STRANGERS)
        found.append(await login(api, f"198.51.{number // 250}.{number % 250 + 1}", "wrong wrong wrong"))
    return found


async def test_strangers_at_many_addresses_get_no_unlimited_guesses(api: httpx.AsyncClient) -> None:
    found = await besiege(api, login_throttle.MOST_OF_EMAIL + 20)
    assert found.count("invalid_credentials") <= login_throttle.MOST_OF_EMAIL + 1
    assert set(found[-15:]) == {"too_many_attempts"}
    assert await login(api, "198.51.100.99") == "too_many_attempts", "not even the right password is tried"


async def test_the_right_password_from_a_new_address_gets_in_within_seconds_while_strangers_try(
    api: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await besiege(api)
    assert await login(api, HOTEL) == "too_many_attempts"
    over = asyncio.Event()

    async def go_on() -> None:
        while not over.is_set():
            await besiege(api, 1)
            await post(api, "/api/auth/login/code", "198.51.100.1", email=HANA)
            await login(api, "198.51.100.2", email_code="AAAA-BBBB-CCCC-DDDD")

    siege, began = asyncio.create_task(go_on()), time.monotonic()
    try:
        assert await login(api, HOTEL, email_code=await mailbox.code(api)) == "ok"
        assert time.monotonic() - began < 10
        assert await login(api, HOTEL) == "ok", "the address is known from now on"
    finally:
        over.set()
        await siege


async def test_an_address_that_is_known_is_not_held_up_by_strangers(api: httpx.AsyncClient) -> None:
    assert await login(api, HOME) == "ok"
    await besiege(api)
    assert await login(api, HOME) == "ok"


@pytest.mark.parametrize("known", [True, False])
async def test_a_stranger_behind_the_same_address_locks_nobody_out(
    api: httpx.AsyncClient, mailbox: Mailbox, known: bool
) -> None:
    if known:
        assert await login(api, HOME) == "ok"
    for _ in range(login_throttle.MOST_OF_PAIR + 1):
        await login(api, HOME, "wrong wrong wrong")
    for n in range(login_throttle.MOST_OF_ADDRESS):
        await login(api, HOME, "wrong wrong wrong", email=f"user{n}@example.jp")
    assert await login(api, HOME) == "too_many_attempts"
    assert await login(api, HOME, email_code=await mailbox.code(api, HOME)) == "ok"


async def test_a_code_is_mailed_however_many_strangers_asked_for_one(api: httpx.AsyncClient, mailbox: Mailbox) -> None:
    for n in range(30):
        await post(api, "/api/auth/login/code", f"198.51.100.{n}", email=HANA)
    await mailbox.latest()
    for _ in range(20):
        await post(api, "/api/auth/login/code", HOTEL, email=HANA)
    await besiege(api)
    assert await login(api, HOTEL, email_code=await mailbox.code(api)) == "ok"


async def test_a_code_takes_the_place_of_nothing(api: httpx.AsyncClient, mailbox: Mailbox) -> None:
    code = await mailbox.code(api)
    assert await login(api, HOTEL, "wrong wrong wrong", email_code=code) == "invalid_credentials"
    assert await login(api, HOTEL, "wrong wrong wrong", email_code=code) == "invalid_credentials"
    assert await login(api, HOTEL, "", email_code=code) == "invalid_credentials"
    assert await login(api, HOTEL, email_code=code) == "ok"


async def test_a_reader_of_the_mailbox_gets_no_unlimited_guesses_either(
    api: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    code = await mailbox.code(api)
    addresses = [f"198.51.100.{n}" for n in range(login_throttle.MOST_OF_PAIR + 3)]
    found = [await login(api, each, "wrong wrong wrong", email_code=code) for each in addresses]
    assert found == ["invalid_credentials"] * login_throttle.MOST_OF_PAIR + ["too_many_attempts"] * 3


async def test_a_code_is_good_once_for_a_while_and_for_one_user(
    api: httpx.AsyncClient, mailbox: Mailbox, pool: asyncpg.Pool, add_customer: Any
) -> None:
    await add_customer("kenji")
    code = await mailbox.code(api)
    await besiege(api)
    for n in range(login_throttle.MOST_OF_EMAIL + 5):
        await login(api, f"198.51.200.{n}", "wrong wrong wrong", email="kenji@example.jp")
    assert await login(api, HOTEL, email="kenji@example.jp", email_code=code) == "too_many_attempts"
    assert await login(api, HOTEL, email_code=code[:-1]) == "too_many_attempts"
    typed = code.lower().replace("-", "−").translate({ord("0"): "o", ord("1"): "l"})
    assert await login(api, HOTEL, email_code=f" {typed} ") == "ok"
    assert await login(api, "192.0.2.99", email_code=code) == "too_many_attempts", "it was used"
    another = await mailbox.code(api)
    await pool.execute("UPDATE portal.sign_in_codes SET expires_at = now()")
    assert await login(api, "192.0.2.99", email_code=another) == "too_many_attempts", "it is over"


async def test_a_code_is_stored_as_a_hash_and_ends_with_the_password(
    api: httpx.AsyncClient, mailbox: Mailbox, pool: asyncpg.Pool
) -> None:
    code = await mailbox.code(api)
    stored = await pool.fetchval("SELECT string_agg(c::text, '') FROM portal.sign_in_codes c")
    assert code not in stored
    assert code.replace("-", "") not in stored
    await post(api, "/api/auth/password/forgot", HOTEL, email=HANA)
    assert (await reset(api, await mailbox.latest())).status_code == 204
    await besiege(api)
    assert await login(api, "192.0.2.99", NEW, email_code=code) == "too_many_attempts"


async def reset(api: httpx.AsyncClient, text: str, address: str = HOTEL) -> httpx.Response:
    found = re.search(r"token=([\w-]{43})\b", text)
    assert found
    return await post(api, "/api/auth/password/reset", address, token=found.group(1), new_password=NEW)


async def test_after_a_reset_the_customer_gets_in_though_strangers_go_on(
    api: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await besiege(api)
    await post(api, "/api/auth/password/forgot", HOTEL, email=HANA)
    assert (await reset(api, await mailbox.latest())).status_code == 204
    await besiege(api)
    assert await login(api, HOTEL, NEW) == "ok"
    assert await login(api, "192.0.2.99", NEW) == "too_many_attempts"


async def enrolled(api: httpx.AsyncClient) -> pyotp.TOTP:
    """Hana has a second factor."""
    session = (await post(api, "/api/auth/login", HOME, email=HANA, password=PASSWORD)).json()
    headers = {"authorization": f"Bearer {session['token']}"}
    offered = await api.post("/api/auth/mfa/enrol", json={"password": PASSWORD}, headers=headers)
    totp = pyotp.TOTP(offered.json()["secret"])
    before = {"code": totp.at(int(time.time()) - 30)}
    assert (await api.post("/api/auth/mfa/confirm", json=before, headers=headers)).status_code == 200
    api.cookies.clear()
    return totp


async def lock_second_factor(api: httpx.AsyncClient) -> None:
    """By somebody who knows the password."""
    found = [await login(api, f"198.51.100.{n}", code="nonsense") for n in range(login_throttle.MOST_OF_PAIR + 2)]
    assert found == ["mfa_code_invalid"] * login_throttle.MOST_OF_PAIR + ["too_many_attempts"] * 2


async def test_a_mailed_code_is_a_way_out_of_the_lock_of_the_second_factor(
    api: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    totp = await enrolled(api)
    await lock_second_factor(api)
    assert await login(api, HOME, code=totp.now()) == "too_many_attempts"
    code = await mailbox.code(api)
    assert await login(api, HOME, email_code=code) == "mfa_required"
    assert await login(api, HOME, email_code=code, code="nonsense") == "mfa_code_invalid"
    wide = totp.now().translate({ord("0") + n: 0xFF10 + n for n in range(10)})
    assert await login(api, HOME, email_code=code, code=f"{wide[:3]} {wide[3:]}") == "ok"


async def test_a_reset_is_another(api: httpx.AsyncClient, mailbox: Mailbox) -> None:
    totp = await enrolled(api)
    await lock_second_factor(api)
    await post(api, "/api/auth/password/forgot", HOTEL, email=HANA)
    assert (await reset(api, await mailbox.latest())).status_code == 204
    assert await login(api, HOTEL, NEW) == "mfa_required", "it does not replace the second factor"
    assert await login(api, HOTEL, NEW, code=totp.now()) == "ok"


async def test_resets_one_after_another_give_no_unlimited_guesses_at_the_second_factor(
    api: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await enrolled(api)
    guessed = 0
    for n in range(4):
        await post(api, "/api/auth/password/forgot", HOTEL, email=HANA)
        assert (await reset(api, await mailbox.latest())).status_code == 204
        found = [await login(api, f"198.51.{100 + n}.{m}", NEW, code="nonsense") for m in range(8)]
        guessed += found.count("mfa_code_invalid")
    assert guessed <= 2 * login_throttle.MOST_OF_PAIR


async def test_with_the_mailbox_too_guesses_at_the_second_factor_are_few(
    api: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await enrolled(api)
    code = await mailbox.code(api)
    found = [await login(api, f"198.51.100.{n}", email_code=code, code="nonsense") for n in range(8)]
    assert found == ["mfa_code_invalid"] * login_throttle.MOST_OF_PAIR + ["too_many_attempts"] * 3


async def test_no_answer_reveals_whether_a_user_exists(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    """Neither before nor during a siege, with and without a code."""
    nobody = "nobody@example.jp"

    async def told(email: str, address: str) -> list[tuple[int, str]]:
        headers, more = {"x-forwarded-for": address, "x-request-id": "same"}, {"email_code": "AAAABBBBCCCCDDDD"}
        answers = [
            await api.post("/api/auth/login", json={"email": email, "password": "wrong", **each}, headers=headers)
            for each in ({}, more)
        ]
        answers.append(await api.post("/api/auth/login/code", json={"email": email}, headers=headers))
        answers.append(await api.post("/api/auth/password/forgot", json={"email": email}, headers=headers))
        return [(each.status_code, re.sub(r'"retry_after":\d+', "", each.text)) for each in answers]

    assert await told(HANA, "192.0.2.1") == await told(nobody, "192.0.2.2")
    for email in (HANA, nobody):
        for n in range(login_throttle.MOST_OF_EMAIL + 5):
            await login(api, f"198.51.100.{n}", "wrong", email=email)
    besieged = await told(HANA, "192.0.2.3")
    assert besieged == await told(nobody, "192.0.2.4")
    assert besieged[0][0] == 429
    kinds = "SELECT kind, count(*) FROM portal.mails WHERE recipient = $1 GROUP BY kind ORDER BY kind"
    assert await pool.fetch(kinds, HANA) == await pool.fetch(kinds, nobody)
