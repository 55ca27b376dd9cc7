"""Batches of a change stream, joined: those that arrive shortly after a commit share the next one.

The event bus delivers events one by one, even at two hundred a second, and a commit costs more than the events in it.
So the first batch is recorded at once, and those that follow within `TOGETHER_SECONDS` are recorded as one, with the
position of the last.
"""

import asyncio
from collections.abc import AsyncIterator

from app import tasks
from app.integrations.salesforce.events.pubsub import Batch

TOGETHER_SECONDS = 0.03
MOST_EVENTS = 500
"""Most events per commit. Later ones wait for the next commit, and the bus waits for credit."""


class Silent(Exception):
    """The stream sent nothing, not even a keepalive."""


class Batches:
    """The batches of one stream. One batch is read ahead while another is recorded."""

    def __init__(self, stream: AsyncIterator[Batch], silence_seconds: float, renew: asyncio.Event) -> None:
        self._stream, self._silence_seconds, self._renew = stream, silence_seconds, renew
        self._coming: asyncio.Task[Batch] | None = None
        self._next_at = 0.0

    async def following(self) -> Batch:
        """Return the next batch, joined with those that arrive before it may be recorded.

        Raises:
            Silent: nothing arrived for `silence_seconds`, or a new stream was requested.
        """
        loop = asyncio.get_running_loop()
        batch = await self._first()
        while (left_seconds := self._next_at - loop.time()) > 0 and len(batch.changes) < MOST_EVENTS:
            coming = self._ahead()
            await asyncio.wait([coming], timeout=left_seconds)
            if not coming.done() or coming.cancelled() or coming.exception():
                break  # the end of the stream is reported after what came before it is recorded
            batch = _joined(batch, self._taken())
        return batch

    def recorded(self) -> None:
        """Note that the last batch is in Postgres."""
        self._next_at = asyncio.get_running_loop().time() + TOGETHER_SECONDS

    async def close(self) -> None:
        """Stop reading."""
        await tasks.end(self._coming)

    async def _first(self) -> Batch:
        coming, renewed = self._ahead(), asyncio.ensure_future(self._renew.wait())
        try:
            await asyncio.wait([coming, renewed], timeout=self._silence_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                raise Silent(f"nothing for {self._silence_seconds} s" if not renewed.done() else "asked to renew")
            return self._taken()
        finally:
            renewed.cancel()

    def _ahead(self) -> "asyncio.Task[Batch]":
        if self._coming is None:
            self._coming = asyncio.ensure_future(_next_of(self._stream))
        return self._coming

    def _taken(self) -> Batch:
        coming, self._coming = self._ahead(), None
        return coming.result()


async def _next_of(stream: AsyncIterator[Batch]) -> Batch:
    return await anext(stream)


def _joined(first: Batch, second: Batch) -> Batch:
    return Batch(
        [*first.changes, *second.changes],
        second.latest_replay_id,
        second.received_at,
        [*first.undecodable, *second.undecodable],
    )
