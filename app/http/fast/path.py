"""The fast lane: what is asked most, answered from memory or Redis before the framework begins its work.

It does what the guards of `app/http/app.py` do (session, role, rate limit), and what
`app/http/middleware/request_context.py` does (request id, security headers, log, metrics), and nothing by halves:
whatever is not an ordinary 200 or 304 of a hot route goes on to the application as if the lane were not there.
`app/http/fast/hot_connection.py` asks it, once a request.
"""

import asyncio
import time
from collections.abc import Iterable
from hashlib import sha256

from litestar.config.cors import CORSConfig

from app.http.answering.session_cookie import cookie_name
from app.http.fast.layers import FastLayers
from app.http.fast.miss import Fetching, Miss, OnFetched
from app.http.fast.responses import Answers, Asked, ResponseParts
from app.http.fast.routes import EVERYONE, HotRoute, HotRoutes
from app.http.guards.client_address import FORWARDED, trusted_proxies
from app.http.middleware.draining import Draining
from app.http.middleware.request_head import is_host
from app.http.policies.table import DeclaredRoute
from app.intake.addresses import client, counted
from app.intake.recent import Recent
from app.settings import Settings

SPECIAL = frozenset(
    {
        *(b"consistency-token", b"prefer", b"cache-control"),
        *(b"content-length", b"content-type", b"transfer-encoding", b"upgrade", b"expect"),
    }
)
"""Headers that ask for something else than the answer as it is."""
LONGEST_SECONDS = 2.5
"""How long the lane tries; whoever hangs longer is the application's affair."""
MOST_HEADERS, MOST_HEAD_BYTES = 40, 8_000
MOST_DIGESTS, LONGEST_TOKEN = 20_000, 200


class FastPath:
    """Answers from the layers of `serving`, which the application's lifespan opens. While the server drains, the
    application answers everything."""

    def __init__(
        self, settings: Settings, cors: CORSConfig | None, draining: Draining, declared: Iterable[DeclaredRoute]
    ) -> None:
        routes = HotRoutes(settings, declared)
        self._find, self._answers = routes.find, Answers(settings, cors, routes)
        self._draining, self._most_waiting = draining, settings.requests_at_once
        self._special = SPECIAL if self._answers.knows_origins else SPECIAL | {b"origin"}
        self._trusted = trusted_proxies(settings)
        self._patience_seconds = min(LONGEST_SECONDS, settings.read_deadline_seconds / 2)
        self._digests: Recent[bytes, str] = Recent(MOST_DIGESTS)
        self._cookie = cookie_name(settings).encode() + b"="
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.serving: FastLayers | None = None

    def begin(
        self, address: bytes, headers: list[tuple[bytes, bytes]], head_bytes: int, peer: str
    ) -> ResponseParts | Miss | None:
        """For a GET without a body, of an address as it was sent: the answer, where it is in memory; a visit, where it
        must be fetched; nothing, where the application answers. The head may be shorter than `head_bytes`."""
        serving, name = self.serving, address.decode("latin-1")
        found = self._find(name)
        if found is None or serving is None or self._draining.begun:
            return None
        began, asked, (route, part) = time.monotonic(), dict(headers), found
        if not len(asked) == len(headers) <= MOST_HEADERS or head_bytes > MOST_HEAD_BYTES:
            return None
        digest = "" if route.public else self._digest(_token(asked, self._cookie))
        if not (digest or route.public) or not self._special.isdisjoint(asked):
            return None
        if not is_host(asked.get(b"host", b"")):
            return None
        leased = serving.watch.holds()
        subject = self._known(serving, route, asked, peer, digest) if leased else ""
        if subject:
            entry = serving.pages.at_hand(EVERYONE if route.shared else subject, name)
            if entry is not None:
                return self._answers.answer(serving, route, asked, subject, entry, began)
        return Miss(route, part, name, asked, peer, digest, subject, began)

    def fetch(self, visit: Miss, done: OnFetched) -> None:
        """Call `done` with the answer from Redis or Postgres, or with nothing, where the application answers."""
        serving = self.serving
        if serving is None or self._waiting >= self._most_waiting:
            done(None)
            return
        self._waiting += 1
        fetching = Fetching(serving, self._answers, visit, self._subject, self._bounded(done))
        stamp = serving.pages.stamp(visit.owner) if visit.subject and serving.watch.holds() else None
        if stamp is None:
            task = asyncio.create_task(fetching.seek())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            fetching.ask_redis(stamp)

    async def account(self, headers: list[tuple[bytes, bytes]]) -> str:
        """The account whose customer's session a request bears; empty for nobody."""
        serving, digest = self.serving, self._digest(_token(dict(headers), self._cookie))
        visitor = await serving.visitors.read(digest) if serving and digest else None
        return visitor.account if visitor is not None and visitor.role == "customer" else ""

    def _known(self, serving: FastLayers, route: HotRoute, asked: Asked, peer: str, digest: str) -> str:
        """Who asks, as far as it is known in this process."""
        if route.public:
            lines = [asked[FORWARDED].decode("latin-1")] if FORWARDED in asked else []
            return counted(client(peer, lines, self._trusted))
        visitor = serving.visitors.get(digest)
        if visitor is None or visitor.good_until < time.monotonic() or visitor.role != "customer":
            return ""
        return visitor.account

    async def _subject(self, serving: FastLayers, visit: Miss) -> str:
        """Who asks; empty where the application must say what is wrong."""
        known = self._known(serving, visit.route, visit.asked, visit.peer, visit.digest)
        visitor = None if known else await serving.visitors.read(visit.digest)
        return visitor.account if visitor is not None and visitor.role == "customer" else known

    def _digest(self, token: bytes) -> str:
        """The hash of a session's token; those of the last ones are remembered."""
        digest = self._digests.seen(token) or ""
        if not digest and token:
            digest = sha256(token).hexdigest()
            if len(token) <= LONGEST_TOKEN:
                self._digests.put(token, digest)
        return digest

    def _bounded(self, done: OnFetched) -> OnFetched:
        """Hand on to the application, which has a deadline, what does not come in time; and nothing twice."""
        over = False

        def end(answer: ResponseParts | None) -> None:
            nonlocal over
            if not over:
                over = True
                late.cancel()
                self._waiting -= 1
                done(answer)

        late = asyncio.get_running_loop().call_later(self._patience_seconds, end, None)
        return end


def _token(asked: Asked, cookie: bytes) -> bytes:
    """The session's token, as `app/http/guards/authentication.py` takes it: from its header or, once, its cookie."""
    header = asked.get(b"authorization", b"")
    if header[:7].lower() == b"bearer ":
        return header[7:].strip()
    before, found, after = asked.get(b"cookie", b"").partition(cookie)
    alone = found and (not before or before.endswith((b"; ", b";"))) and cookie not in after
    return after.partition(b";")[0].strip() if alone else b""
