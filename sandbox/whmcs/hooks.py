"""Delivery of what the hook file spooled: signed webhooks, one after another, with back-off while the target is away.

The first webhook that cannot be delivered holds the others up, so that order is kept; faults drop, double or reverse.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import deque
from dataclasses import asdict
from typing import Any

import httpx

from sandbox.faults import scripted
from sandbox.ports import World
from sandbox.whmcs.install import Install
from sandbox.whmcs.state import Webhook

UPSTREAM = "whmcs"
USER_AGENT = "whmcs-hooks/1.0"
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
MOST_ATTEMPTS = 120
MOST_REFUSALS = 5
TIMEOUT_SECONDS = 3.0
HELD_SECONDS = 2.0
KEPT = 1_000


class Delivery:
    """Sends the spool of the world's WHMCS; `history` is what became of the latest webhooks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._woken = asyncio.Event()
        self._held: list[Webhook] = []
        self._held_until = 0.0
        self.history: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def wake(self) -> None:
        """There is something to send, or another target."""
        self._woken.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        timeout = httpx.Timeout(TIMEOUT_SECONDS, connect=1.0)
        headers = {"User-Agent": USER_AGENT, "Content-Type": "application/json"}
        async with httpx.AsyncClient(timeout=timeout, headers=headers, trust_env=False) as http:
            while True:
                self._woken.clear()
                install = self._world.whmcs
                if self._held and time.monotonic() >= self._held_until:
                    await self._release(http, install)
                if install.spool and install.webhook_url:
                    await self._next(http, install)
                elif not await self._wait(HELD_SECONDS if self._held else None):
                    await self._release(http, install)

    async def _wait(self, seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True

    async def _next(self, http: httpx.AsyncClient, install: Install) -> None:
        """Take the spool's head; it leaves the spool once it is delivered, given up or held."""
        webhook = install.spool[0]
        if webhook.attempts:
            await self._send_until_done(http, install, webhook)
            return
        taken = {fault.kind: fault for fault in self._world.faults.take_webhook(UPSTREAM, webhook.event)}
        if scripted.DROP in taken:
            self._done(install, webhook, "dropped")
        elif scripted.REORDER in taken:
            self._done(install, webhook, "held")
            if not self._held:
                self._held_until = time.monotonic() + HELD_SECONDS
            self._held.append(webhook)
            if not taken[scripted.REORDER].count:
                await self._release(http, install)
        else:
            if scripted.DUPLICATE in taken:
                await self._post(http, install, webhook)
            await self._send_until_done(http, install, webhook)

    async def _release(self, http: httpx.AsyncClient, install: Install) -> None:
        """Send what was held, last one first."""
        held, self._held = self._held, []
        for webhook in reversed(held):
            await self._send_until_done(http, install, webhook)

    async def _send_until_done(self, http: httpx.AsyncClient, install: Install, webhook: Webhook) -> None:
        while install is self._world.whmcs and install.webhook_url:
            status = await self._post(http, install, webhook)
            webhook.attempts += 1
            if 200 <= status < 300:
                self._done(install, webhook, "delivered")
                return
            if webhook.attempts >= (MOST_REFUSALS if 400 <= status < 500 else MOST_ATTEMPTS):
                self._done(install, webhook, f"given up ({status})")
                return
            pause = min(FIRST_PAUSE_SECONDS * 2 ** min(webhook.attempts, 10), LONGEST_PAUSE_SECONDS)
            self._woken.clear()
            await self._wait(pause)

    def _done(self, install: Install, webhook: Webhook, outcome: str) -> None:
        if install.spool and install.spool[0] is webhook:
            install.spool.pop(0)
        install.changed()
        self.history.append({**asdict(webhook), "outcome": outcome})

    async def _post(self, http: httpx.AsyncClient, install: Install, webhook: Webhook) -> int:
        """One attempt: the HTTP status, 0 for no answer."""
        body = content(webhook)
        headers = signed(install.webhook_secret, webhook.id, int(time.time()), body)
        try:
            return (await http.post(install.webhook_url, content=body, headers=headers)).status_code
        except httpx.HTTPError:
            return 0


def content(webhook: Webhook) -> bytes:
    """Return the body: the object that may have changed."""
    body: dict[str, Any] = {
        "event": webhook.event,
        "object": webhook.object,
        "id": webhook.record_id,
        "client_id": webhook.client_id,
        "occurred_at": webhook.occurred_at,
    }
    if webhook.merged_into:
        body["merged_into"] = webhook.merged_into
    if webhook.upgrades:
        body["upgrades"] = dict(webhook.upgrades)
    return json.dumps(body).encode()


def signed(secret: str, webhook_id: str, stamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of Standard Webhooks."""
    mac = hmac.digest(secret.encode(), f"{webhook_id}.{stamp}.".encode() + body, hashlib.sha256)
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": webhook_id, "webhook-timestamp": str(stamp), "webhook-signature": signature}
