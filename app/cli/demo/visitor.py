"""A customer with a browser: calls the public API, and opens the pages that single sign-on links lead to."""

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any

from app import http_client

POLL_SECONDS = 0.005
PATIENCE_SECONDS = 30.0


class JourneyError(Exception):
    """A step of the journey failed; the message says where."""


async def patiently(ask: Callable[[], Awaitable[http_client.Response]]) -> http_client.Response:
    """Repeat the request until it is answered: the server may be restarting."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await ask()
        except http_client.TransportError as error:
            if time.monotonic() > deadline:
                raise JourneyError(f"nobody answered: {error!r}") from error
            await asyncio.sleep(0.1)


class Visitor:
    """One customer at the API, in WHMCS's pages, and (for staff's and the cron's part) at the sandbox's controls."""

    def __init__(self, state: dict[str, Any]) -> None:
        context = ssl.create_default_context(cafile=state["ca_file"])
        self.api = http_client.AsyncClient(base_url=state["api_url"], timeout=30, trust_env=False)
        self.pages = http_client.AsyncClient(verify=context, timeout=30, follow_redirects=True, trust_env=False)
        self.control = http_client.AsyncClient(base_url=state["control_url"], timeout=30, trust_env=False)

    async def close(self) -> None:
        """Close all HTTP connections."""
        for client in (self.api, self.pages, self.control):
            await client.aclose()

    async def get(self, path: str, *, expect: int = 200) -> Any:
        """Return a query's answer."""
        return await self._call("GET", path, expect=expect)

    async def post(self, path: str, body: Any = None, *, expect: int = 200, key: str = "") -> Any:
        """Return a command's answer."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self._call("POST", path, json=body, headers=headers, expect=expect)

    async def _call(self, method: str, path: str, *, expect: int, **options: Any) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                response = await self.api.request(method, path, **options)
            except http_client.TransportError:
                response = None  # the API is being restarted: try again
            if response is not None and response.status_code == expect:
                return response.json() if response.content else None
            again = response is None or response.status_code in (409, 502, 503)
            if not again or time.monotonic() > deadline:
                told = "no answer" if response is None else f"{response.status_code} {response.text[:300]}"
                raise JourneyError(f"{method} {path} should answer {expect}: {told}")
            await asyncio.sleep(0.2)

    async def visible(self, path: str, shows: Callable[[Any], bool]) -> tuple[Any, float]:
        """Poll until the answer shows something; returns it and the instant (monotonic seconds)."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                response = await self.api.get(path)
                if response.status_code == 200 and shows(response.json()):
                    return response.json(), time.monotonic()
            except http_client.TransportError:
                await asyncio.sleep(0.05)
            await asyncio.sleep(POLL_SECONDS)
        raise JourneyError(f"GET {path} did not show what it should within {PATIENCE_SECONDS:.0f} s")

    async def mailed(self, address: str, pattern: str) -> str:
        """Wait for a mail to this address that matches, and return the newest match."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            answer = await patiently(lambda: self.control.get("/mail/", params={"to": address}))
            for mail in answer.json()["mails"]:
                if found := re.search(pattern, mail["text"]):
                    return found[0]
            await asyncio.sleep(0.1)
        raise JourneyError(f"no mail came within {PATIENCE_SECONDS:.0f} s")

    async def submit_page(self, url: str, form: dict[str, str]) -> float:
        """Open a link as a browser would, and send its form; returns the instant when the page was done."""
        page = await patiently(lambda: self.pages.get(url))
        if page.status_code != 200:
            raise JourneyError(f"the billing page answered {page.status_code}")
        done = await patiently(lambda: self.pages.post(str(page.url), data=form))
        if done.status_code != 200:
            raise JourneyError(f"the billing page answered {done.status_code} to the form")
        return time.monotonic()

    async def staff(self, path: str, body: Any = None) -> tuple[Any, float]:
        """Perform an action of staff or WHMCS's cron; returns the answer and the instant of the commit."""
        return await self._control("POST", path, body)

    async def staff_change(self, path: str, body: Any) -> tuple[Any, float]:
        """Change fields as staff; returns the same."""
        return await self._control("PATCH", path, body)

    async def staff_delete(self, path: str) -> tuple[Any, float]:
        """Delete as staff; returns the same."""
        return await self._control("DELETE", path, None)

    async def _control(self, method: str, path: str, body: Any) -> tuple[Any, float]:
        response = await patiently(lambda: self.control.request(method, path, json=body or {}))
        if response.status_code >= 400:
            raise JourneyError(f"{path} answered {response.status_code}: {response.text[:200]}")
        return response.json(), time.monotonic()
