"""A hot request whose answer is not in memory, on its way through Redis and Postgres."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from app.http.fast.layers import FastLayers
from app.http.fast.responses import Answers, Asked, ResponseParts
from app.http.fast.routes import EVERYONE, HotRoute
from app.queries.cache.account_version import Stamp
from app.queries.cache.answer_cache import Copy
from app.queries.cache.memory import CachedAnswer
from app.queries.reading.store import Answer

OnFetched = Callable[[ResponseParts | None], None]
"""Told the answer, or nothing where the application answers."""

log = structlog.get_logger()


class Miss(Struct):
    """A request that the lane may answer once it has been fetched. `subject` is who is counted, an account or an
    address; empty until it is known."""

    route: HotRoute
    part: str
    name: str
    asked: Asked
    peer: str
    digest: str
    subject: str
    began: float

    @property
    def owner(self) -> str:
        """Whose answer it is."""
        return EVERYONE if self.route.shared else self.subject


class Fetching:
    """A visit on its way through the layers; without a task of its own where it is known whose it is."""

    def __init__(
        self,
        serving: FastLayers,
        answers: Answers,
        visit: Miss,
        subject: Callable[[FastLayers, Miss], Awaitable[str]],
        done: OnFetched,
    ) -> None:
        self._serving, self._answers, self._visit, self._subject, self._done = serving, answers, visit, subject, done

    def ask_redis(self, stamp: Stamp) -> None:
        """Under the owner's stamp."""
        told = self._serving.pages.ask_redis(self._visit.owner, self._visit.name)
        if told is None:
            self._ask_postgres(stamp)
        else:
            told.add_done_callback(lambda told: self._copied(stamp, told.result()))

    def _copied(self, stamp: Stamp, kept: bytes | None) -> None:
        entry = None
        try:
            entry = self._serving.pages.from_redis(self._visit.owner, self._visit.name, stamp, kept)
        except msgspec.DecodeError:
            log.warning("copy_unusable", route=self._visit.route.template)
        if entry is None:
            self._ask_postgres(stamp)
        else:
            self._answer(entry)

    def _ask_postgres(self, stamp: Stamp) -> None:
        visit = self._visit
        drawing = self._serving.pages.drawing(visit.owner, visit.name, stamp, self._draw)
        drawing.add_done_callback(lambda drawn: self._drawn(stamp, drawn))

    def _drawn(self, stamp: Stamp, drawn: "asyncio.Task[Copy]") -> None:
        if drawn.cancelled() or drawn.exception():  # what is wrong, the application says
            self._done(None)
        else:
            self._answer(self._serving.pages.kept(self._visit.owner, self._visit.name, stamp, drawn.result()))

    def _draw(self) -> Awaitable[Answer]:
        return self._visit.route.query(self._serving.store, UUID(self._visit.owner), self._visit.part)

    async def seek(self) -> None:
        """The long way: wait for a lease, ask whose session it is, and under which stamp."""
        entry, serving, visit = None, self._serving, self._visit
        try:
            if await serving.watch.held():
                visit.subject = visit.subject or await self._subject(serving, visit)
                if visit.subject:
                    found = serving.pages.at_hand(visit.owner, visit.name)
                    entry = found or await serving.pages.find(visit.owner, visit.name, self._draw)
        except Exception:  # what is wrong, the application says
            entry = None
        finally:
            self._answer(entry)

    def _answer(self, entry: CachedAnswer | None) -> None:
        answer, visit = None, self._visit
        try:
            if entry is not None:
                answer = self._answers.answer(
                    self._serving, visit.route, visit.asked, visit.subject, entry, visit.began
                )
        finally:
            self._done(answer)
