"""Texts of mails: our words, the mailbox of a user, and nothing that another person wrote."""

import re
from datetime import date
from typing import Any, get_args
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from app.commands import mail_outbox
from app.readmodels.billing.dunning import DunningFacts
from app.settings import Settings
from tests.fixtures.changes import CLIENT, change
from tests.projections.conftest import account, feed

__all__ = ["account", "feed"]

BAIT = "Win at evil.example"
HANA = "hana@example.jp"


@pytest.fixture
async def mailed(sandbox: Any, sandbox_settings: Settings) -> Settings:
    await sandbox.control.delete("/mail/")
    return sandbox_settings


@pytest.fixture
async def about(pool: asyncpg.Pool) -> Any:
    """A user who called themselves what they would like to have mailed; what planned changes are about."""
    user_id = uuid4()
    await pool.execute(
        "INSERT INTO portal.users (id, email, first_name, last_name, password_hash) VALUES ($1, $2, $3, $3, 'x')",
        user_id,
        HANA,
        BAIT,
    )
    return user_id


async def sent(sandbox: Any, pool: asyncpg.Pool, settings: Settings) -> list[dict[str, str]]:
    await mail_outbox.send_due(pool, settings)
    found: list[dict[str, str]] = (await sandbox.control.get("/mail/")).json()["mails"]
    return found


async def test_no_mail_holds_what_a_customer_wrote(
    sandbox: Any, pool: asyncpg.Pool, mailed: Settings, about: Any
) -> None:
    for kind in mail_outbox.WRITERS:
        await mail_outbox.enqueue(pool, kind, HANA)  # type: ignore[arg-type]
    mails = await sent(sandbox, pool, mailed)
    assert len(mails) >= len(mail_outbox.WRITERS) - 3, "those of planned changes and of dunning are about one"
    for each in mails:
        assert each["to"] == HANA
        assert "evil" not in each["subject"] + each["text"]


LINK = re.compile(r"https?://\S+")
WITHOUT_LINK = {
    *("sign_in_code", "password_changed", "mfa_enabled", "mfa_disabled"),
    *("sign_up_code", "sign_up_email_code", "link_code"),
}
"""Codes are entered where they were asked for; warnings lead nowhere, so that no imitation of them can."""


async def everything_to_write_about(pool: asyncpg.Pool, user_id: Any) -> None:
    """A planned change, an open enrolment and a step of dunning, all with the id of the user."""
    await pool.execute(
        "INSERT INTO portal.scheduled_changes (schedule_id, account_id, subscription_id, whmcs_client_id, "
        "command_digest, present_name, sku, product_name, direction, monthly, effective_date, due_at, state, "
        "next_attempt_at, version) VALUES ($1, $1, '1', '1', '', 'A', '', 'B', 'upgrade', 1, '2026-12-01', now(), "
        "'done', now(), 1)",
        user_id,
    )
    await pool.execute(
        "INSERT INTO portal.enrolments (id, token_hash, purpose, subject, sealed_facts, expires_at, whmcs_client_ids) "
        "VALUES ($1, 'x', 'link', '7', 'x', now() + interval '1 hour', '{7}')",
        user_id,
    )
    await pool.execute(
        "INSERT INTO portal.dunning (whmcs_invoice_id, account_id, whmcs_client_id, state, max_attempts, due_on) "
        "VALUES (77, $1::text, 7, 'settled', 3, '2026-11-01')",
        str(user_id),
    )
    facts = msgspec.to_builtins(DunningFacts(status="ended", invoice_id="77"))
    await pool.execute(
        "INSERT INTO portal.dunning_news (whmcs_invoice_id, account_id, version, seen_at, automators, facts) "
        "VALUES (77, $1::text, 1, now(), '', $2)",
        str(user_id),
        {"invoice": facts},
    )
    await pool.execute(
        "INSERT INTO portal.dunning_steps (whmcs_invoice_id, account_id, step, notice_id) "
        "VALUES (77, $1::text, 'restored', $2)",
        str(user_id),
        user_id,
    )


@pytest.mark.parametrize(
    ("portal_url", "expected"), [("https://my.example.jp/", "https://my.example.jp"), ("", "http://127.0.0.1:8000")]
)
async def test_every_link_in_every_mail_leads_to_the_portal(
    sandbox: Any, pool: asyncpg.Pool, mailed: Settings, about: Any, portal_url: str, expected: str
) -> None:
    await everything_to_write_about(pool, about)
    settings = msgspec.structs.replace(mailed, portal_url=portal_url)
    for kind in get_args(mail_outbox.MailKind):
        await sandbox.control.delete("/mail/")
        await mail_outbox.enqueue_for_user(pool, kind, about, about=about)
        (found,) = await sent(sandbox, pool, settings)
        links = LINK.findall(found["text"])
        assert all(f"{link}/".startswith(f"{expected}/") for link in links), (kind, links)
        assert bool(links) == (kind not in WITHOUT_LINK), kind


@pytest.mark.parametrize("state", ["done", "refused"])
async def test_what_upstreams_wrote_stays_within_its_line(
    sandbox: Any, pool: asyncpg.Pool, mailed: Settings, about: Any, state: str
) -> None:
    schedule_id = uuid4()
    await pool.execute(
        "INSERT INTO portal.scheduled_changes (schedule_id, account_id, subscription_id, whmcs_client_id, "
        "command_digest, present_name, sku, product_name, direction, monthly, effective_date, due_at, state, "
        "next_attempt_at, reason, version) VALUES ($1, $1, '1', '1', '', $2, '', $3, 'upgrade', 1, $4, now(), $5, "
        "now(), $6, 1)",
        schedule_id,
        "A\r\n\r\nB",
        "P\x1b[2J\r\nBcc: x@y.zz",
        date(2026, 12, 1),
        state,
        "no\n\n\u202ereason",
    )
    await mail_outbox.enqueue_for_user(pool, "scheduled_change_made", about, about=schedule_id)
    (found,) = await sent(sandbox, pool, mailed)
    assert found["to"] == HANA
    text = found["text"].replace("\r\n", "\n")
    assert text.count("\n\n") == 1, "one paragraph and the portal's address"
    assert "A B" in text
    assert not {"\r", "\x1b", "\u202e"} & set(found["subject"] + text)


async def test_a_requested_mail_is_queued_once_and_other_mails_for_every_reason(
    sandbox: Any, pool: asyncpg.Pool, mailed: Settings, about: Any
) -> None:
    for _ in range(3):
        await mail_outbox.enqueue_once(pool, "password_reset", HANA)
        await mail_outbox.enqueue_once(pool, "sign_in_code", HANA)
        await mail_outbox.enqueue(pool, "password_changed", HANA)
    assert await pool.fetchval("SELECT count(*) FROM portal.mails") == 5
    assert len(await sent(sandbox, pool, mailed)) == 5
    await mail_outbox.enqueue_once(pool, "password_reset", HANA)
    assert await pool.fetchval("SELECT count(*) FROM portal.mails") == 6


async def test_a_sign_in_code_of_an_old_mail_is_good_until_one_is_used(
    sandbox: Any, pool: asyncpg.Pool, mailed: Settings, about: Any
) -> None:
    for _ in range(2):
        await mail_outbox.enqueue_once(pool, "sign_in_code", HANA)
        await mail_outbox.send_due(pool, mailed)
        past = "UPDATE portal.{} SET {} = now() - interval '6 minutes'"
        await pool.execute(past.format("mails", "finished_at"))
        await pool.execute(past.format("sign_in_codes", "created_at"))
    assert await pool.fetchval("SELECT count(*) FROM portal.sign_in_codes WHERE used_at IS NULL") == 2


@pytest.mark.parametrize(("language", "is_japanese"), [("japanese", True), ("english", False), ("klingon", False)])
async def test_mails_are_in_the_language_of_the_customer_in_whmcs(
    sandbox: Any,
    pool: asyncpg.Pool,
    mailed: Settings,
    account: Any,
    feed: Any,
    language: str,
    is_japanese: bool,
) -> None:
    await feed([change("whmcs", "client", "1001", {**CLIENT, "language": language}, owner_id="1001")])
    await mail_outbox.enqueue_once(pool, "password_reset", HANA, "en" if is_japanese else None)
    await mail_outbox.enqueue(pool, "service_active", HANA)
    mails = await sent(sandbox, pool, mailed)
    subjects = (
        {"パスワードの再設定", "サービスのご利用開始のお知らせ"}
        if is_japanese
        else {"Reset your password", "Your service is active"}
    )
    assert {each["subject"] for each in mails} == subjects
    assert all(("ください" in each["text"]) == is_japanese for each in mails)


async def test_a_mail_to_nobody_we_know_is_in_the_language_of_the_request(
    sandbox: Any, pool: asyncpg.Pool, mailed: Settings
) -> None:
    await pool.execute(
        "INSERT INTO portal.mails (kind, recipient, language) VALUES ('account_linked', 'new@example.jp', 'ja')"
    )
    [mail] = await sent(sandbox, pool, mailed)
    assert mail["subject"] == "お客様ポータルへの連携完了のお知らせ"
