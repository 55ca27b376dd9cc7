"""Mailed codes, which prove the ownership of a mailbox.

No code is stored. It is computed from PORTAL_SECRET, its purpose and subject, the mailbox, and the half hour of the
request. Therefore a mail that is sent twice has the same code, and a code that was requested by an attacker also serves
the owner's own request: the bound on mails locks nobody out.

Reads: portal.enrolments, portal.mails. Writes: portal.mails.
"""

import hmac
from datetime import datetime
from typing import Literal
from uuid import UUID

from app.commands.identity import readable_codes
from app.db import Db
from app.settings import Settings
from app.words.languages import Language

CodeKind = Literal["sign_up_code", "sign_up_email_code", "link_code"]

LENGTH = 8
"""Characters of five bits each."""
WINDOW_SECONDS = 1_800
MOST_MAILS = 3
"""The most mails with the same code to one mailbox; more would only fill it."""

_ENQUEUE = """
INSERT INTO portal.mails (kind, recipient, about, language)
SELECT $1, $2, own.id, $7 FROM portal.enrolments own
WHERE own.id = $3 AND $4 AND (
    SELECT count(*) FROM portal.mails m JOIN portal.enrolments e ON e.id = m.about
    WHERE m.recipient = $2 AND m.kind = $1 AND m.requested_at >= to_timestamp($5) AND e.subject = own.subject
) < $6
"""


def code(settings: Settings, kind: CodeKind, subject: str, mailbox: str, asked_at: datetime) -> str:
    """Compute the code to mail; `subject` identifies the customer."""
    return readable_codes.of_bytes(settings.keyring.mac(_content(kind, subject, mailbox, asked_at)), LENGTH)


def is_code(settings: Settings, kind: CodeKind, subject: str, mailbox: str, asked_at: datetime, typed: str) -> bool:
    """Tell if this code was mailed. Without a mailbox none was, and the answer takes the same time."""
    macs, given = (
        settings.keyring.macs(_content(kind, subject, mailbox, asked_at)),
        readable_codes.plain(typed).encode(),
    )
    right = [
        hmac.compare_digest(readable_codes.plain(readable_codes.of_bytes(mac, LENGTH)).encode(), given) for mac in macs
    ]
    return any(right) and bool(mailbox)


async def enqueue(
    connection: Db, kind: CodeKind, mailbox: str, enrolment_id: UUID, asked_at: datetime, language: Language | None
) -> None:
    """Enqueue a code in the caller's transaction, unless it was mailed often enough in this half hour. Without a
    mailbox nothing is mailed, but the same work is done. `language` is that of the request."""
    opened = float(_window(asked_at) * WINDOW_SECONDS)
    await connection.execute(_ENQUEUE, kind, mailbox, enrolment_id, bool(mailbox), opened, MOST_MAILS, language)


def _content(kind: CodeKind, subject: str, mailbox: str, asked_at: datetime) -> bytes:
    return "\0".join(("mailed code", kind, subject, mailbox.casefold(), str(_window(asked_at)))).encode()


def _window(asked_at: datetime) -> int:
    return int(asked_at.timestamp()) // WINDOW_SECONDS
