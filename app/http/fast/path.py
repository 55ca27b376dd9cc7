"""The fast path: the most frequent reads, answered from memory or Redis before the framework begins its work.

It does what the guards of `app/http/app.py` do (session, role, rate limit), and what
`app/http/middleware/request_context.py` does (request id, security headers, log, metrics). It does nothing by halves:
whatever is not an ordinary 200 or 304 of a hot route goes on to the framework untouched.
`app/http/fast/hot_connection.py` calls it once per request.
"""

import asyncio
import time
from collections.abc import Iterable
from hashlib import sha256

from litestar.config.cors import CORSConfig

from app.http.answering.languages import HEADER
from app.http.answering.session_cookie import cookie_name
from app.http.fast.layers import FastLayers
from app.http.fast.miss import Fetching, Miss, OnFetched
from app.http.fast.responses import Answers, RequestHeaders, ResponseParts
from app.http.fast.routes import HotRoute, HotRoutes
from app.http.guards.client_address import FORWARDED, trusted_proxies
from app.http.middleware.draining import Draining
from app.http.middleware.request_head import is_host
from app.http.policies.table import DeclaredRoute
from app.http.versions.contract import Contract
from app.intake.addresses import client, counted
from app.intake.recent import Recent
from app.queries.cache.memory import EVERYONE
from app.settings import Settings
from app.words.languages import DEFAULT, Language, preferred

SPECIAL = frozenset(
    {
        *(b"consistency-token", b"prefer", b"cache-control"),
        *(b"content-length", b"content-type", b"transfer-encoding", b"upgrade", b"expect"),
    }
)
"""Headers with which the framework must answer."""
LONGEST_SECONDS = 2.5
"""The time after which a fetch is left to the framework, which has deadlines of its own."""
MOST_HEADERS, MOST_HEAD_BYTES = 40, 8_000
MOST_DIGESTS, LONGEST_TOKEN = 20_000, 200


class FastPath:
    """Answers from `layers`, which the application's lifespan opens. While the server drains, the framework answers
    everything."""

    def __init__(
        self,
        settings: Settings,
        cors: CORSConfig | None,
        draining: Draining,
        declared: Iterable[DeclaredRoute],
        contract: Contract,
    ) -> None:
        routes = HotRoutes(settings, declared)
        self._find, self._answers = routes.find, Answers(settings, cors, routes, contract)
        self._contract = contract
        self._draining, self._most_fetching = draining, settings.requests_at_once
        self._special = SPECIAL if self._answers.knows_origins else SPECIAL | {b"origin"}
        self._trusted = trusted_proxies(settings)
        self._patience_seconds = min(LONGEST_SECONDS, settings.read_deadline_seconds / 2)
        self._digests: Recent[bytes, str] = Recent(MOST_DIGESTS)
        self._cookie = cookie_name(settings).encode() + b"="
        self._fetching = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.layers: FastLayers | None = None

    def begin(
        self, address: bytes, header_lines: list[tuple[bytes, bytes]], head_bytes: int, peer: str
    ) -> ResponseParts | Miss | None:
        """Answer a GET without a body if its answer is in memory. Return a miss where it must be fetched, and None
        where the framework answers. `address` is the path as it was sent; the head has at most `head_bytes`."""
        layers, name = self.layers, address.decode("latin-1")
        found = self._find(name)
        if found is None or layers is None or self._draining.begun:
            return None
        began, headers, (route, part) = time.monotonic(), dict(header_lines), found
        if not len(headers) == len(header_lines) <= MOST_HEADERS or head_bytes > MOST_HEAD_BYTES:
            return None
        digest = "" if route.public else self._digest(_token(headers, self._cookie))
        if not (digest or route.public) or not self._special.isdisjoint(headers):
            return None
        if not is_host(headers.get(b"host", b"")):
            return None
        served = self._contract.asked(headers.get(b"portal-version"))
        if served is None or (route.ending and route.ending.is_past(time.time())):
            return None
        if adapter := served.adapters.get(route.operation):
            name = f"{name} {served.name}"
        language, key = _language(route, headers, name) if route.worded else (None, name)
        leased = layers.lease.holds()
        subject = self._known(layers, route, headers, peer, digest) if leased else ""
        if subject:
            entry = layers.cache.from_memory(EVERYONE if route.shared else subject, key)
            if entry is not None:
                return self._answers.answer(layers, route, headers, subject, entry, served, began)
        return Miss(route, part, key, headers, peer, digest, subject, served, adapter, began, language)

    def fetch(self, miss: Miss, done: OnFetched) -> None:
        """Call `done` with the answer from Redis or Postgres, or with None where the framework answers."""
        layers = self.layers
        if layers is None or self._fetching >= self._most_fetching:
            done(None)
            return
        self._fetching += 1
        fetching = Fetching(layers, self._answers, miss, self._subject, self._bounded(done))
        version = layers.cache.version_of(miss.owner) if miss.subject and layers.lease.holds() else None
        if version is None:
            task = asyncio.create_task(fetching.seek())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            fetching.ask_redis(version)

    async def account(self, header_lines: list[tuple[bytes, bytes]]) -> str:
        """Return the account of the customer's session that a request bears; empty where it bears none."""
        layers, digest = self.layers, self._digest(_token(dict(header_lines), self._cookie))
        holder = await layers.sessions.read(digest) if layers and digest else None
        return holder.account if holder is not None and holder.role == "customer" else ""

    def _known(self, layers: FastLayers, route: HotRoute, headers: RequestHeaders, peer: str, digest: str) -> str:
        """Return the subject if this process knows it already: an account, or an address on public routes."""
        if route.public:
            lines = [headers[FORWARDED].decode("latin-1")] if FORWARDED in headers else []
            return counted(client(peer, lines, self._trusted))
        holder = layers.sessions.get(digest)
        if holder is None or holder.good_until < time.monotonic() or holder.role != "customer":
            return ""
        return holder.account

    async def _subject(self, layers: FastLayers, miss: Miss) -> str:
        """Return the subject; empty where the framework must say what is wrong."""
        known = self._known(layers, miss.route, miss.headers, miss.peer, miss.digest)
        holder = None if known else await layers.sessions.read(miss.digest)
        return holder.account if holder is not None and holder.role == "customer" else known

    def _digest(self, token: bytes) -> str:
        """Hash a session's token, and remember the hashes of the most recent ones."""
        digest = self._digests.seen(token) or ""
        if not digest and token:
            digest = sha256(token).hexdigest()
            if len(token) <= LONGEST_TOKEN:
                self._digests.put(token, digest)
        return digest

    def _bounded(self, done: OnFetched) -> OnFetched:
        """Wrap `done` so that it is called once, with None if the answer does not come in time."""
        over = False

        def end(answer: ResponseParts | None) -> None:
            nonlocal over
            if not over:
                over = True
                late.cancel()
                self._fetching -= 1
                done(answer)

        late = asyncio.get_running_loop().call_later(self._patience_seconds, end, None)
        return end


def _language(route: HotRoute, headers: RequestHeaders, name: str) -> tuple[Language | None, str]:
    """Return the language of the answer, None for the customer's own, and the name under which it is cached.

    The customer's own needs no look-up here: when it changes, so does the version under which the answer is cached.
    """
    language = preferred(headers.get(HEADER, b"").decode("latin-1"))
    if language is None and (route.public or route.shared):
        language = DEFAULT
    return language, f"{name} {language or 'own'}"


def _token(headers: RequestHeaders, cookie: bytes) -> bytes:
    """Return the session's token as `app/http/guards/authentication.py` reads it: from its header or its only
    cookie."""
    header = headers.get(b"authorization", b"")
    if header[:7].lower() == b"bearer ":
        return header[7:].strip()
    before, found, after = headers.get(b"cookie", b"").partition(cookie)
    alone = found and (not before or before.endswith((b"; ", b";"))) and cookie not in after
    return after.partition(b";")[0].strip() if alone else b""
