"""A mailed code proves a mailbox.

No code is stored. It is computed from PORTAL_SECRET, from what it is for and whose it is, from the mailbox, and from
the half hour in which it was asked for: a mail that is sent twice says the same, and whoever asks while strangers do
holds a code that is good for his own request as well. So a bound on mails silences nobody.

Reads: portal.enrolments, portal.mails. Writes: portal.mails.
"""

import hashlib
import hmac
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from app.commands import codes
from app.settings import Settings

Kind = Literal["sign_up_code", "sign_up_email_code", "link_code"]

LENGTH = 8
"""Characters of five bits."""
WINDOW_SECONDS = 1_800
MOST_MAILS = 3
"""With one and the same code to one mailbox; more would only fill it."""

_ASK = """
INSERT INTO portal.mails (kind, recipient, about)
SELECT $1, $2, own.id FROM portal.enrolments own
WHERE own.id = $3 AND $4 AND (
    SELECT count(*) FROM portal.mails m JOIN portal.enrolments e ON e.id = m.about
    WHERE m.recipient = $2 AND m.kind = $1 AND m.requested_at >= to_timestamp($5) AND e.subject = own.subject
) < $6
"""


def code(settings: Settings, kind: Kind, subject: str, mailbox: str, asked_at: datetime) -> str:
    """The code that is mailed: `subject` is whose it is."""
    key = hmac.digest(settings.portal_secret.encode(), b"mailed code", hashlib.sha256)
    about = "\0".join((kind, subject, mailbox.casefold(), str(_window(asked_at))))
    return codes.of_bytes(hmac.digest(key, about.encode(), hashlib.sha256), LENGTH)


def is_code(settings: Settings, kind: Kind, subject: str, mailbox: str, asked_at: datetime, typed: str) -> bool:
    """Whether this was mailed. Without a mailbox nothing was, and the answer takes as long."""
    right = codes.plain(code(settings, kind, subject, mailbox, asked_at))
    return hmac.compare_digest(right.encode(), codes.plain(typed).encode()) and bool(mailbox)


async def ask(connection: Any, kind: Kind, mailbox: str, enrolment_id: UUID, asked_at: datetime) -> None:
    """Have a code mailed once the caller's transaction is committed, unless it was mailed often enough in this half
    hour. Without a mailbox nothing is mailed, by the same work."""
    opened = float(_window(asked_at) * WINDOW_SECONDS)
    await connection.execute(_ASK, kind, mailbox, enrolment_id, bool(mailbox), opened, MOST_MAILS)


def _window(asked_at: datetime) -> int:
    return int(asked_at.timestamp()) // WINDOW_SECONDS
