"""A Salesforce org on a real TLS socket that answers in documented shapes, spoiled in any way a test says."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from app.integrations.admission.upstream_admission import UpstreamAdmission
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.wire import FIELDS
from tests.integrations.salesforce.certificates import self_signed
from tests.integrations.salesforce.conftest import settings_of

RECORD_ID = "801000000000001AAA"
STAMP = "2026-02-01T00:00:00.000+0000"


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    body: bytes

    @property
    def is_token(self) -> bool:
        return self.path.endswith("/oauth2/token")

    @property
    def soql(self) -> str:
        return parse_qs(urlsplit(self.path).query).get("q", [""])[0]


Spoil = Callable[[Asked, bytes], Awaitable[None]]


def framed(content: bytes, status: int = 200, **headers: str) -> bytes:
    """Return a well-formed HTTP answer."""
    lines = [
        f"HTTP/1.1 {status} Rude",
        f"Content-Length: {len(content)}",
        "Content-Type: application/json",
        "Connection: close",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def refused(code: str, status: int = 400, *fields: str) -> bytes:
    """Return an error of Salesforce's own."""
    return framed(json.dumps([{"errorCode": code, "message": f"{code}: no", "fields": list(fields)}]).encode(), status)


def row(**more: Any) -> dict[str, Any]:
    """Return a row with every field that any query selects."""
    names = {name for fields in FIELDS.values() for name in fields}
    found = dict.fromkeys(names) | {
        "attributes": {"type": "X"},
        "Id": RECORD_ID,
        "AccountId": RECORD_ID,
        "Status": "Approved",
        "CreatedDate": STAMP,
        "LastModifiedDate": STAMP,
        "SystemModstamp": STAMP,
        "Subject": "No signal",
        "Description": "since today",
        "CaseNumber": "00001",
        "Priority": "High",
        "IsClosed": False,
        "IsDeleted": False,
        "Origin": "Portal Website",
        "Quantity": 1.0,
        "UnitPrice": 100.0,
        "IsActive": True,
        "MasterRecordId": None,
        "CaseComments": {"records": [{"Id": RECORD_ID, "CommentBody": "Hi", "CreatedDate": STAMP}]},
        "ContentDocumentLinks": {"records": [{"ContentDocumentId": RECORD_ID, "Visibility": "AllUsers"}]},
    }
    return found | more


def good(asked: Asked) -> tuple[int, Any]:
    """Status and body as Salesforce documents them."""
    path = urlsplit(asked.path).path
    if "/query" in path and "COUNT(" in unquote_plus(asked.path):
        return 200, {"totalSize": 1, "done": True, "records": [{"attributes": {"type": "AggregateResult"}, "found": 3}]}
    if "/query" in path:
        return 200, {"totalSize": 1, "done": True, "records": [row()]}
    if path.endswith("/composite"):
        parts = json.loads(asked.body)["compositeRequest"]
        return 200, {
            "compositeResponse": [
                {"referenceId": part["referenceId"], "httpStatusCode": 201, "body": {"id": RECORD_ID, "success": True}}
                for part in parts
            ]
        }
    if path.endswith("/describe"):
        return 200, {"name": "Order", "fields": [], "queryable": True}
    if asked.method == "GET":
        return 200, row()
    return 201, {"id": RECORD_ID, "success": True, "errors": []}


def encoded(asked: Asked) -> bytes:
    status, body = good(asked)
    return framed(json.dumps(body).encode(), status)


class Unbroken(UpstreamAdmission):
    """A breaker that stays closed, so that every call is made: what one call comes to is asked here."""

    def _open(self, reason: str, seconds: float, error: str) -> None:
        """Never."""


@dataclass
class RudeOrg:
    """The org. `speak` writes the answer to anything but a request for a token; `tokens` answers those."""

    url: str = ""
    client: Any = None
    speak: Callable[[Asked, asyncio.StreamWriter], Awaitable[None]] | None = None
    tokens: Callable[[Asked, asyncio.StreamWriter], Awaitable[None]] | None = None
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    def answers(self, make: Callable[[Asked], bytes]) -> None:
        """Answer with these bytes, and close the connection, as what they say of their length may be a lie."""

        async def speak(asked: Asked, writer: asyncio.StreamWriter) -> None:
            writer.write(make(asked))
            await writer.drain()

        self.speak, self.asked = speak, []

    @property
    def calls(self) -> list[Asked]:
        return [each for each in self.asked if not each.is_token]

    @property
    def token_requests(self) -> int:
        return sum(each.is_token for each in self.asked)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            asked = await _read(reader)
            self.asked.append(asked)
            if asked.is_token and self.tokens is None:
                body = {"access_token": f"00D000000000001!{self.token_requests}", "instance_url": self.url}
                writer.write(framed(json.dumps(body).encode()))
            elif asked.is_token:
                await self.tokens(asked, writer)  # type: ignore[misc]
            else:
                assert self.speak is not None
                await self.speak(asked, writer)
            await writer.drain()
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    length = next((line.partition(":")[2] for line in lines if line.lower().startswith("content-length:")), "0")
    method, path, _ = first.split(" ")
    return Asked(method, unquote_plus(path) if "?" not in path else path, await reader.readexactly(int(length)))


@contextlib.asynccontextmanager
async def rude_org(stand_in: Any, directory: Path, **settings: Any) -> AsyncIterator[RudeOrg]:
    """Run the org and yield it with a client."""
    certificate_file, key_file = self_signed(directory)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate_file, key_file)
    org, tasks = RudeOrg(), set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(org.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    org.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    org.answers(encoded)
    given = {
        "ca_file": str(certificate_file),
        "salesforce_token_url": f"{org.url}/services/oauth2/token",
        "salesforce_timeout_seconds": 10.0,
        "salesforce_concurrency": 2,
    }
    known = settings_of(stand_in, **(given | settings))
    org.client = await SalesforceClient.open(known, Unbroken("salesforce", calls_per_second=1_000, concurrency=8))
    try:
        yield org
    finally:
        for task in list(tasks):
            task.cancel()
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        await org.client.close()
