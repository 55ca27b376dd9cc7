"""Mails during sign-up and linking, to mailboxes that need not belong to a user.

They contain no text from a customer, because the mailbox may be a stranger's.

Reads: portal.enrolments.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from app.commands.execution.composed_mail import Addressee, mail
from app.commands.identity.enrolment import mailed_codes
from app.db import Db
from app.integrations.mail import Mail
from app.settings import Settings
from app.words.sentence import Sentence, say, together

EnrolmentMailWriter = Callable[[Any, Settings, Addressee, UUID | None], Awaitable[Mail | None]]

_OPEN = "SELECT subject, created_at FROM portal.enrolments WHERE id = $1 AND used_at IS NULL AND expires_at > now()"
_MINUTES = mailed_codes.WINDOW_SECONDS // 60


def _code(kind: mailed_codes.CodeKind, subject: Sentence, text: Sentence) -> EnrolmentMailWriter:
    async def write(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail | None:
        row = await connection.fetchrow(_OPEN, about)
        if row is None:
            return None
        code = mailed_codes.code(settings, kind, row["subject"], to.email, row["created_at"])
        valid = together(text, say("mails.code_valid", minutes=_MINUTES))
        return mail(to, subject, valid, f"    {code}", say("mails.code_keep"))

    return write


def _notice(subject: Sentence, text: Sentence) -> EnrolmentMailWriter:
    async def write(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail | None:
        return mail(to, subject, text, settings.mailed_url, say("mails.not_you_support"))

    return write


WRITERS: Mapping[str, EnrolmentMailWriter] = {
    "sign_up_code": _code(
        "sign_up_code",
        say("mails.code_subject"),
        say("mails.sign_up_code"),
    ),
    "sign_up_email_code": _code(
        "sign_up_email_code",
        say("mails.code_subject"),
        say("mails.sign_up_email_code"),
    ),
    "link_code": _code(
        "link_code",
        say("mails.code_subject"),
        say("mails.link_code"),
    ),
    "account_signed_up": _notice(
        say("mails.signed_up_subject"),
        say("mails.signed_up"),
    ),
    "account_linked": _notice(
        say("mails.linked_subject"),
        say("mails.linked"),
    ),
}
"""Kind of mail → its writer, which receives the recipient and the enrolment's id."""
