"""How the fast lane's answers read: an entry of memory with what is the route's, the visitor's and the moment's.

The rate limit is counted here, because the answer says how much of it is left.
"""

import time
from collections.abc import Iterable, Mapping
from email.utils import formatdate

from litestar.config.cors import CORSConfig
from msgspec import Struct

from app.http.answering.content_coding import Gzip, gzip_wish
from app.http.answering.preconditions import names
from app.http.fast.layers import FastLayers
from app.http.fast.routes import HotRoute, HotRoutes
from app.http.guards.rate_limits import WINDOW_SECONDS, per_minute
from app.http.middleware.cors import told
from app.http.middleware.request_context import SECURITY_HEADERS, request_id_of
from app.queries.cache.answer_cache import AnswerCache
from app.queries.cache.memory import CachedAnswer
from app.settings import Settings

SMALLEST_PACKED_BYTES = 1_000

Asked = Mapping[bytes, bytes]
"""Request headers."""
ResponseParts = tuple[bytes, bytes]
"""Status line and headers, but for the empty line that ends them; body."""


class RouteTerms(Struct, frozen=True):
    """What is the same for every answer of a route: under which key, before the subject, it is counted and how often it
    may be, and the headers. The last one, how much is left of the limit, stays open."""

    key: str
    most: int
    head: bytes


class Answers:
    """Makes them, counts them, notes them. `knows_origins`: patterns of origins are the application's affair."""

    def __init__(self, settings: Settings, cors: CORSConfig | None, routes: HotRoutes) -> None:
        vary = b"Accept-Encoding, Origin" if cors else b"Accept-Encoding"
        self._terms = {route.template: _terms(route, settings, vary) for route in routes.all()}
        self.knows_origins = cors is None or not any("*" in origin for origin in cors.allow_origins)
        self._origins = _origins(cors) if cors and self.knows_origins else {}
        self._second = self._window = self._left_seconds = 0
        self._date = b""

    def answer(
        self, serving: FastLayers, route: HotRoute, asked: Asked, subject: str, entry: CachedAnswer, began: float
    ) -> ResponseParts | None:
        """The entry as this visitor gets it; nothing when it may not be kept, or nothing is left of the limit."""
        if not entry.body:
            return None
        now, terms = time.time(), self._terms[route.template]
        second = int(now)
        if second != self._second:
            self._second = second
            self._window, self._left_seconds = second // WINDOW_SECONDS, WINDOW_SECONDS - second % WINDOW_SECONDS
            self._date = b"date: %b\r\nx-request-id: " % formatdate(second, usegmt=True).encode()
        used = serving.tallies.count(terms.key + subject, self._window)
        if used > terms.most:
            return None
        request_id = request_id_of(asked.get(b"x-request-id"))
        status, own, body = _chosen(serving.pages, entry, asked)
        left = b"%d;t=%d\r\n" % (terms.most - used, self._left_seconds)
        origin = self._origins.get(asked.get(b"origin", b""), b"\r\n")
        serving.log.note(request_id, route.template, status, time.monotonic() - began, now)
        return b"".join((own, terms.head, left, self._date, request_id.encode(), origin)), body


def _terms(route: HotRoute, settings: Settings, vary: bytes) -> RouteTerms:
    most = per_minute(route.limit, settings)
    lines = [(b"cache-control", route.cache.encode()), (b"vary", vary), *SECURITY_HEADERS]
    limit = f'ratelimit-policy: "{route.limit}";q={most};w={WINDOW_SECONDS}\r\nratelimit: "{route.limit}";r='
    return RouteTerms(f"portal:rate:{route.limit}:", most, _lines(lines) + limit.encode())


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)


def _origins(cors: CORSConfig) -> dict[bytes, bytes]:
    """What each allowed origin is told, after the end of the line before."""
    return {origin.encode(): b"\r\n" + _lines(told(cors, origin.encode())) for origin in cors.allow_origins}


def _chosen(pages: AnswerCache, entry: CachedAnswer, asked: Asked) -> tuple[int, bytes, bytes]:
    """Status, own head and body: nothing for who holds it already, packed for who takes that."""
    held = asked.get(b"if-none-match")
    if held is not None and (held == entry.etag or names(held.decode("latin-1"), entry.etag.decode())):
        return 304, entry.unchanged, b""
    wish = gzip_wish(asked.get(b"accept-encoding", b""))
    if wish is Gzip.REFUSED or (wish is Gzip.WELCOME and len(entry.body) < SMALLEST_PACKED_BYTES):
        return 200, entry.head, entry.body
    if entry.packed is None and (wish is Gzip.NEEDED or entry.uses > 1):
        pages.memory.pack(entry)
    return (200, *(entry.packed or (entry.head, entry.body)))
