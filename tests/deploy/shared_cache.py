"""A shared cache as RFC 9111 describes one, over real sockets, configured by `deploy/nginx/edge.conf`.

It takes from the file what decides about strangers: which paths are stored, what is in the key, which headers are left
out of the request. The rest is the RFC: what may be stored (3), for how long (4.2), how it is validated (4.3), and
stale-while-revalidate (RFC 5861). No coding is negotiated: answers are plain.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import httpx
from msgspec import Struct

Headers = Mapping[str, str]
_LOCATION = re.compile(r"location (/\S*) \{\n(.*?)\n    \}", re.S)


class Rules(Struct, frozen=True):
    """What the configuration says of the stored location.

    `key` is the text of `proxy_cache_key`; `dropped` are the request headers that are replaced by nothing.
    """

    prefix: str
    key: str
    dropped: frozenset[str]

    def key_of(self, path: str, headers: Headers) -> str:
        """The key of a request: variables of nginx, a header under `$http_name`."""
        known = {"request_uri": path, "portal_coding": "", "portal_origin": ""}

        def value(found: re.Match[str]) -> str:
            name = found[1]
            return known[name] if name in known else headers.get(name.removeprefix("http_").replace("_", "-"), "")

        return re.sub(r"\$(\w+)", value, self.key)


def rules(configuration: str) -> Rules:
    """Read the rules of the one location that is stored."""
    [(prefix, block)] = [found for found in _LOCATION.findall(configuration) if "proxy_cache " in found[1]]
    [key] = re.findall(r'^\s+proxy_cache_key "(.+)";$', block, re.M)
    dropped = re.findall(r'^\s+proxy_set_header (\S+) "";$', block, re.M)
    return Rules(prefix, key, frozenset(name.lower() for name in dropped))


class Stored(Struct):
    """A stored answer, when it was last known to be good, and for how many seconds from then."""

    response: httpx.Response
    at: float
    fresh_seconds: float
    late_seconds: float


class SharedCache:
    """The cache: `asked` counts what it passed on."""

    def __init__(self, origin: str, configured: Rules, clock: Callable[[], float] = time.monotonic) -> None:
        self._origin, self._rules, self._clock = origin, configured, clock
        self._stored: dict[str, Stored] = {}
        self._tasks: set[asyncio.Task[httpx.Response]] = set()

    async def get(self, path: str, headers: dict[str, str], address: str) -> tuple[httpx.Response, int]:
        """Answer a GET, and say how old the answer is."""
        forwarded = {**headers, "x-forwarded-for": address, "accept-encoding": "identity"}
        if not path.startswith(self._rules.prefix):
            return await self._ask(path, forwarded), 0
        forwarded = {name: value for name, value in forwarded.items() if name not in self._rules.dropped}
        key = self._rules.key_of(path, headers)
        held = self._stored.get(key)
        if held is None:
            return await self._filled(key, path, forwarded), 0
        age = self._clock() - held.at
        if age < held.fresh_seconds:
            return held.response, int(age)
        if age < held.fresh_seconds + held.late_seconds:
            self._tasks.add(task := asyncio.ensure_future(self._filled(key, path, forwarded)))
            task.add_done_callback(self._tasks.discard)
            return held.response, int(age)
        return await self._filled(key, path, forwarded), 0

    async def _filled(self, key: str, path: str, headers: dict[str, str]) -> httpx.Response:
        held = self._stored.get(key)
        more = {"if-none-match": held.response.headers["etag"]} if held else {}
        found = await self._ask(path, {**headers, **more})
        if held and found.status_code == 304:
            held.at = self._clock()
            return held.response
        if (seconds := storable(headers, found)) is not None:
            self._stored[key] = Stored(found, self._clock(), *seconds)
        return found

    async def _ask(self, path: str, headers: dict[str, str]) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self._origin, trust_env=False) as client:
            return await client.get(path, headers=headers)


def storable(request: Headers, response: httpx.Response) -> tuple[float, float] | None:
    """For how long a shared cache may store an answer, and give it late; None if it may not."""
    found = dict(re.findall(r"([\w-]+)(?:=(\d+))?", response.headers.get("cache-control", "")))
    private = {"no-store", "private", "no-cache"} & set(found)
    lifetime = found.get("s-maxage") or found.get("max-age")
    own = "authorization" in request and not {"public", "s-maxage"} & set(found)
    if response.status_code != 200 or private or own or not lifetime or "set-cookie" in response.headers:
        return None
    return float(lifetime), float(found.get("stale-while-revalidate") or 0)


@asynccontextmanager
async def serving(cache: SharedCache) -> AsyncIterator[str]:
    """Serve GET over a socket, one request per connection."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        named = {name.lower(): value for name, value in headers.items() if name.lower() not in ("host", "connection")}
        response, age = await cache.get(first.split()[1], named, writer.get_extra_info("peername")[0])
        kept = [(name, value) for name, value in response.headers.items() if name != "content-length"]
        head = [f"HTTP/1.1 {response.status_code} .", *(f"{name}: {value}" for name, value in kept)]
        head += [f"Age: {age}", f"Content-Length: {len(response.content)}", "Connection: close", "", ""]
        writer.write("\r\n".join(head).encode() + response.content)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
