"""Checks of WHMCS's webhooks: from the endpoint to the read models, and on request the whole way from WHMCS's hook."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from typing import Any

import asyncpg
import msgspec

from app import http_client
from app.cli.doctor.finding import Finding, NotTried, Trouble, checked
from app.errors import UpstreamNotFound
from app.integrations.signed_webhook import key_of, secrets_of
from app.integrations.tls import trusted
from app.integrations.whmcs.client import WhmcsClient
from app.settings import Settings

AREA = "webhooks"
GUIDE = "deploy/whmcs/README.md"
POST_SECONDS = 10
APPLY_SECONDS = 15
HOOK_SECONDS = 25
"""Longer than the sender's interval; its first start after an installation may take a minute more."""
LOOK_SECONDS = 0.1

_LINKED = "SELECT whmcs_client_id FROM portal.id_mappings ORDER BY linked_at LIMIT 1"
_SETTLED = "SELECT settled_at IS NOT NULL FROM ingest.inbox WHERE source = 'whmcs' AND event_id = $1"
_FROM_HOOK = """
SELECT true FROM ingest.inbox WHERE source = 'whmcs' AND origin = 'webhook' AND object = 'client' AND record_id = $1
  AND received_at >= $2 LIMIT 1
"""


async def endpoint(settings: Settings) -> Finding:
    """Check that the API accepts a signed webhook at its public address, and refuses one signed with another secret."""

    async def post() -> str:
        notice = _notice("check", "")
        status = await _post(settings, notice, secrets_of(settings.whmcs_webhook_secrets)[0])
        if status != 202:
            raise Trouble(f"{_url(settings)} answered {status} to a signed webhook", _why(status))
        if (forged := await _post(settings, notice, token_hex(16))) != 401:
            raise Trouble(f"{_url(settings)} answered {forged} to a forged webhook", _why(forged))
        return f"{_url(settings)} accepts signed webhooks only"

    advice = "Check that `portal api` is running and that PUBLIC_URL leads to it from here."
    return await checked(AREA, "door", post, advice)


async def worker(settings: Settings) -> Finding:
    """Check that a webhook about a linked client is applied: endpoint, inbox, worker, WHMCS and back."""

    async def follow() -> str:
        connection = await asyncpg.connect(settings.database_url, timeout=POST_SECONDS)
        try:
            client_id = await connection.fetchval(_LINKED)
            if client_id is None:
                raise NotTried("no customer is linked yet, so there is nothing to apply")
            webhook_id, started = f"doctor_{token_hex(12)}", time.monotonic()
            secret = secrets_of(settings.whmcs_webhook_secrets)[0]
            status = await _post(settings, _notice("client", client_id), secret, webhook_id)
            if status != 202:
                raise Trouble(f"{_url(settings)} answered {status}", _why(status))
            event_id = f"webhook:{webhook_id}"
            settled = await _until(partial(connection.fetchval, _SETTLED, event_id), APPLY_SECONDS)
        finally:
            await connection.close(timeout=POST_SECONDS)
        if not settled:
            raise Trouble(
                f"accepted, but not applied within {APPLY_SECONDS} seconds",
                "Check that `portal worker` is running. `portal lag` and `portal dead-letters` show what waits.",
            )
        return f"applied {(time.monotonic() - started) * 1000:.0f} ms after it was sent"

    advice = "Check that `portal api` is running and that DATABASE_URL names its database."
    return await checked(AREA, "worker", follow, advice)


async def hook(settings: Settings, whmcs_client_id: str | None) -> Finding:
    """Have WHMCS save a client unchanged, and check that its hook file's webhook arrives."""

    async def round_trip() -> str:
        if whmcs_client_id is None:
            raise NotTried("name a WHMCS client of your own: portal doctor --whmcs-client ID")
        connection = await asyncpg.connect(settings.database_url, timeout=POST_SECONDS)
        whmcs = await WhmcsClient.open(settings)
        try:
            began, started = await connection.fetchval("SELECT clock_timestamp()"), time.monotonic()
            await whmcs.update_client(whmcs_client_id, {})
            look = partial(connection.fetchval, _FROM_HOOK, whmcs_client_id, began)
            arrived = await _until(look, HOOK_SECONDS)
        finally:
            await whmcs.close()
            await connection.close(timeout=POST_SECONDS)
        if not arrived:
            raise Trouble(
                f"WHMCS saved the client, but nothing arrived within {HOOK_SECONDS} seconds",
                f"On WHMCS's server: php portal-hooks/send.php --check, then --status. See {GUIDE}.",
            )
        return f"arrived {(time.monotonic() - started) * 1000:.0f} ms after WHMCS was asked to save"

    return await checked(AREA, "hook file", round_trip, f"See {GUIDE}.")


async def canary(settings: Settings) -> Finding:
    """Check that the loss of WHMCS's webhooks would be noticed."""

    async def look() -> str:
        client_id = settings.whmcs_canary_client_id
        if not client_id:
            raise NotTried(
                "off: missing webhooks are noticed only when a comparison finds a change. Create a client without an "
                f"owner and set WHMCS_CANARY_CLIENT_ID to its id ({GUIDE})."
            )
        whmcs = await WhmcsClient.open(settings)
        try:
            await whmcs.client(client_id)
        except UpstreamNotFound as error:
            advice = "Set WHMCS_CANARY_CLIENT_ID to an existing client without an owner."
            raise Trouble(f"there is no client {client_id}", advice) from error
        finally:
            await whmcs.close()
        return f"client {client_id}, every {settings.canary_seconds:.0f} s"

    return await checked(AREA, "webhook canary", look, f"See {GUIDE}.")


def _notice(object_name: str, record_id: str) -> bytes:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    body = {"event": "PortalDoctor", "object": object_name, "id": record_id, "client_id": None, "occurred_at": at}
    return msgspec.json.encode(body)


async def _post(settings: Settings, body: bytes, secret: str, webhook_id: str = "") -> int:
    webhook_id, stamp = webhook_id or f"doctor_{token_hex(12)}", str(int(time.time()))
    mac = hmac.digest(key_of(secret), f"{webhook_id}.{stamp}.".encode() + body, hashlib.sha256)
    headers = {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
    async with http_client.AsyncClient(verify=trusted(settings), timeout=POST_SECONDS, trust_env=False) as http:
        return (await http.post(_url(settings), content=body, headers=headers)).status_code


def _url(settings: Settings) -> str:
    return f"{settings.public_url.rstrip('/')}/webhooks/whmcs"


def _why(status: int) -> str:
    return {
        401: "The API runs with other WHMCS_WEBHOOK_SECRETS, or its clock is wrong. Restart it with these settings.",
        403: "WEBHOOK_NETWORKS does not include this machine; run this from WHMCS's side, or add it.",
        404: "PUBLIC_URL leads elsewhere; correct it.",
        503: "The inbox is full. Run `portal lag` to see what waits.",
    }.get(status, "Something in front of the API answers instead of it. Check PUBLIC_URL and the proxy.")


async def _until(look: Callable[[], Any], seconds: float) -> bool:
    """Poll until it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await look():
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False
