"""What WHMCS's hooks tell, and how the hook file sends it: signed webhooks from a spool, in order, with retries."""

import asyncio
import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC
from typing import Any

import httpx

from sandbox.whmcs.install import Hook, Install

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 3.0
TIMEOUT_SECONDS = 3.0
MOST_SPOOLED = 10_000


def fire(world: Any, event: str, kind: str, object_id: object, client_id: object) -> None:
    """Spool a hook, unless a fault loses it; the sender does the rest."""
    install: Install = world.whmcs
    hook = Hook(uuid.uuid4().hex, event, kind, str(object_id or ""), str(client_id or ""), world.clock.now())
    copies = [hook]
    for fault in world.faults.take_webhook("whmcs", event):
        if fault.kind == "drop_webhook":
            return
        if fault.kind == "duplicate_webhook":
            copies.append(hook)
        if fault.kind == "reorder_webhooks":
            install.outbox[:0] = [hook]
            copies = []
    install.outbox.extend(copies)
    del install.outbox[:-MOST_SPOOLED]
    world.hooks_waiting.set()


def signed(install: Install, hook: Hook, timestamp: int) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a webhook."""
    occurred = hook.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    envelope = {
        "event": hook.event,
        "object": hook.object,
        "id": hook.object_id,
        "client_id": hook.client_id or None,
        "occurred_at": occurred,
    }
    body = json.dumps(envelope).encode()
    content = f"{hook.id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(install.webhook_secret.encode(), content, hashlib.sha256)).decode()
    return body, {
        "content-type": "application/json",
        "webhook-id": hook.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


async def send_for_ever(world: Any) -> None:
    """Send the spool to the target. While nobody answers there it stays, and is tried later and later."""
    pause_seconds = FIRST_RETRY_SECONDS
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as http:
        while True:
            await world.hooks_waiting.wait()
            install: Install = world.whmcs
            if not world.webhook_target or not install.outbox:
                world.hooks_waiting.clear()
                continue
            if await _send(http, world, install.outbox[0]):
                install.outbox.pop(0)
                pause_seconds = FIRST_RETRY_SECONDS
            else:
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, LONGEST_RETRY_SECONDS)


async def _send(http: httpx.AsyncClient, world: Any, hook: Hook) -> bool:
    body, headers = signed(world.whmcs, hook, int(world.clock.now().timestamp()))
    try:
        response = await http.post(world.webhook_target, content=body, headers=headers)
    except httpx.HTTPError:
        return False
    return response.status_code < 500 and response.status_code != 429
