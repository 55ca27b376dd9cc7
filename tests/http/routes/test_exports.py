"""A customer's own export over the API: asked for with the password, made by a worker, downloaded for a day."""

import io
import zipfile
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.commands.account import export_journal
from app.commands.account.export_journal import TakenExport
from app.personal_data.own_export import own_archive
from tests.http.conftest import PASSWORD

PATH = "/api/account/export"
Headers = dict[str, str]


@pytest.fixture
async def account(add_customer: Any) -> UUID:
    found: UUID = await add_customer("hana")
    return found


@pytest.fixture
async def hana(api: httpx.AsyncClient, account: UUID, log_in: Any) -> Headers:
    return {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}


async def work(pool: asyncpg.Pool) -> int:
    async def make(taken: TakenExport) -> bytes:
        return await own_archive(pool, taken.account_id)

    return await export_journal.make_due(pool, make)


async def ask(api: httpx.AsyncClient, headers: Headers, **body: Any) -> httpx.Response:
    return await api.post(PATH, json={"password": PASSWORD, **body}, headers=headers)


async def test_a_copy_is_asked_for_made_and_downloaded(
    api: httpx.AsyncClient, pool: asyncpg.Pool, hana: Headers, account: UUID
) -> None:
    none = await api.get(PATH, headers=hana)
    assert (none.status_code, none.json()["code"]) == (404, "export_not_found")
    asked = await ask(api, hana)
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    archive = f"{PATH}/{asked.json()['export_id']}/archive"
    assert (await api.get(archive, headers=hana)).status_code == 404
    assert await work(pool) == 1
    ready = (await api.get(PATH, headers=hana)).json()
    assert (ready["export_id"], ready["state"]) == (asked.json()["export_id"], "ready")
    found = await api.get(archive, headers=hana)
    assert (found.status_code, found.headers["content-type"]) == (200, "application/zip")
    assert found.headers["cache-control"] == "private, no-store"
    assert len(found.content) == ready["size_bytes"]
    with zipfile.ZipFile(io.BytesIO(found.content)) as opened:
        assert b"hana@example.jp" in opened.read("user.json")
    assert await pool.fetchval("SELECT kind FROM portal.mails WHERE recipient = 'hana@example.jp'") == "export_ready"
    assert (
        await pool.fetchval("SELECT item_id FROM ingest.notices WHERE slice = 'account_exports'") == ready["export_id"]
    )
    audited = await pool.fetch("SELECT action FROM portal.audit WHERE account_id = $1 ORDER BY id", account)
    wanted = ["request_export", "make_export", "download_export"]
    assert [row["action"] for row in audited if row["action"] in wanted] == wanted


async def test_it_takes_the_password_and_the_second_factor(
    api: httpx.AsyncClient, pool: asyncpg.Pool, hana: Headers
) -> None:
    wrong = await ask(api, hana, password="not it at all")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "password_wrong")
    await pool.execute(
        "INSERT INTO portal.totp (user_id, secret, confirmed_at) SELECT id, 'x', now() FROM portal.users"
    )
    for code, refusal in ((None, "mfa_required"), ("000000", "mfa_code_invalid")):
        refused = await ask(api, hana, code=code)
        assert (refused.status_code, refused.json()["code"]) == (401, refusal)
    assert await pool.fetchval("SELECT count(*) FROM portal.account_exports") == 0


async def test_a_repetition_is_the_same_copy_until_it_expires(
    api: httpx.AsyncClient, pool: asyncpg.Pool, hana: Headers
) -> None:
    first = (await ask(api, hana)).json()["export_id"]
    assert (await ask(api, hana)).json()["export_id"] == first
    await work(pool)
    again = (await ask(api, hana)).json()
    assert (again["export_id"], again["state"]) == (first, "ready")
    await pool.execute("UPDATE portal.account_exports SET expires_at = now()")
    gone = await api.get(f"{PATH}/{first}/archive", headers=hana)
    assert (gone.status_code, gone.json()["code"]) == (404, "export_not_found")
    assert (await api.get(PATH, headers=hana)).status_code == 404
    second = (await ask(api, hana)).json()
    assert second["export_id"] != first
    assert second["state"] == "waiting"
    await work(pool)
    await export_journal.forget_expired(pool)
    assert (await api.get(PATH, headers=hana)).json()["state"] == "ready"
    await pool.execute("UPDATE portal.account_exports SET expires_at = now()")
    await export_journal.forget_expired(pool)
    assert await pool.fetchval("SELECT count(*) FROM portal.account_exports") == 0


async def test_nobody_else_sees_or_downloads_it(
    api: httpx.AsyncClient, pool: asyncpg.Pool, hana: Headers, add_customer: Any, log_in: Any
) -> None:
    await add_customer("kenji")
    kenji = {"authorization": f"Bearer {(await log_in(api, 'kenji'))['token']}"}
    export_id = (await ask(api, hana)).json()["export_id"]
    await work(pool)
    for wrong in (export_id, str(uuid4())):
        refused = await api.get(f"{PATH}/{wrong}/archive", headers=kenji)
        assert (refused.status_code, refused.json()["code"]) == (404, "export_not_found")
    assert (await api.get(PATH, headers=kenji)).status_code == 404
    await pool.execute("UPDATE portal.account_exports SET user_id = gen_random_uuid()")
    assert (await api.get(f"{PATH}/{export_id}/archive", headers=hana)).status_code == 404, "another user asked for it"


async def test_one_that_cannot_be_made_fails_in_the_end_and_may_be_asked_for_again(
    api: httpx.AsyncClient, pool: asyncpg.Pool, hana: Headers
) -> None:
    first = (await ask(api, hana)).json()["export_id"]

    async def broken(taken: TakenExport) -> bytes:
        raise ValueError

    for _ in range(export_journal.MOST_ATTEMPTS):
        await export_journal.make_due(pool, broken)
        await pool.execute("UPDATE portal.account_exports SET next_attempt_at = now()")
    assert (await api.get(PATH, headers=hana)).json()["state"] == "failed"
    assert await pool.fetchval("SELECT count(*) FROM portal.mails") == 0
    assert (await ask(api, hana)).json()["export_id"] != first
