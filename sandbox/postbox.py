"""A mail server that delivers nothing: the portal's mails can be read on the control surface."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

KEPT = 1_000


class Postbox:
    """Received mails, listed newest first. While `refusal` is set it is the answer to every mail."""

    def __init__(self) -> None:
        self.mails: deque[dict[str, str]] = deque(maxlen=KEPT)
        self.refusal = ""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the name that aiosmtpd calls
        """Store a mail, or refuse it."""
        if self.refusal:
            return self.refusal
        content: Any = envelope.content
        message = message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        body = message.get_body()
        text = body.get_content() if body else ""
        for recipient in envelope.rcpt_tos:
            self.mails.append({"to": recipient, "subject": str(message["Subject"]), "text": text})
        return "250 OK"

    @contextlib.asynccontextmanager
    async def listening(self, bound: socket.socket) -> AsyncIterator[None]:
        """Serve on a bound socket."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(self, enable_SMTPUTF8=True, hostname="sandbox"), sock=bound)
        try:
            yield
        finally:
            server.close()

    def routes(self) -> list[Route]:
        """Return the routes of the control surface, to be mounted under /mail."""
        return [
            Route("/", self._list, methods=["GET"]),
            Route("/", self._clear, methods=["DELETE"]),
            Route("/refusal", self._refuse, methods=["PUT"]),
        ]

    async def _list(self, request: Request) -> JSONResponse:
        """List the mails; `?to=` selects one recipient."""
        wanted = request.query_params.get("to")
        return JSONResponse({"mails": [each for each in reversed(self.mails) if wanted in (None, each["to"])]})

    async def _clear(self, request: Request) -> JSONResponse:
        self.mails.clear()
        self.refusal = ""
        return JSONResponse({"mails": []})

    async def _refuse(self, request: Request) -> JSONResponse:
        """Refuse mails with `{"answer": "451 try later"}` from now on; an empty answer accepts them again."""
        self.refusal = str((await request.json()).get("answer") or "")
        return JSONResponse({"refusal": self.refusal})
