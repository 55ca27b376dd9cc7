"""A hot request whose answer is not in memory, on its way through Redis and Postgres."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from app.http.fast.layers import FastLayers
from app.http.fast.responses import Answers, RequestHeaders, ResponseParts
from app.http.fast.routes import HotRoute
from app.http.versions.adapter import Adapter
from app.http.versions.contract import ServedVersion
from app.queries.cache.account_version import CacheVersion
from app.queries.cache.answer_cache import Copy
from app.queries.cache.memory import EVERYONE, CachedAnswer
from app.queries.reading.spoken import own_language, spoken
from app.queries.reading.store import Answer
from app.words.languages import Language

OnFetched = Callable[[ResponseParts | None], None]
"""Receives the answer, or None where the framework answers."""

log = structlog.get_logger()


class Miss(Struct):
    """A request that the fast path can answer once the answer is fetched.

    Attributes:
        part: the part of the path that the route's template leaves open.
        name: the name under which the answer is cached: the path as it was sent, the version where its answer differs,
            and the language if it has sentences.
        subject: the account or address that the request counts against; empty until it is known.
        served: the version of the contract.
        adapter: what carries the answer back to it, where it differs from that of the newest version.
        language: of the sentences of the answer; None for the customer's own.
    """

    route: HotRoute
    part: str
    name: str
    headers: RequestHeaders
    peer: str
    digest: str
    subject: str
    served: ServedVersion
    adapter: Adapter | None
    began: float
    language: Language | None

    @property
    def owner(self) -> str:
        """The account under which the answer is cached."""
        return EVERYONE if self.route.shared else self.subject


class Fetching:
    """The fetch of one missing answer. It needs no task of its own where the owner is already known."""

    def __init__(
        self,
        layers: FastLayers,
        answers: Answers,
        miss: Miss,
        subject: Callable[[FastLayers, Miss], Awaitable[str]],
        done: OnFetched,
    ) -> None:
        self._layers, self._answers, self._miss, self._subject, self._done = layers, answers, miss, subject, done

    def ask_redis(self, version: CacheVersion) -> None:
        """Look in Redis under the cache version of the owner, then in Postgres."""
        reply = self._layers.cache.ask_redis(self._miss.owner, self._miss.name)
        if reply is None:
            self._ask_postgres(version)
        else:
            reply.add_done_callback(lambda reply: self._copied(version, reply.result()))

    def _copied(self, version: CacheVersion, kept: bytes | None) -> None:
        entry = None
        try:
            entry = self._layers.cache.from_redis(self._miss.owner, self._miss.name, version, kept)
        except msgspec.DecodeError:
            log.warning("copy_unusable", route=self._miss.route.template)
        if entry is None:
            self._ask_postgres(version)
        else:
            self._answer(entry)

    def _ask_postgres(self, version: CacheVersion) -> None:
        miss = self._miss
        rendering = self._layers.cache.rendering(miss.owner, miss.name, version, self._render)
        rendering.add_done_callback(lambda rendered: self._rendered(version, rendered))

    def _rendered(self, version: CacheVersion, rendered: "asyncio.Task[Copy]") -> None:
        if rendered.cancelled() or rendered.exception():  # the framework runs into the same error and reports it
            self._done(None)
        else:
            self._answer(self._layers.cache.keep(self._miss.owner, self._miss.name, version, rendered.result()))

    async def _render(self) -> Answer:
        miss, store = self._miss, self._layers.store
        rendered = miss.route.query(store, UUID(miss.owner), miss.part)
        answer = await (_carried_back(rendered, miss.adapter) if miss.adapter else rendered)
        if not miss.route.worded:
            return answer
        return spoken(answer, miss.language or await own_language(store, UUID(miss.owner)))

    async def seek(self) -> None:
        """Take the long way: wait for a lease, then look up the session, the cache version and the answer."""
        entry, layers, miss = None, self._layers, self._miss
        try:
            if await layers.lease.held():
                miss.subject = miss.subject or await self._subject(layers, miss)
                if miss.subject:
                    found = layers.cache.from_memory(miss.owner, miss.name)
                    entry = found or await layers.cache.find(miss.owner, miss.name, self._render)
        except Exception:  # the framework runs into the same error and reports it
            entry = None
        finally:
            self._answer(entry)

    def _answer(self, entry: CachedAnswer | None) -> None:
        answer, miss = None, self._miss
        try:
            if entry is not None:
                answer = self._answers.answer(
                    self._layers, miss.route, miss.headers, miss.subject, entry, miss.served, miss.began
                )
        finally:
            self._done(answer)


class _Unusual(Exception):
    """An answer whose status in this version is not 200."""


async def _carried_back(rendered: Awaitable[Answer], adapter: Adapter) -> Answer:
    answer = await rendered
    status, body = adapter.answer(HTTPStatus.OK, answer.body)
    if status != HTTPStatus.OK:
        raise _Unusual
    etag = adapter.tags.of(answer.etag) if adapter.tags else answer.etag
    return msgspec.structs.replace(answer, body=body, etag=etag)
