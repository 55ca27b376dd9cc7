"""Canaries: harmless changes made upstream on a schedule and followed until they return through their feed.

Keepalives prove that a socket is alive, not that events arrive, and webhooks have no keepalives. In Salesforce the
canary writes a nonce into a field of a dedicated account, which only a change event brings to the mirror. In WHMCS it
saves a dedicated client unchanged, which only the hook file reports.

Writes: Salesforce Account (one field of one record), WHMCS client (unchanged), ingest.canaries, read_model.feeds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from secrets import token_hex
from typing import Protocol

import asyncpg
import structlog

from app.ingest.sources import webhook_feed
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.wire import ACCOUNT_CANARY
from app.integrations.whmcs.client import WhmcsClient

LOOK_SECONDS = 0.25

Alarm = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class CanaryPath(Protocol):
    """The path of a canary: out to an upstream, and back through its feed."""

    feed: str

    async def send(self, nonce: str) -> None:
        """Make the change."""

    async def seen(self, nonce: str) -> bool:
        """Return whether the change came back, and record that it did."""

    async def missed(self) -> None:
        """Record that it did not return in time."""


class CanaryFollower:
    """Sends a canary and follows it, one per round."""

    def __init__(self, pool: asyncpg.Pool, path: CanaryPath, *, patience_seconds: float) -> None:
        self._pool, self._path, self._patience_seconds = pool, path, patience_seconds

    async def watch(self, alarm: Alarm) -> str:
        """Send a canary and wait for it; call `alarm` when it does not return in time. Return what happened, in words.

        Raises:
            UpstreamError: it could not be sent, which says nothing about the feed.
        """
        took_seconds = await self.run_once()
        if took_seconds is not None:
            return f"back after {took_seconds:.1f} s"
        log.error("feed_delivers_nothing", feed=self._path.feed, patience_seconds=self._patience_seconds)
        await alarm()
        return f"not back within {self._patience_seconds:g} s"

    async def run_once(self) -> float | None:
        """Send a canary and wait for it; return the seconds it took, None when it did not return.

        Raises:
            UpstreamError: it could not be sent, which says nothing about the feed.
        """
        nonce, started = token_hex(8), time.monotonic()
        await self._pool.execute(
            "INSERT INTO ingest.canaries (feed, nonce, sent_at) VALUES ($1, $2, clock_timestamp()) "
            "ON CONFLICT (feed) DO UPDATE SET nonce = excluded.nonce, sent_at = excluded.sent_at, seen_at = NULL",
            self._path.feed,
            nonce,
        )
        await self._path.send(nonce)
        while time.monotonic() - started < self._patience_seconds:
            if await self._path.seen(nonce):
                await heard(self._pool, self._path.feed)
                return time.monotonic() - started
            await asyncio.sleep(LOOK_SECONDS)
        await self._path.missed()
        return None


async def heard(pool: asyncpg.Pool, feed: str) -> None:
    """Clear the mark of a silent feed: it delivers, or no canary watches it any more."""
    await pool.execute(
        "UPDATE read_model.feeds SET silent_since = NULL WHERE feed = $1 AND silent_since IS NOT NULL", feed
    )


class ChangeEvents:
    """The canary of a change feed. `account_id`: a Salesforce record dedicated to it."""

    def __init__(self, pool: asyncpg.Pool, client: SalesforceClient, feed: str, account_id: str) -> None:
        self.feed = feed
        self._pool, self._client, self._account_id = pool, client, account_id

    async def send(self, nonce: str) -> None:
        """Write the nonce into the canary field."""
        await self._client.update("Account", self._account_id, {ACCOUNT_CANARY: nonce})

    async def seen(self, nonce: str) -> bool:
        """Return whether the mirror holds the nonce."""
        return bool(
            await self._pool.fetchval(
                "UPDATE ingest.canaries SET seen_at = clock_timestamp() WHERE feed = $1 AND nonce = $2 AND EXISTS "
                "(SELECT FROM mirror.records WHERE source = 'salesforce' AND object = 'Account' AND record_id = $3 "
                "AND data ->> $4 = $2) RETURNING true",
                self.feed,
                nonce,
                self._account_id,
                ACCOUNT_CANARY,
            )
        )

    async def missed(self) -> None:
        """Mark the feed as silent since the canary was sent: its data is current as of then at best."""
        await self._pool.execute(
            "UPDATE read_model.feeds f SET silent_since = coalesce(f.silent_since, c.sent_at) FROM ingest.canaries c "
            "WHERE f.feed = $1 AND c.feed = $1",
            self.feed,
        )


class Webhooks:
    """The canary of WHMCS's hook file. `client_id`: a WHMCS client dedicated to it."""

    feed = webhook_feed.WEBHOOKS

    def __init__(self, pool: asyncpg.Pool, client: WhmcsClient, client_id: str) -> None:
        self._pool, self._client, self._client_id = pool, client, client_id

    async def send(self, nonce: str) -> None:
        """Save the client unchanged."""
        await self._client.update_client(self._client_id, {})

    async def seen(self, nonce: str) -> bool:
        """Return whether a webhook about the client has arrived since."""
        return bool(
            await self._pool.fetchval(
                "UPDATE ingest.canaries c SET seen_at = clock_timestamp() WHERE feed = $1 AND nonce = $2 AND EXISTS "
                "(SELECT FROM ingest.inbox i WHERE i.source = 'whmcs' AND i.object = 'client' AND i.record_id = $3 "
                "AND i.origin = 'webhook' AND i.received_at >= c.sent_at) RETURNING true",
                self.feed,
                nonce,
                self._client_id,
            )
        )

    async def missed(self) -> None:
        """Record that the hooks do not arrive."""
        await webhook_feed.missed(self._pool, "the canary did not come back", timedelta())
