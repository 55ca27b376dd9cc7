"""The responses of the fast path: a cached entry with the headers of the route, the caller and the instant.

The rate limit is counted here, because the response says how much of it is left.
"""

import time
from collections.abc import Iterable, Mapping
from email.utils import formatdate

from litestar.config.cors import CORSConfig
from msgspec import Struct

from app.http.answering.content_coding import Gzip, accepted_gzip
from app.http.answering.preconditions import names
from app.http.answering.query_response import VARY
from app.http.fast.layers import FastLayers
from app.http.fast.routes import HotRoute, HotRoutes
from app.http.guards.rate_limits import WINDOW_SECONDS, per_minute
from app.http.middleware.cors import cors_headers
from app.http.middleware.request_context import SECURITY_HEADERS, request_id_of
from app.http.policies.ending import ending_headers
from app.http.versions.contract import Contract, ServedVersion
from app.http.versions.usage import VersionUse
from app.queries.cache.answer_cache import AnswerCache
from app.queries.cache.memory import CachedAnswer, version_line
from app.settings import Settings

SMALLEST_PACKED_BYTES = 1_000

RequestHeaders = Mapping[bytes, bytes]
ResponseParts = tuple[bytes, bytes]
"""The status line and headers without the empty line that ends them, and the body."""


class RouteTerms(Struct, frozen=True):
    """The parts that all responses of a route in one version share.

    Attributes:
        key: the prefix, before the subject, under which requests are counted.
        most: requests of one subject per window.
        head: the headers. The last one, how much is left of the limit, is left open.
        named: what a request that names the version uses.
        default: what one that names none does.
    """

    key: str
    most: int
    head: bytes
    named: VersionUse
    default: VersionUse


class Answers:
    """Makes, counts and logs responses.

    Attributes:
        knows_origins: false where allowed origins are patterns, which the framework matches.
    """

    def __init__(self, settings: Settings, cors: CORSConfig | None, routes: HotRoutes, contract: Contract) -> None:
        vary = f"{VARY}, Origin".encode() if cors else VARY.encode()
        self._terms = {
            each.name: {route.template: _terms(route, settings, vary, each) for route in routes.all()}
            for each in contract.versions
        }
        self.knows_origins = cors is None or not any("*" in origin for origin in cors.allow_origins)
        self._origins = _origins(cors) if cors and self.knows_origins else {}
        self._second = self._window = self._left_seconds = 0
        self._date = b""

    def answer(
        self,
        layers: FastLayers,
        route: HotRoute,
        headers: RequestHeaders,
        subject: str,
        entry: CachedAnswer,
        served: ServedVersion,
        began: float,
    ) -> ResponseParts | None:
        """Return the entry as this caller receives it, or None when it must not be cached or the limit is used up."""
        own_version = layers.cache.version_of(subject) if route.shared and not route.public else None
        if not entry.body or (own_version is None and route.shared and not route.public):
            return None
        now, terms = time.time(), self._terms[served.name][route.template]
        second = int(now)
        if second != self._second:
            self._second = second
            self._window, self._left_seconds = second // WINDOW_SECONDS, WINDOW_SECONDS - second % WINDOW_SECONDS
            self._date = b"date: %b\r\nx-request-id: " % formatdate(second, usegmt=True).encode()
        used = layers.counts.count(terms.key + subject, self._window)
        if used > terms.most:
            return None
        request_id = request_id_of(headers.get(b"x-request-id"))
        status, own, body = _chosen(layers.cache, entry, headers)
        if own_version is not None:
            own += version_line(own_version[0])
        left = b"%d;t=%d\r\n" % (terms.most - used, self._left_seconds)
        origin = self._origins.get(headers.get(b"origin", b""), b"\r\n")
        usage = terms.named if b"portal-version" in headers else terms.default
        layers.access_log.note(request_id, route.template, status, time.monotonic() - began, now, usage)
        return b"".join((own, terms.head, left, self._date, request_id.encode(), origin)), body


def _terms(route: HotRoute, settings: Settings, vary: bytes, served: ServedVersion) -> RouteTerms:
    most = per_minute(route.limit, settings)
    if route.worded:
        vary = vary.replace(VARY.encode(), f"{VARY}, Accept-Language".encode())
    endings = ending_headers([served.version.ending, route.ending])
    lines = [(b"cache-control", route.cache.encode()), (b"vary", vary), *SECURITY_HEADERS, served.headers[0], *endings]
    limit = f'ratelimit-policy: "{route.limit}";q={most};w={WINDOW_SECONDS}\r\nratelimit: "{route.limit}";r='
    ending = route.operation if route.ending else ""
    uses = VersionUse(served.name, "named", ending), VersionUse(served.name, "default", ending)
    return RouteTerms(f"portal:rate:{route.limit}:", most, _lines(lines) + limit.encode(), *uses)


def _lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)


def _origins(cors: CORSConfig) -> dict[bytes, bytes]:
    """Render the CORS headers of each allowed origin, to follow the line before."""
    return {origin.encode(): b"\r\n" + _lines(cors_headers(cors, origin.encode())) for origin in cors.allow_origins}


def _chosen(cache: AnswerCache, entry: CachedAnswer, headers: RequestHeaders) -> tuple[int, bytes, bytes]:
    """Choose status, own headers and body: 304 for a caller that holds the answer, gzip for one that accepts it."""
    held = headers.get(b"if-none-match")
    if held is not None and (held == entry.etag or names(held.decode("latin-1"), entry.etag.decode())):
        return 304, entry.unchanged, b""
    accepts = accepted_gzip(headers.get(b"accept-encoding", b""))
    if accepts is Gzip.REFUSED or (accepts is Gzip.WELCOME and len(entry.body) < SMALLEST_PACKED_BYTES):
        return 200, entry.head, entry.body
    if entry.packed is None and (accepts is Gzip.NEEDED or entry.uses > 1):
        cache.memory.pack(entry)
    return (200, *(entry.packed or (entry.head, entry.body)))
