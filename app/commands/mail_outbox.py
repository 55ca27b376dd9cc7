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
from app.commands.identity import reset_tokens, sign_in_codes
from app.commands.identity.enrolment import enrolment_mails
from app.db import Db, is_outage
from app.errors import UpstreamError, UpstreamRejected
from app.inputs.text import said
from app.integrations.mail import Mail, send
from app.settings import Settings

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
RETURNING id, kind, recipient, about, attempts
"""
_USER = "SELECT id, email FROM portal.users WHERE lower(email) = lower($1)"
_FINISH = "UPDATE portal.mails SET finished_at = now(), outcome = $2, error = $3, attempts = attempts + 1 WHERE id = $1"
_LATER = (
    "UPDATE portal.mails SET attempts = attempts + 1, error = $2, "
    "next_attempt_at = clock_timestamp() + $3 * interval '1 second' WHERE id = $1"
)

log = structlog.get_logger()


async def enqueue(connection: Db, kind: MailKind, recipient: str) -> None:
    """Enqueue a mail in the caller's transaction."""
    await connection.execute("INSERT INTO portal.mails (kind, recipient) VALUES ($1, $2)", kind, recipient)


async def enqueue_once(connection: Db, kind: MailKind, recipient: str) -> None:
    """Enqueue a mail that strangers can request, unless one of its kind is waiting. `recipient` is in lower case."""
    await connection.execute(
        "INSERT INTO portal.mails (kind, recipient) VALUES ($1, $2) ON CONFLICT (kind, recipient) "
        "WHERE finished_at IS NULL AND kind IN ('password_reset', 'sign_in_code') DO NOTHING",
        kind,
        recipient,
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
        if write := enrolment_mails.WRITERS.get(row["kind"]):  # to mailboxes that need not belong to a user
            return await write(connection, settings, row["recipient"], row["about"])
        return await WRITERS[row["kind"]](connection, settings, user, row["about"]) if user else None


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


async def _is_in_mailbox(connection: Db, kind: MailKind, table: str, user: Any) -> bool:
    """Tell if such a mail was sent within the pause, and its token or code is still valid. A mail that was written but
    not sent does not count."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM portal.mails WHERE kind = $1 AND recipient = lower($2) AND outcome = 'sent' "
            "               AND finished_at > now() - $4 * interval '1 second') "
            f"AND EXISTS (SELECT FROM {table} WHERE user_id = $3 AND used_at IS NULL AND expires_at > now() "
            "             AND created_at > now() - $4 * 2 * interval '1 second')",
            kind,
            user["email"],
            user["id"],
            float(REQUEST_PAUSE_SECONDS),
        )
    )


async def _password_reset(connection: Db, settings: Settings, user: Any, about: UUID | None) -> Mail | None:
    if await _is_in_mailbox(connection, "password_reset", "portal.password_resets", user):
        return None
    link = _link(settings, await reset_tokens.issue(connection, user["id"], settings.password_reset_seconds))
    minutes = settings.password_reset_seconds // 60
    text = f"Choose a new password here. The link works once, for {minutes} minutes:\n\n{link}\n\n"
    return _mail(
        user, "Reset your password", text + "If you did not ask for this, ignore this mail: nothing has changed."
    )


async def _sign_in_code(connection: Db, settings: Settings, user: Any, about: UUID | None) -> Mail | None:
    if await _is_in_mailbox(connection, "sign_in_code", "portal.sign_in_codes", user):
        return None
    code, minutes = await sign_in_codes.made(connection, user["id"]), sign_in_codes.LIFE_SECONDS // 60
    text = f"Enter this code with your password when you log in. It works once, for {minutes} minutes:\n\n{code}\n\n"
    return _mail(
        user,
        "Your sign-in code",
        text + "If you did not ask for it, ignore this mail: nobody can log in with it without your password. "
        "We never ask for the code by telephone or mail.",
    )


async def _invitation(connection: Db, settings: Settings, user: Any, about: UUID | None) -> Mail:
    link = _link(settings, await reset_tokens.issue(connection, user["id"], INVITATION_SECONDS))
    text = f"You have been given access to the customer portal. Choose a password within three days:\n\n{link}\n\n"
    return _mail(user, "Your access to the customer portal", text + "Then set up your authenticator app.")


async def _service_active(connection: Db, settings: Settings, user: Any, about: UUID | None) -> Mail:
    text = f"Your order is active. You find it among your services:\n\n{settings.mailed_url}"
    return _mail(user, "Your service is active", text)


async def _welcome(connection: Db, settings: Settings, user: Any, about: UUID | None) -> Mail:
    text = (
        "Welcome. Your order is set up. You find it among your services in the portal, where you can open its "
        f"control panel without another password:\n\n{settings.mailed_url}\n\n"
        "The mailboxes and databases that we created for you have random passwords. Set your own in the "
        "control panel."
    )
    return _mail(user, "Welcome: your service is set up", text)


async def _scheduled_change(connection: Db, settings: Settings, user: Any, about: UUID | None) -> Mail | None:
    row = await connection.fetchrow("SELECT * FROM portal.scheduled_changes WHERE schedule_id = $1", about)
    if row is None:
        return None
    present, product = said(row["present_name"]), said(row["product_name"])
    planned = f"You planned to change {present} to {product} on {row['effective_date']}."
    subject = f"{product}, as you planned it"
    outcome = "That is done, and takes effect within minutes."
    if row["state"] == "refused":
        subject = "Your change of plan could not be made"
        outcome = (
            f"That could not be done, and nothing was changed. {said(row['reason'] or '')} "
            "To choose again, look at your services."
        )
    elif row["invoice_id"]:
        outcome = f"It is ordered, and takes effect when invoice {row['invoice_id']} is paid."
    return _mail(user, subject, f"{planned} {outcome}\n\n{settings.mailed_url}")


async def _export_ready(connection: Db, settings: Settings, user: Any, about: UUID | None) -> Mail:
    text = (
        f"The copy of your data that you asked for is ready. Download it in the portal within a day:\n\n"
        f"{settings.mailed_url}\n\nIf you did not ask for it, reset your password at once and contact support."
    )
    return _mail(user, "The copy of your data is ready", text)


def _notice(subject: str, text: str) -> "MailWriter":
    async def write(connection: Db, settings: Settings, user: Any, about: UUID | None) -> Mail:
        warning = "If this was not you, reset your password at once and contact support."
        return _mail(user, subject, f"{text}\n\n{warning}")

    return write


def _mail(user: Any, subject: str, text: str) -> Mail:
    """Compose a mail without any text from a customer, names included: a sign-up with a stranger's address would
    otherwise send that person a text of the attacker's choice."""
    return Mail(user["email"], subject, f"{text}\n")


MailWriter = Callable[[Any, Settings, Any, UUID | None], Awaitable[Mail | None]]
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
    "password_changed": _notice(
        "Your password was changed", "Your password was changed, and all other sessions were ended."
    ),
    "mfa_enabled": _notice("Your second factor is on", "From now on logging in asks for a code of your app as well."),
    "mfa_disabled": _notice("Your second factor is off", "From now on your password alone is enough to log in."),
}
