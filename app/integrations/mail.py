"""Mail through an SMTP server, one connection per message; smtplib blocks, so it runs in a thread."""

import asyncio
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr

from msgspec import Struct

from app.errors import UpstreamRejected, UpstreamUnavailable
from app.inputs.email import ENCODED, is_sendable
from app.inputs.text import said
from app.integrations.tls import trusted
from app.settings import Settings

MAIL = "mail"
STEPS = 6
"""Greeting, TLS, login, sender, recipient, text: the server may use its whole time-out for each."""


class Mail(Struct, frozen=True):
    """A plain-text mail to one mailbox."""

    recipient: str
    subject: str
    text: str


async def send(settings: Settings, mail: Mail) -> None:
    """Deliver a mail to the SMTP server.

    Raises:
        UpstreamUnavailable: no server is configured, or it was not reached or is busy; try again later.
        UpstreamRejected: the server will never accept this mail, or the mail cannot be composed.
    """
    if not settings.smtp_host:
        raise UpstreamUnavailable(MAIL, "send", "SMTP_HOST is not set")
    try:
        message = _message(settings, mail)
    except Exception as error:  # a line break in a header, an invalid address
        raise UpstreamRejected(MAIL, "send", type(error).__name__) from error
    try:
        async with asyncio.timeout(settings.smtp_timeout_seconds * STEPS):
            await asyncio.to_thread(_send, settings, message, mail.recipient)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        kind = UpstreamRejected if all(code >= 500 for code in codes) else UpstreamUnavailable
        raise kind(MAIL, "send", f"recipient refused ({codes})") from None  # the vendor's text names the recipient
    except (
        UnicodeError,
        smtplib.SMTPNotSupportedError,
    ) as error:  # not expressible to this server
        raise UpstreamRejected(MAIL, "send", type(error).__name__) from error
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise UpstreamUnavailable(MAIL, "send", type(error).__name__) from error


def _message(settings: Settings, mail: Mail) -> EmailMessage:
    """Compose the message.

    Raises:
        ValueError: the recipient is not exactly one address.
    """
    if not is_sendable(mail.recipient):
        raise ValueError("not an address")
    local, _, domain = mail.recipient.rpartition("@")
    message = EmailMessage()
    message["From"], message["Subject"] = settings.mail_from, _as_it_reads(mail.subject)
    message["To"] = Address(username=local, domain=domain)
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=_sender(settings).rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _as_it_reads(subject: str) -> str:
    """One line in which nothing is encoded: the library would decode it, and write the line breaks that it finds."""
    return said(subject).replace(ENCODED, "= ?")


def _send(settings: Settings, message: EmailMessage, recipient: str) -> None:
    """Send to the envelope's recipient alone; recipients are never read from headers."""
    context = trusted(settings)
    with _connected(settings, context) as server:
        if settings.smtp_security == "starttls":
            server.starttls(context=context)
        if settings.smtp_username:
            server.login(settings.smtp_username, settings.smtp_password)
        server.send_message(message, from_addr=_sender(settings), to_addrs=[recipient])


def _sender(settings: Settings) -> str:
    """Return the bare address of the setting, which may include a name."""
    return parseaddr(settings.mail_from)[1]


def _connected(settings: Settings, context: ssl.SSLContext) -> smtplib.SMTP:
    host, port, seconds = settings.smtp_host, settings.smtp_port, settings.smtp_timeout_seconds
    if settings.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=seconds, context=context)
    return smtplib.SMTP(host, port, timeout=seconds)
