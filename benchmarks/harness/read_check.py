"""A correctness check of reads: invoices change through the real projections while readers ask several API processes.

Each invoice's number counts its changes, so an answer says how old it is. An answer is *stale* when it was asked for
more than the stated bound after the commit of a change that it does not show, *behind* when it was asked for with the
change's consistency token and does not show it, *foreign* when it shows another customer's invoice, *revived* when a
session is accepted after the answer to its logout.
"""

import asyncio
import contextlib
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import asyncpg

from app.cache.lease import LEASE_SECONDS
from app.commands.identity.sessions import session_store
from app.events import Change
from app.http.answering.query_response import consistency_token
from app.ingest.apply import drain
from app.ingest.inbox import inbox
from app.projections.engine import recompute
from app.projections.registry import projectors
from app.settings import Settings
from benchmarks.harness.setup import INVOICE

_SHOWN = re.compile(rb'"invoice_id":"(\d+)","number":"K(\d+)"')
_LENGTH = re.compile(rb"content-length: (\d+)")
BATCH = 20


class Client:
    """One keep-alive connection that asks for one thing after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, token: str, method: str = "GET", more: str = "") -> tuple[int, bytes]:
        """(status, body)."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{more}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return int(head[9:12]), await reader.readexactly(int(length[1])) if length else b""

    def close(self) -> None:
        """Hang up."""
        if self._streams:
            self._streams[1].close()


class Check:
    """Writers, readers and a judge. `ports` are API processes; account n is client 1000 + n; its invoice is
    `first_invoice` + n, the newest it has."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        settings: Settings,
        ports: Sequence[int],
        accounts: Sequence[UUID],
        *,
        first_invoice: int = 0,
    ) -> None:
        self._first_invoice = first_invoice
        self._pool, self._settings, self._ports, self._accounts = pool, settings, ports, accounts
        self._project = partial(recompute.project, projectors(settings))
        self._shown = [(0, 0.0)] * (len(accounts) + 1)
        self._tokens: list[str] = [""] * (len(accounts) + 1)
        self._sessions: list[str] = [""]
        self._count = 0
        self.counts: Counter[str] = Counter()
        self.worst_seconds = 0.0

    async def prepare(self) -> None:
        """Create a session and an invoice for every account."""
        for account in self._accounts:
            user = await self._pool.fetchval("SELECT user_id FROM portal.id_mappings WHERE account_id = $1", account)
            opened = await session_store.open_session(self._pool, self._settings, user, "", "")
            self._sessions.append(opened.token)
        for start in range(1, len(self._accounts) + 1, 250):
            await self.write(range(start, min(start + 250, len(self._accounts) + 1)))
        self.counts.clear()

    async def write(self, numbers: Sequence[int]) -> None:
        """Change these invoices, from inbox to committed read model."""
        self._count += 1
        count, now = self._count, datetime.now(UTC)
        changes = [_change(self._first_invoice, number, count, now) for number in numbers]
        async with self._pool.acquire() as connection, connection.transaction():
            submission, _ = await inbox.append(connection, changes)
        by_shard: dict[int, list[int]] = {}
        for number, change in zip(numbers, changes, strict=True):
            by_shard.setdefault(inbox.shard_of(change), []).append(number)
        for shard, those in by_shard.items():
            await drain.drain(self._pool, shard, self._project, _nothing, _nothing)
            committed_at = time.monotonic()
            for number in those:
                self._shown[number] = (count, committed_at)
                token = consistency_token(self._settings, self._accounts[number - 1], submission)
                self._tokens[number] = f"Consistency-Token: {token}\r\n"
        self.counts["writes"] += len(numbers)

    async def run(self, seconds: float, *, readers: int, writes_a_second: float) -> None:
        """Everything at once, for so long."""
        ends_at = time.monotonic() + seconds
        tasks = [self._read(ends_at, random.Random(number)) for number in range(readers)]
        await asyncio.gather(self._write(ends_at, writes_a_second), self._log_out(ends_at), *tasks)

    async def _write(self, ends_at: float, a_second: float) -> None:
        chance = random.Random(7)
        while time.monotonic() < ends_at:
            began = time.monotonic()
            await self.write(sorted(chance.sample(range(1, len(self._accounts) + 1), BATCH)))
            await asyncio.sleep(max(0.0, BATCH / a_second - (time.monotonic() - began)))

    async def _read(self, ends_at: float, chance: random.Random) -> None:
        with contextlib.closing(Client(chance.choice(self._ports))) as client:
            while time.monotonic() < ends_at:
                number = min(int(chance.paretovariate(0.7)), len(self._accounts))  # few are asked for most
                demanding = chance.random() < 0.05
                (expected, committed_at), began = self._shown[number], time.monotonic()
                more = self._tokens[number] if demanding else ""
                status, body = await client.ask("/api/invoices", self._sessions[number], more=more)
                self.counts["reads"] += 1
                self._judge(number, status, body, expected, began - committed_at, demanding)

    def _judge(self, number: int, status: int, body: bytes, expected: int, age_seconds: float, demanding: bool) -> None:
        found = _SHOWN.search(body)
        if status != 200 or found is None:
            self.counts[f"status {status}"] += 1
            return
        if int(found[1]) != self._first_invoice + number:
            self.counts["foreign"] += 1
        if int(found[2]) < expected:
            self.worst_seconds = max(self.worst_seconds, age_seconds)
            self.counts["behind"] += demanding
            self.counts["stale"] += age_seconds > LEASE_SECONDS
            self.counts["within the bound"] += 1

    async def _log_out(self, ends_at: float) -> None:
        clients = [Client(port) for port in self._ports]
        account = self._accounts[0]
        user = await self._pool.fetchval("SELECT user_id FROM portal.id_mappings WHERE account_id = $1", account)
        while time.monotonic() < ends_at:
            opened = await session_store.open_session(self._pool, self._settings, user, "", "")
            for client in clients:
                await client.ask("/api/invoices", opened.token)
            await clients[0].ask("/api/auth/logout", opened.token, "POST", "Content-Length: 0\r\n")
            for client in clients:
                status, _ = await client.ask("/api/invoices", opened.token)
                self.counts["revived"] += status != 401
            self.counts["logouts"] += 1
        for client in clients:
            client.close()


def _change(first: int, number: int, count: int, now: datetime) -> Change:
    return Change(
        source="whmcs",
        object="invoice",
        record_id=str(first + number),
        kind="full",
        event_id=f"check:{number}:{count}",
        version=int(now.timestamp() * 1000) + count,
        occurred_at=now,
        origin="command",
        data={**INVOICE, "invoicenum": f"K{count}"},
        owner_id=str(1000 + number),
        read_at=now,
    )


async def _nothing(*_: object) -> None:
    return None
