"""The outbox of mails: enqueued in the transaction of their cause, written and sent by a worker.

An entry has only the kind of mail, the recipient, and at most the id of a row that it concerns. Therefore known and
unknown addresses are handled alike, and a token exists only in the mail itself.

Reads: portal.users, scheduled_changes, enrolments, dunning_steps. Reads and writes: portal.mails. Writes:
portal.password_resets, portal.sign_in_codes.
"""

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal
from uuid import UUID

import asyncpg
import structlog

from app.commands.account import dunning_mail
from app.commands.execution.composed_mail import Addressee, mail
from app.commands.identity import reset_tokens, sign_in_codes
from app.commands.identity.enrolment import enrolment_mails
from app.db import Db, is_outage
from app.errors import UpstreamError, UpstreamRejected
from app.inputs.text import said
from app.integrations.mail import Mail, send
from app.readmodels.ordering import plan_change_refusals as refusals
from app.settings import Settings
from app.words.languages import Language, known
from app.words.sentence import Sentence, say, together

MailKind = Literal[
    "password_reset",
    "sign_in_code",
    "password_changed",
    "mfa_enabled",
    "mfa_disabled",
    "invitation",
    "service_active",
    "welcome",
    "scheduled_change_made",
    "scheduled_change_refused",
    "sign_up_code",
    "sign_up_email_code",
    "link_code",
    "account_signed_up",
    "account_linked",
    "dunning",
    "export_ready",
]

BATCH = 20
MOST_ATTEMPTS = 12
LONGEST_WAIT_SECONDS = 3_600
REQUEST_PAUSE_SECONDS = 300
"""The shortest interval between mails of a kind that strangers can request for a user. A request in between is covered
by the earlier mail, whose link or code is still valid."""
INVITATION_SECONDS = 3 * 24 * 3_600

TAKEN_SECONDS = 120
"""How long a mail is reserved for the worker that sends it; the mail server has far less time to answer."""

_TAKE = """
UPDATE portal.mails SET next_attempt_at = clock_timestamp() + $1 * interval '1 second'
WHERE id = (SELECT id FROM portal.mails WHERE finished_at IS NULL AND next_attempt_at <= clock_timestamp()
            ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, kind, recipient, about, attempts, language
"""
_USER = """
SELECT u.id, u.email, p.language FROM portal.users u
LEFT JOIN portal.id_mappings m ON m.user_id = u.id
LEFT JOIN read_model.profiles p ON p.account_id = m.account_id
WHERE lower(u.email) = lower($1)
"""
_FINISH = "UPDATE portal.mails SET finished_at = now(), outcome = $2, error = $3, attempts = attempts + 1 WHERE id = $1"
_LATER = (
    "UPDATE portal.mails SET attempts = attempts + 1, error = $2, "
    "next_attempt_at = clock_timestamp() + $3 * interval '1 second' WHERE id = $1"
)

log = structlog.get_logger()


async def enqueue(connection: Db, kind: MailKind, recipient: str) -> None:
    """Enqueue a mail in the caller's transaction."""
    await connection.execute("INSERT INTO portal.mails (kind, recipient) VALUES ($1, $2)", kind, recipient)


async def enqueue_once(connection: Db, kind: MailKind, recipient: str, language: Language | None = None) -> None:
    """Enqueue a mail that strangers can request, unless one of its kind is waiting. `recipient` is in lower case.

    `language` is that of the request; it counts for a recipient who has no language of their own.
    """
    await connection.execute(
        "INSERT INTO portal.mails (kind, recipient, language) VALUES ($1, $2, $3) ON CONFLICT (kind, recipient) "
        "WHERE finished_at IS NULL AND kind IN ('password_reset', 'sign_in_code') DO NOTHING",
        kind,
        recipient,
        language,
    )


async def enqueue_for_user(connection: Db, kind: MailKind, user_id: UUID | None, *, about: UUID | None = None) -> None:
    """Enqueue a mail to a user's own address."""
    await connection.execute(
        "INSERT INTO portal.mails (kind, recipient, about) SELECT $1, email, $3 FROM portal.users WHERE id = $2",
        kind,
        user_id,
        about,
    )


async def send_due(pool: asyncpg.Pool, settings: Settings) -> int:
    """Send the due mails one by one; returns their number. No transaction is open while a mail is sent."""
    for number in range(BATCH):
        row = await pool.fetchrow(_TAKE, TAKEN_SECONDS)
        if row is None:
            return number
        try:
            await _one(pool, settings, row)
        except Exception as error:  # one that cannot be written must not block the others
            if is_outage(error):
                raise
            log.exception("mail_failed", mail=row["id"], kind=row["kind"])
            await _postpone(pool, row, error)
    return BATCH


async def _one(pool: asyncpg.Pool, settings: Settings, row: Any) -> None:
    mail = await _written(pool, settings, row)
    if mail is None:
        await pool.execute(_FINISH, row["id"], "nobody", None)
        return
    try:
        await send(settings, mail)
    except UpstreamRejected as error:
        await pool.execute(_FINISH, row["id"], "given_up", str(error))
        log.error("mail_given_up", mail=row["id"], kind=row["kind"], error=str(error))
    except UpstreamError as error:
        await _postpone(pool, row, error)
    else:
        await pool.execute(_FINISH, row["id"], "sent", None)


async def _written(pool: asyncpg.Pool, settings: Settings, row: Any) -> Mail | None:
    async with pool.acquire() as connection, connection.transaction():
        user = await connection.fetchrow(_USER, row["recipient"])
        language = known(row["language"] or (user and user["language"]))
        if write := enrolment_mails.WRITERS.get(row["kind"]):  # to mailboxes that need not belong to a user
            return await write(connection, settings, Addressee(row["recipient"], language), row["about"])
        if user is None:
            return None
        to = Addressee(user["email"], known(user["language"] or row["language"]), user["id"])
        return await WRITERS[row["kind"]](connection, settings, to, row["about"])


async def _postpone(connection: Db, row: Any, error: Exception) -> None:
    if row["attempts"] + 1 >= MOST_ATTEMPTS:
        await connection.execute(_FINISH, row["id"], "given_up", str(error))
        log.error("mail_given_up", mail=row["id"], kind=row["kind"], error=str(error))
        return
    wait_seconds = min(2 ** row["attempts"] * 2, LONGEST_WAIT_SECONDS) * random.uniform(0.5, 1.0)
    await connection.execute(_LATER, row["id"], str(error), wait_seconds)
    log.warning("mail_postponed", mail=row["id"], kind=row["kind"], error=str(error))


def _link(settings: Settings, token: str) -> str:
    page = settings.password_reset_url or settings.mailed_url + "/reset-password?token={token}"
    return page.replace("{token}", token)


async def _is_in_mailbox(connection: Db, kind: MailKind, table: str, to: Addressee) -> bool:
    """Tell if such a mail was sent within the pause, and its token or code is still valid. A mail that was written but
    not sent does not count."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM portal.mails WHERE kind = $1 AND recipient = lower($2) AND outcome = 'sent' "
            "               AND finished_at > now() - $4 * interval '1 second') "
            f"AND EXISTS (SELECT FROM {table} WHERE user_id = $3 AND used_at IS NULL AND expires_at > now() "
            "             AND created_at > now() - $4 * 2 * interval '1 second')",
            kind,
            to.email,
            to.user_id,
            float(REQUEST_PAUSE_SECONDS),
        )
    )


async def _password_reset(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail | None:
    if await _is_in_mailbox(connection, "password_reset", "portal.password_resets", to):
        return None
    link = _link(settings, await reset_tokens.issue(connection, to.user_id, settings.password_reset_seconds))
    text = say("mails.password_reset", minutes=settings.password_reset_seconds // 60)
    return mail(to, say("mails.password_reset_subject"), text, link, say("mails.password_reset_ignore"))


async def _sign_in_code(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail | None:
    if await _is_in_mailbox(connection, "sign_in_code", "portal.sign_in_codes", to):
        return None
    code = await sign_in_codes.made(connection, to.user_id)
    text = say("mails.sign_in_code", minutes=sign_in_codes.LIFE_SECONDS // 60)
    return mail(to, say("mails.sign_in_code_subject"), text, code, say("mails.sign_in_code_ignore"))


async def _invitation(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail:
    """Invite a member of staff, in English as everything for staff."""
    link = _link(settings, await reset_tokens.issue(connection, to.user_id, INVITATION_SECONDS))
    text = "You have been given access to the customer portal. Choose a password within three days:"
    return mail(to, "Your access to the customer portal", text, link, "Then set up your authenticator app.")


async def _service_active(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail:
    return mail(to, say("mails.service_active_subject"), say("mails.service_active"), settings.mailed_url)


async def _welcome(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail:
    passwords = say("mails.welcome_passwords")
    return mail(to, say("mails.welcome_subject"), say("mails.welcome"), settings.mailed_url, passwords)


async def _scheduled_change(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail | None:
    row = await connection.fetchrow("SELECT * FROM portal.scheduled_changes WHERE schedule_id = $1", about)
    if row is None:
        return None
    present, product = said(row["present_name"]), said(row["product_name"])
    planned = say("mails.change_planned", present=present, plan=product, on=row["effective_date"])
    subject, outcome = say("mails.change_made_subject", plan=product), say("mails.change_made")
    if row["state"] == "refused":
        subject, reason = say("mails.change_refused_subject"), refusals.of_stored(said(row["reason"] or ""))
        outcome = together(say("mails.change_refused"), reason, say("mails.change_choose_again"))
    elif row["invoice_id"]:
        outcome = say("mails.change_awaits_payment", invoice=row["invoice_id"])
    return mail(to, subject, together(planned, outcome), settings.mailed_url)


async def _export_ready(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail:
    subject, text = say("mails.export_ready_subject"), say("mails.export_ready")
    return mail(to, subject, text, settings.mailed_url, say("mails.export_ready_not_you"))


def _notice(subject: Sentence, text: Sentence) -> "MailWriter":
    async def write(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail:
        return mail(to, subject, text, say("mails.not_you_reset"))

    return write


MailWriter = Callable[[Any, Settings, Addressee, UUID | None], Awaitable[Mail | None]]
WRITERS: Mapping[str, MailWriter] = {
    "password_reset": _password_reset,
    "sign_in_code": _sign_in_code,
    "invitation": _invitation,
    "service_active": _service_active,
    "welcome": _welcome,
    "scheduled_change_made": _scheduled_change,
    "scheduled_change_refused": _scheduled_change,
    "dunning": dunning_mail.write,
    "export_ready": _export_ready,
    "password_changed": _notice(say("mails.password_changed_subject"), say("mails.password_changed")),
    "mfa_enabled": _notice(say("mails.second_factor_on_subject"), say("mails.second_factor_on")),
    "mfa_disabled": _notice(say("mails.second_factor_off_subject"), say("mails.second_factor_off")),
}
"""Kind of mail → its writer."""
