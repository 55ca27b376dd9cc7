"""A projector that fails on poisoned records, so that tests can park them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import asyncpg

from app.events import Change, Record
from app.ingest.apply import drain
from app.ingest.inbox.inbox import Inbox, open_shards

DUE = "UPDATE ingest.inbox SET next_attempt_at = now() - interval '1 second' WHERE settled_at IS NULL"


class Poisoned(ValueError):
    """The error of a poisoned record, quoting the value as a careless projector would."""


def refuse_poison(changed: Sequence[Record], poisonous: Collection[str] = ("poison",)) -> None:
    """Fail as a projector does that meets a record it cannot digest: one whose `note` is poisonous.

    The real projectors show what they cannot read as nothing, so no record of an upstream's is poison to them for sure.
    """
    for record in changed:
        if record.data.get("note") in poisonous:
            whose = f"{record.data.get('email')} ({record.data.get('lastname')})"
            raise Poisoned(f"cannot digest {record.data['note']!r} of {whose}")


class Pipeline:
    """An inbox and its drain. `poisonous` names the values of `note` that cannot be projected."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.poisonous = {"poison"}
        self.woken: list[tuple[str, int]] = []
        self.inbox = Inbox(pool, self.wake)

    async def wake(self, pairs: Iterable[tuple[str, int]]) -> None:
        """Remember who was woken."""
        self.woken += pairs

    async def project(self, connection: Any, changed: Sequence[Record], *more: Any) -> None:
        """Refuse what is poisonous."""
        refuse_poison(changed, self.poisonous)

    async def told(self) -> None:
        """Publish nothing."""

    async def drain(self) -> None:
        """Apply what is due."""
        for lane, shard in sorted(await open_shards(self.pool)):
            if lane == "apply":
                await drain.drain(self.pool, shard, self.project, self.wake, self.told)

    async def park(self, *changes: Change) -> None:
        """Submit and drain until every attempt is used up."""
        await self.inbox.submit(changes)
        for _ in range(drain.ATTEMPTS):
            await self.pool.execute(DUE)
            await self.drain()
