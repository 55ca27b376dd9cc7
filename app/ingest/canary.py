"""The canary: a harmless change, made in Salesforce on a schedule and followed to the mirror.

Keepalives prove that a socket lives, not that events come. The canary proves that: it writes a fresh word into a field
of an account that belongs to nobody, and nothing but a change event brings that word back.

Writes: Salesforce Account (one field of one record), ingest.canaries.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from secrets import token_hex

import asyncpg
import structlog

from app.errors import UpstreamError
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.wire import ACCOUNT_CANARY

LOOK_SECONDS = 0.25

Alarm = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class Canary:
    """Follows one word a round. `salesforce_account_id` is a record kept for it."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        client: SalesforceClient,
        feed: str,
        salesforce_account_id: str,
        *,
        patience_seconds: float,
    ) -> None:
        self._pool, self._client, self._feed = pool, client, feed
        self._account_id, self._patience_seconds = salesforce_account_id, patience_seconds

    async def sing_for_ever(self, every_seconds: float, alarm: Alarm) -> None:
        """A word every so often; `alarm` is called when one is not seen in time."""
        while True:
            try:
                seen = await self.sing()
            except UpstreamError as error:
                log.warning("canary_not_sent", error=str(error))
            else:
                if seen is None:
                    log.error("feed_delivers_nothing", feed=self._feed, patience_seconds=self._patience_seconds)
                    await alarm()
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
            self._feed,
            word,
        )
        await self._client.update("Account", self._account_id, {ACCOUNT_CANARY: word})
        while time.monotonic() - started < self._patience_seconds:
            if await self._seen(word):
                return time.monotonic() - started
            await asyncio.sleep(LOOK_SECONDS)
        return None

    async def _seen(self, word: str) -> bool:
        return bool(
            await self._pool.fetchval(
                "UPDATE ingest.canaries SET seen_at = clock_timestamp() WHERE feed = $1 AND nonce = $2 AND EXISTS "
                "(SELECT FROM mirror.records WHERE source = 'salesforce' AND object = 'Account' AND record_id = $3 "
                "AND data ->> $4 = $2) RETURNING true",
                self._feed,
                word,
                self._account_id,
                ACCOUNT_CANARY,
            )
        )
