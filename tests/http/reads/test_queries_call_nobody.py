"""A query never calls an upstream: every GET route is asked with cold caches while each upstream is a listener
that counts connections. Only the support cases are read live.

The listener would see a call made by any library, which an import rule would not; a planted call shows that it does.
"""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar, Request, get

from app.commands.execution.context import Actor
from app.commands.identity.sessions.session_store import open_session
from app.http.app import build
from app.http.policies.policy import ANYBODY, Policy
from app.processes.clock import registry
from app.schedule import clock_jobs
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.http.conftest import served
from tests.http.logged_in import desk, hana, short_timeouts

__all__ = ["desk", "hana", "short_timeouts"]

LIVE = {"/api/cases", "/api/cases/{case_id:str}", "/api/cases/{case_id:str}/attachments/{attachment_id:str}"}
"""Support cases are read live from Salesforce: the one named exception among the GET routes."""
STREAMS = {"/api/events"}
NOTHING_YET = {
    "/api/account/export",
    "/api/account/export/{export_id:uuid}/archive",
    "/api/admin/fulfilments/{order_id:str}",
    "/api/admin/providers/{subscription_id:str}",
    "/api/commands/{command_id:str}",
}
"""Looked up, and answered 404: the test's customer has no order under way, no service that the portal provisioned,
no command in the ledger, and asked for no copy of their data."""
OPEN = Policy(roles=ANYBODY, limit="public")
QUIET_SECONDS = 0.3
"""What an answer sets off in the background calls within this, or never."""


class Upstreams:
    """One listener in the place of every upstream. It hangs up at once."""

    def __init__(self) -> None:
        self.calls = 0
        self.port = 0

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls += 1
        writer.close()

    async def made_by(self, ask: Callable[[], Awaitable[Any]]) -> int:
        """Return the number of calls that a request makes, those of its background included."""
        before = self.calls
        await ask()
        await asyncio.sleep(QUIET_SECONDS)
        return self.calls - before

    def instead_of(self, settings: Settings) -> Settings:
        """Settings in which every upstream is this listener."""
        here = f"127.0.0.1:{self.port}"
        names = ("salesforce_url", "salesforce_token_url", "whmcs_url", "freebit_url", "whm_url")
        urls = dict.fromkeys(names, f"http://{here}")
        return msgspec.structs.replace(settings, **urls, salesforce_pubsub=here, salesforce_pubsub_tls=False)


@pytest.fixture
async def upstreams() -> AsyncIterator[Upstreams]:
    found = Upstreams()
    server = await asyncio.start_server(found.hear, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


def get_routes(app: Litestar) -> set[str]:
    """The templates of every GET route, the document's own aside."""
    found = {route.path for route in app.routes if "GET" in getattr(route, "methods", ())}
    return {path for path in found if not path.startswith("/schema")}


async def known_ids(desk: Desk, hana: Actor) -> dict[str, str]:
    """One real id for every path parameter, so that each query finds what it is asked for."""
    pool = desk.pool

    async def one(sql: str, *values: object) -> str:
        return str(await pool.fetchval(sql, *values))

    account = hana.account_id
    return {
        "account_id": str(account),
        "order_id": await one("SELECT order_id FROM read_model.orders WHERE account_id = $1", account),
        "invoice_id": await one("SELECT invoice_id FROM read_model.invoices WHERE account_id = $1", account),
        "subscription_id": await one(
            "SELECT subscription_id FROM read_model.subscriptions WHERE account_id = $1", account
        ),
        "sku": await one("SELECT sku FROM read_model.catalog WHERE category = 'internet' AND item_class = 'service'"),
        "category": "internet",
        "resource": "invoices",
        "command_id": str(uuid4()),
        "export_id": str(uuid4()),
        "case_id": "500000000000001AAA",
        "attachment_id": "068000000000001AAA",
        "name": "clean",
    }


def filled(template: str, ids: dict[str, str]) -> str:
    """The path of a route with real ids in it."""
    path = template
    for name, value in ({**ids, "item_id": ids["invoice_id"]}).items():
        for kind in ("", ":str", ":uuid", ":int"):
            path = path.replace(f"{{{name}{kind}}}", value)
    assert "{" not in path, f"no id is known for {template}: extend known_ids"
    return path


@asynccontextmanager
async def api_of(settings: Settings, desk: Desk, hana: Actor) -> AsyncIterator[tuple[Litestar, httpx.AsyncClient, Any]]:
    """A new API, with nothing in memory and nothing in Redis; the headers of a customer and of an operator."""
    assert hana.user_id is not None
    staff = await desk.pool.fetchval(
        "INSERT INTO portal.users (id, email, password_hash, role) "
        "VALUES (gen_random_uuid(), 'op@example.jp', 'unused', 'operator') RETURNING id"
    )
    customer = await open_session(desk.pool, settings, hana.user_id, "", "")
    operator = await open_session(desk.pool, settings, staff, "", "", mfa=True)
    await desk.resources.redis.flushdb()
    headers = {
        name: {"authorization": f"Bearer {opened.token}"}
        for name, opened in (("customer", customer), ("operator", operator))
    }
    async with served(settings) as (app, client):
        yield app, client, headers


async def test_no_get_route_calls_an_upstream(
    desk: Desk, hana: Actor, short_timeouts: Settings, upstreams: Upstreams
) -> None:
    await desk.open()
    await desk.place(hana, await desk.basket("vpn"))
    await desk.pool.execute(
        "INSERT INTO read_model.feeds (feed, as_of, state) VALUES ($1, now() - interval '1 day', 'live')",
        short_timeouts.salesforce_channel,
    )
    await desk.pool.execute("UPDATE read_model.freshness SET verified_at = now() - interval '1 day'")
    await clock_jobs.register(desk.pool, registry.registrations(short_timeouts))
    ids = await known_ids(desk, hana)
    async with api_of(upstreams.instead_of(short_timeouts), desk, hana) as (app, client, headers):
        templates = sorted(get_routes(app) - LIVE - STREAMS)
        assert len(templates) > 30
        for template in templates:
            path = filled(template, ids)
            role = "operator" if path.startswith("/api/admin") else "customer"
            answers: list[httpx.Response] = []

            async def ask(path: str = path, role: str = role, answers: list[httpx.Response] = answers) -> None:
                for more in ({}, {"Cache-Control": "max-age=0", "Prefer": "wait=0"}):
                    answers.append(await client.get(path, headers={**headers[role], **more}))

            assert await upstreams.made_by(ask) == 0, f"{template} called an upstream"
            failed = [answer.text for answer in answers if answer.status_code not in (200, 304)]
            assert not failed or template in NOTHING_YET, (template, failed)


async def test_the_live_reads_are_seen_and_so_is_a_planted_call(
    desk: Desk, hana: Actor, short_timeouts: Settings, upstreams: Upstreams
) -> None:
    """Otherwise the test above would prove nothing."""
    planted = upstreams.instead_of(short_timeouts)

    @get("/api/public/planted/client", policy=OPEN)
    async def by_client(request: Request[Any, Any, Any]) -> str:
        await request.app.state.context.whmcs.client("1")
        return "never"

    @get("/api/public/planted/urllib", policy=OPEN, sync_to_thread=True)
    def by_urllib() -> str:
        return str(urllib.request.urlopen(planted.whm_url, timeout=2).read())  # noqa: S310

    async with api_of(planted, desk, hana) as (app, client, headers):
        app.register(by_client)
        app.register(by_urllib)
        for path in ("/api/cases", "/api/public/planted/client", "/api/public/planted/urllib"):

            async def ask(path: str = path) -> None:
                assert (await client.get(path, headers=headers["customer"])).status_code >= 500

            assert await upstreams.made_by(ask) > 0, f"the call of {path} went unseen"


def test_every_get_route_is_looked_at(settings: Settings) -> None:
    """A live read or a stream that is gone, or renamed, must not go on being excused."""
    assert get_routes(build(settings)) >= LIVE | STREAMS
