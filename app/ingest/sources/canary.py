"""The canaries: harmless changes, made upstream on a schedule and followed until they come back.

Keepalives prove that a socket lives, not that events come, and webhooks have no keepalives at all. A canary proves it:
in Salesforce it writes a fresh word into a field of an account that belongs to nobody, and nothing but a change event
brings that word to the mirror; in WHMCS it saves a client that belongs to nobody unchanged, and nothing but the hook
file tells of that.

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

from app.errors import UpstreamError
from app.ingest.sources import webhook_feed
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.wire import ACCOUNT_CANARY
from app.integrations.whmcs.client import WhmcsClient

LOOK_SECONDS = 0.25

Alarm = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class CanaryPath(Protocol):
    """The way that a canary takes: out to an upstream, and back by its feed."""

    feed: str

    async def send(self, word: str) -> None:
        """Make the change."""

    async def seen(self, word: str) -> bool:
        """Whether it came back; noted once it did."""

    async def missed(self) -> None:
        """Note that it did not come back in time."""


class CanaryFollower:
    """Follows one word a round."""

    def __init__(self, pool: asyncpg.Pool, path: CanaryPath, *, patience_seconds: float) -> None:
        self._pool, self._path, self._patience_seconds = pool, path, patience_seconds

    async def sing_for_ever(self, every_seconds: float, alarm: Alarm) -> None:
        """A word every so often; `alarm` is called when one is not seen in time."""
        while True:
            try:
                if await self.sing() is None:
                    log.error("feed_delivers_nothing", feed=self._path.feed, patience_seconds=self._patience_seconds)
                    await alarm()
            except UpstreamError as error:
                log.warning("canary_not_sent", feed=self._path.feed, error=str(error))
            except Exception as error:  # what watches a feed must not end it
                log.warning("canary_failed", feed=self._path.feed, error=repr(error))
            await asyncio.sleep(every_seconds)

    async def sing(self) -> float | None:
        """Write a word and wait for it; returns the seconds it took, None when it did not come.

        Raises:
            UpstreamError: it could not be written, which tells nothing about the feed.
        """
        word, started = token_hex(8), time.monotonic()
        await self._pool.execute(
            "INSERT INTO ingest.canaries (feed, nonce, sent_at) VALUES ($1, $2, clock_timestamp()) "
            "ON CONFLICT (feed) DO UPDATE SET nonce = excluded.nonce, sent_at = excluded.sent_at, seen_at = NULL",
            self._path.feed,
            word,
        )
        await self._path.send(word)
        while time.monotonic() - started < self._patience_seconds:
            if await self._path.seen(word):
                await heard(self._pool, self._path.feed)
                return time.monotonic() - started
            await asyncio.sleep(LOOK_SECONDS)
        await self._path.missed()
        return None


async def heard(pool: asyncpg.Pool, feed: str) -> None:
    """The feed delivers, or nothing watches it any more that could tell otherwise."""
    await pool.execute(
        "UPDATE read_model.feeds SET silent_since = NULL WHERE feed = $1 AND silent_since IS NOT NULL", feed
    )


class ChangeEvents:
    """The canary of a change feed. `account_id` is a Salesforce record kept for it."""

    def __init__(self, pool: asyncpg.Pool, client: SalesforceClient, feed: str, account_id: str) -> None:
        self.feed = feed
        self._pool, self._client, self._account_id = pool, client, account_id

    async def send(self, word: str) -> None:
        """Write the word into its field."""
        await self._client.update("Account", self._account_id, {ACCOUNT_CANARY: word})

    async def seen(self, word: str) -> bool:
        """Whether the mirror holds the word."""
        return bool(
            await self._pool.fetchval(
                "UPDATE ingest.canaries SET seen_at = clock_timestamp() WHERE feed = $1 AND nonce = $2 AND EXISTS "
                "(SELECT FROM mirror.records WHERE source = 'salesforce' AND object = 'Account' AND record_id = $3 "
                "AND data ->> $4 = $2) RETURNING true",
                self.feed,
                word,
                self._account_id,
                ACCOUNT_CANARY,
            )
        )

    async def missed(self) -> None:
        """What the feed keeps current is true as of when the word was sent, at best."""
        await self._pool.execute(
            "UPDATE read_model.feeds f SET silent_since = coalesce(f.silent_since, c.sent_at) FROM ingest.canaries c "
            "WHERE f.feed = $1 AND c.feed = $1",
            self.feed,
        )


class Webhooks:
    """The canary of WHMCS's hook file. `client_id` is a WHMCS client kept for it."""

    feed = webhook_feed.WEBHOOKS

    def __init__(self, pool: asyncpg.Pool, client: WhmcsClient, client_id: str) -> None:
        self._pool, self._client, self._client_id = pool, client, client_id

    async def send(self, word: str) -> None:
        """Save the client unchanged."""
        await self._client.update_client(self._client_id, {})

    async def seen(self, word: str) -> bool:
        """Whether a webhook about the client came since."""
        return bool(
            await self._pool.fetchval(
                "UPDATE ingest.canaries c SET seen_at = clock_timestamp() WHERE feed = $1 AND nonce = $2 AND EXISTS "
                "(SELECT FROM ingest.inbox i WHERE i.source = 'whmcs' AND i.object = 'client' AND i.record_id = $3 "
                "AND i.origin = 'webhook' AND i.received_at >= c.sent_at) RETURNING true",
                self.feed,
                word,
                self._client_id,
            )
        )

    async def missed(self) -> None:
        """The hooks do not arrive."""
        await webhook_feed.missed(self._pool, "the canary did not come back", timedelta())
