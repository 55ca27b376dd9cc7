"""Mails: one recipient, named by the envelope, and nothing in them that somebody else wrote into a header."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.errors import UpstreamRejected
from app.integrations.mail import Mail, send
from app.settings import Settings
from tests.inputs.test_email import NEVER

SENDER = "Portal <no-reply@portal.example>"
HARMFUL_SUBJECTS = [
    "Plan\r\nBcc: victim@example.com",
    "Plan\nTo: victim@example.com",
    "Plan\r\n\r\nbody",
    "P\x1b[2J\u202eplan",
    "x" * 2_000,
    "=?utf-8?q?a=0d=0aBcc=3av=40x.example?= as planned",
    "Größe =?utf-8?q?a=0aTo=3av=40x.example?=",
    "=?utf-8?b?YQ0KDQpib2R5?=",
]


class Kept:
    """A mail server that stores what it receives, byte for byte."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the name that aiosmtpd calls
        self.envelopes.append(envelope)
        return "250 OK"


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[tuple[Settings, list[Envelope]]]:
    handler = Kept()
    listening = await asyncio.get_running_loop().create_server(lambda: SMTP(handler), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    here = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none", "mail_from": SENDER}
    yield msgspec.structs.replace(settings, **here), handler.envelopes
    listening.close()


@pytest.mark.parametrize("recipient", NEVER)
async def test_nothing_is_sent_to_what_is_not_exactly_one_mailbox(server: Any, recipient: str) -> None:
    settings, envelopes = server
    with pytest.raises(UpstreamRejected):
        await send(settings, Mail(recipient, "Subject", "Text"))
    assert envelopes == []


async def test_the_envelope_names_the_recipient_and_the_bare_sender(server: Any) -> None:
    settings, envelopes = server
    for recipient in ("hana@example.jp", "taro..yamada.@docomo.example", "o'brien+x@x.example", "a%b@x.example"):
        await send(settings, Mail(recipient, "Subject", "Text"))
        assert envelopes[-1].rcpt_tos == [recipient]
        assert envelopes[-1].mail_from == "no-reply@portal.example"


@pytest.mark.parametrize("subject", HARMFUL_SUBJECTS)
async def test_a_subject_stays_a_subject(server: Any, subject: str) -> None:
    settings, envelopes = server
    await send(settings, Mail("hana@example.jp", subject, "Text"))
    assert envelopes[-1].rcpt_tos == ["hana@example.jp"]
    head, _, body = bytes(envelopes[-1].content or b"").partition(b"\r\n\r\n")
    names = [line.split(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
    assert names.count(b"to") == names.count(b"from") == names.count(b"subject") == 1
    assert b"bcc" not in names
    assert body.strip() == b"Text"
    assert b"\x1b" not in head


async def test_the_text_ends_where_it_ends(server: Any) -> None:
    """A lone dot ends a message in SMTP."""
    settings, envelopes = server
    await send(settings, Mail("hana@example.jp", "Subject", "a\r\n.\r\nMAIL FROM:<x@y.zz>\r\nb"))
    assert len(envelopes) == 1
    assert b"MAIL FROM:<x@y.zz>" in bytes(envelopes[0].content or b"")


async def test_a_setting_that_is_no_sender_sends_nothing(server: Any) -> None:
    settings, envelopes = server
    wrong = msgspec.structs.replace(settings, mail_from="no-reply@portal.example\r\nBcc: victim@example.com")
    with pytest.raises(UpstreamRejected):
        await send(wrong, Mail("hana@example.jp", "Subject", "Text"))
    assert envelopes == []
