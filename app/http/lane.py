"""The fast lane: what is asked most, answered from memory or Redis before the framework begins its work.

It does what the guards of `app/http/app.py` do (session, role, rate limit), and what `app/http/frame.py` does (request
id, security headers, log, metrics), and nothing by halves: whatever is not an ordinary 200 or 304 of a hot route goes
on to the application as if the lane were not there. Outermost, pure ASGI.
"""

import time
from collections.abc import Mapping
from hashlib import sha256
from uuid import UUID

from litestar.config.cors import CORSConfig

from app.http.access import COOKIE
from app.http.addresses import forwarded, trusted_proxies
from app.http.draining import Draining
from app.http.frame import SECURITY_HEADERS, Application, Receive, Scope, Send, request_id_of
from app.http.hot_routes import EVERYONE, HotRoute, HotRoutes
from app.http.rate_limits import WINDOW_SECONDS
from app.http.serving import Serving
from app.queries.memory import Entry
from app.queries.pages import Pages
from app.settings import Settings

SPECIAL = frozenset(
    {b"consistency-token", b"prefer", b"cache-control", b"content-length", b"content-type", b"transfer-encoding"}
)
"""Headers that ask for something else than the answer as it is."""
MOST_HEADERS, MOST_HEADER_BYTES = 40, 8_000
SMALLEST_PACKED_BYTES = 1_000
_COOKIE = COOKIE.encode() + b"="

Asked = Mapping[bytes, bytes]
"""Request headers."""


class Lane:
    """Wraps the framed application. While the server drains, that answers everything."""

    def __init__(
        self, application: Application, settings: Settings, cors: CORSConfig | None, draining: Draining
    ) -> None:
        self._application, self._settings, self._draining = application, settings, draining
        self._origins, self._special = _origins(cors)
        self._find = HotRoutes(settings).find
        self._trusted = trusted_proxies(settings)
        self._waiting = 0
        self.serving: Serving | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if self.serving is not None and scope["type"] == "http" and scope["method"] == "GET":
            elsewhere = scope["query_string"] or self._draining.begun
            found = None if elsewhere else self._find(scope["path"])
            if found is not None and await self._answered(self.serving, found, scope, send):
                return
        await self._application(scope, receive, send)

    async def _answered(self, serving: Serving, found: tuple[HotRoute, str], scope: Scope, send: Send) -> bool:
        began, route, asked = time.perf_counter(), found[0], dict(scope["headers"])
        if not self._plain(asked, scope) or not (serving.watch.holds() or await serving.watch.held()):
            return False
        subject = self._address(asked, scope) if route.public else await self._account(serving, asked)
        if not subject:
            return False
        owner = EVERYONE if route.shared else subject
        entry = serving.pages.at_hand(owner, scope["path"]) or await self._fetched(serving, found, owner, scope)
        if entry is None or not entry.body:
            return False
        limit = self._count(serving, route, subject)
        if limit is None:
            return False
        request_id = request_id_of(asked.get(b"x-request-id"))
        status, headers, body = _chosen(serving.pages, entry, asked)
        extra = ((b"x-request-id", request_id.encode()), *limit, *self._origins.get(asked.get(b"origin", b""), ()))
        await send({"type": "http.response.start", "status": status, "headers": [*headers, *extra]})
        await send({"type": "http.response.body", "body": body})
        serving.log.note(request_id, route.template, status, time.perf_counter() - began)
        return True

    def _plain(self, asked: Asked, scope: Scope) -> bool:
        return (
            self._special.isdisjoint(asked)
            and len(asked) == len(scope["headers"]) <= MOST_HEADERS
            and sum(map(len, asked.values())) <= MOST_HEADER_BYTES
        )

    def _address(self, asked: Asked, scope: Scope) -> str:
        peer = scope["client"][0] if scope.get("client") else ""
        return forwarded(peer, asked.get(b"x-forwarded-for", b"").decode("latin-1"), self._trusted)

    async def _account(self, serving: Serving, asked: Asked) -> str:
        """The account of the session; empty when the lane may not answer."""
        token = _token(asked)
        if not token:
            return ""
        digest = sha256(token).hexdigest()
        visitor = serving.visitors.get(digest)
        if visitor is None or visitor.good_until < time.monotonic():
            try:
                visitor = await serving.visitors.read(digest)
            except Exception:  # what is wrong, the application says
                return ""
        return visitor.account if visitor is not None and visitor.role == "customer" else ""

    async def _fetched(self, serving: Serving, found: tuple[HotRoute, str], owner: str, scope: Scope) -> Entry | None:
        """The answer from Redis or Postgres. What is wrong, if anything, the application says."""
        route, part = found
        if self._waiting >= self._settings.requests_at_once:
            return None
        self._waiting += 1
        try:
            headers = [(b"cache-control", route.cache.encode()), (b"vary", b"Accept-Encoding"), *SECURITY_HEADERS]
            return await serving.pages.find(
                owner, scope["path"], headers, lambda: route.query(serving.store, UUID(owner), part)
            )
        except Exception:
            return None
        finally:
            self._waiting -= 1

    def _count(self, serving: Serving, route: HotRoute, subject: str) -> tuple[tuple[bytes, bytes], ...] | None:
        """Headers that say how much is left; None when nothing is."""
        policy = "public" if route.public else "account"
        most = self._settings.public_rate_per_minute if route.public else self._settings.account_rate_per_minute
        now = int(time.time())
        used = serving.tallies.count(f"portal:rate:{policy}:{subject}", now // WINDOW_SECONDS)
        if used > most:
            return None
        left_seconds = WINDOW_SECONDS - now % WINDOW_SECONDS
        return (
            (b"ratelimit-policy", b'"%b";q=%d;w=%d' % (policy.encode(), most, WINDOW_SECONDS)),
            (b"ratelimit", b'"%b";r=%d;t=%d' % (policy.encode(), most - used, left_seconds)),
        )


def _origins(cors: CORSConfig | None) -> tuple[dict[bytes, list[tuple[bytes, bytes]]], frozenset[bytes]]:
    """What each allowed origin is told beside the answer. Patterns of origins are the application's affair."""
    if cors is None:
        return {}, SPECIAL
    if any("*" in origin for origin in cors.allow_origins):
        return {}, SPECIAL | {b"origin"}
    told = [(name.lower().encode(), value.encode()) for name, value in cors.simple_headers.items()]
    told.append((b"vary", b"origin"))
    return {
        origin.encode(): [(b"access-control-allow-origin", origin.encode()), *told] for origin in cors.allow_origins
    }, SPECIAL


def _token(asked: Asked) -> bytes:
    """The session's token, as `app/http/access.py` takes it from its header or, once, from its cookie."""
    header = asked.get(b"authorization", b"")
    if header[:7].lower() == b"bearer ":
        return header[7:].strip()
    before, found, after = asked.get(b"cookie", b"").partition(_COOKIE)
    alone = found and (not before or before.endswith((b"; ", b";"))) and _COOKIE not in after
    return after.partition(b";")[0].strip() if alone else b""


def _chosen(pages: Pages, entry: Entry, asked: Asked) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body: nothing for who holds it already, packed for who takes that."""
    held = asked.get(b"if-none-match")
    if held is not None and entry.etag in (tag.strip().removeprefix(b"W/") for tag in held.split(b",")):
        return 304, entry.unchanged, b""
    wanted = asked.get(b"accept-encoding", b"")
    if b"gzip" not in wanted or b"q=0" in wanted or len(entry.body) < SMALLEST_PACKED_BYTES:
        return 200, entry.headers, entry.body
    if entry.packed is None and entry.uses > 1:
        pages.memory.pack(entry)
    return (200, *entry.packed) if entry.packed else (200, entry.headers, entry.body)
