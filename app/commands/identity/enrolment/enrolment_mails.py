"""Mails during sign-up and linking, to mailboxes that need not belong to a user.

They contain no text from a customer, because the mailbox may be a stranger's.

Reads: portal.enrolments.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from app.commands.identity.enrolment import mailed_codes
from app.db import Db
from app.integrations.mail import Mail
from app.settings import Settings

EnrolmentMailWriter = Callable[[Any, Settings, str, UUID | None], Awaitable[Mail | None]]

_OPEN = "SELECT subject, created_at FROM portal.enrolments WHERE id = $1 AND used_at IS NULL AND expires_at > now()"
_MINUTES = mailed_codes.WINDOW_SECONDS // 60
_KEEP = "Our staff will never ask you for this code. If you did not expect this mail, ignore it: nothing happens."


def _code(kind: mailed_codes.CodeKind, subject: str, text: str) -> EnrolmentMailWriter:
    async def write(connection: Db, settings: Settings, recipient: str, about: UUID | None) -> Mail | None:
        row = await connection.fetchrow(_OPEN, about)
        if row is None:
            return None
        code = mailed_codes.code(settings, kind, row["subject"], recipient, row["created_at"])
        return Mail(recipient, subject, f"{text} It is valid for {_MINUTES} minutes:\n\n    {code}\n\n{_KEEP}\n")

    return write


def _notice(subject: str, text: str) -> EnrolmentMailWriter:
    async def write(connection: Db, settings: Settings, recipient: str, about: UUID | None) -> Mail | None:
        warning = "If this was not you, contact support at once: somebody else can see your bills and can order."
        return Mail(recipient, subject, f"{text}\n\n{settings.mailed_url}\n\n{warning}\n")

    return write


WRITERS: Mapping[str, EnrolmentMailWriter] = {
    "sign_up_code": _code(
        "sign_up_code",
        "Your code for the customer portal",
        "Somebody is signing up to the customer portal with your customer number. If it is you, enter this code there.",
    ),
    "sign_up_email_code": _code(
        "sign_up_email_code",
        "Your code for the customer portal",
        "Somebody is signing up to the customer portal with this address. If it is you, enter this code there.",
    ),
    "link_code": _code(
        "link_code",
        "Your code for the customer portal",
        "Somebody is linking your billing account to the customer portal. If it is you, enter this code there.",
    ),
    "account_signed_up": _notice(
        "Your account was signed up to the customer portal",
        "Your customer account was signed up to the customer portal.",
    ),
    "account_linked": _notice(
        "Your billing account was linked to the customer portal",
        "Your billing account was linked to the customer portal. From now on you open it with the portal's password.",
    ),
}
"""Kind of mail → its writer, which receives the recipient and the enrolment's id."""
