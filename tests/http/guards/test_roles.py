"""Every route of the document, tried by everybody. A route that is not in this table fails; so does one that lets in
anybody else than the table says, or shows one customer what is another's."""

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app.cli.document import openapi_document, unconfigured
from app.commands.identity.sessions import session_store
from app.http.openapi.parts import operations
from app.http.policies import policy
from app.http.policies.table import DeclaredRoute, routes_of
from app.settings import Settings
from tests.fixtures.changes import CARD, CLIENT, INVOICE, ORDER, SERVICE, change
from tests.projections.conftest import feed

__all__ = ["feed"]

ANYBODY = {"anonymous", "customer", "support", "operator", "analyst"}
SIGNED_IN = ANYBODY - {"anonymous"}
CUSTOMERS, OPERATORS, SUPPORT = {"customer"}, {"operator"}, {"operator", "support"}

WHO = {
    "get /api/public/services": ANYBODY,
    "get /api/public/services/{category}": ANYBODY,
    "get /api/public/services/{category}/{sku}": ANYBODY,
    "get /api/health/live": ANYBODY,
    "get /api/health/ready": ANYBODY,
    "get /api/health/services/cache": ANYBODY,
    "post /api/auth/customer-number/check": ANYBODY,
    "post /api/auth/signup": ANYBODY,
    "post /api/auth/signup/complete": ANYBODY,
    "post /api/auth/login": ANYBODY,
    "post /api/auth/login/code": ANYBODY,
    "post /api/auth/link": ANYBODY,
    "post /api/auth/link/code": ANYBODY,
    "post /api/auth/link/choice": ANYBODY,
    "post /api/auth/link/complete": ANYBODY,
    "post /api/auth/password/forgot": ANYBODY,
    "post /api/auth/password/reset": ANYBODY,
    "post /api/auth/password/change": SIGNED_IN,
    "post /api/auth/mfa/enrol": SIGNED_IN,
    "post /api/auth/mfa/confirm": SIGNED_IN,
    "post /api/auth/mfa/disable": SIGNED_IN,
    "post /api/auth/logout": SIGNED_IN,
    "get /api/auth/me": SIGNED_IN,
    "get /api/auth/sessions": SIGNED_IN,
    "delete /api/auth/sessions": SIGNED_IN,
    "delete /api/auth/sessions/{session_id}": SIGNED_IN,
    "get /api/commands/{command_id}": SIGNED_IN,
    "get /api/account/services": CUSTOMERS,
    "get /api/account/services/{category}": CUSTOMERS,
    "get /api/account/eligibility": CUSTOMERS,
    "post /api/account/eligibility/request": CUSTOMERS,
    "post /api/account/refresh": CUSTOMERS,
    "post /api/account/export": CUSTOMERS,
    "get /api/account/export": CUSTOMERS,
    "get /api/account/export/{export_id}/archive": CUSTOMERS,
    "get /api/account/profile": CUSTOMERS,
    "patch /api/account/profile": CUSTOMERS,
    "get /api/account/address": CUSTOMERS,
    "put /api/account/address": CUSTOMERS,
    "get /api/account/summary": CUSTOMERS,
    "get /api/account/capabilities": CUSTOMERS,
    "get /api/account/timeline": CUSTOMERS,
    "get /api/account/notifications": CUSTOMERS,
    "post /api/account/notifications/read": CUSTOMERS,
    "post /api/account/notifications/{notification_id}/read": CUSTOMERS,
    "get /api/orders": CUSTOMERS,
    "post /api/orders": CUSTOMERS,
    "post /api/orders/check": CUSTOMERS,
    "get /api/orders/{order_id}": CUSTOMERS,
    "get /api/invoices": CUSTOMERS,
    "get /api/invoices/{invoice_id}": CUSTOMERS,
    "post /api/invoices/payment-link": CUSTOMERS,
    "post /api/invoices/{invoice_id}/payment-link": CUSTOMERS,
    "post /api/invoices/{invoice_id}/pay": CUSTOMERS,
    "post /api/invoices/{invoice_id}/pdf-link": CUSTOMERS,
    "get /api/payment-methods": CUSTOMERS,
    "post /api/payment-methods/link": CUSTOMERS,
    "post /api/payment-methods/{payment_method_id}/default": CUSTOMERS,
    "delete /api/payment-methods/{payment_method_id}": CUSTOMERS,
    "get /api/payment-gateways": CUSTOMERS,
    "get /api/subscriptions": CUSTOMERS,
    "get /api/charges": CUSTOMERS,
    "get /api/subscriptions/{subscription_id}": CUSTOMERS,
    "get /api/subscriptions/{subscription_id}/invoices": CUSTOMERS,
    "get /api/subscriptions/{subscription_id}/plans": CUSTOMERS,
    "post /api/subscriptions/{subscription_id}/preview": CUSTOMERS,
    "post /api/subscriptions/{subscription_id}/upgrade": CUSTOMERS,
    "post /api/subscriptions/{subscription_id}/downgrade": CUSTOMERS,
    "post /api/subscriptions/{subscription_id}/cancel": CUSTOMERS,
    "delete /api/subscriptions/{subscription_id}/cancellation": CUSTOMERS,
    "delete /api/subscriptions/{subscription_id}/scheduled-change": CUSTOMERS,
    "post /api/subscriptions/{subscription_id}/usage": CUSTOMERS,
    "post /api/subscriptions/{subscription_id}/control-panel-link": CUSTOMERS,
    "get /api/cases": CUSTOMERS,
    "post /api/cases": CUSTOMERS,
    "get /api/cases/{case_id}": CUSTOMERS,
    "post /api/cases/{case_id}/comments": CUSTOMERS,
    "post /api/cases/{case_id}/attachments": CUSTOMERS,
    "get /api/cases/{case_id}/attachments/{attachment_id}": CUSTOMERS,
    "get /api/events": CUSTOMERS,
    "get /api/admin/dead-letters": OPERATORS,
    "post /api/admin/dead-letters/{letter_id}/retry": OPERATORS,
    "post /api/admin/dead-letters/{letter_id}/discard": OPERATORS,
    "get /api/admin/projections": OPERATORS,
    "get /api/admin/schedule": OPERATORS,
    "get /api/admin/schedule/{name}/runs": OPERATORS,
    "post /api/admin/schedule/{name}/run": OPERATORS,
    "get /api/invoices/{invoice_id}/payment-attempts": CUSTOMERS,
    "get /api/admin/captures": OPERATORS,
    "post /api/admin/captures/retry": OPERATORS,
    "post /api/admin/captures/{attempt_id}/look": OPERATORS,
    "post /api/admin/captures/{attempt_id}/state": OPERATORS,
    "get /api/admin/providers/drift": OPERATORS,
    "get /api/admin/providers/{subscription_id}": OPERATORS,
    "post /api/admin/providers/repair": OPERATORS,
    "get /api/admin/dunning": OPERATORS,
    "get /api/admin/dunning/policy": OPERATORS,
    "get /api/admin/dunning/{invoice_id}": OPERATORS,
    "post /api/admin/dunning/{invoice_id}/hold": OPERATORS,
    "post /api/admin/dunning/{invoice_id}/lift": OPERATORS,
    "post /api/admin/dunning/permit": OPERATORS,
    "get /api/admin/fulfilments": OPERATORS,
    "get /api/admin/fulfilments/{order_id}": OPERATORS,
    "post /api/admin/fulfilments/{order_id}/retry": OPERATORS,
    "post /api/admin/fulfilments/{order_id}/cancel": OPERATORS,
    "post /api/admin/fulfilments/{order_id}/skip": OPERATORS,
    "get /api/admin/subscriptions/{subscription_id}": OPERATORS,
    "post /api/admin/subscriptions/{subscription_id}/usage": OPERATORS,
    "post /api/admin/subscriptions/{subscription_id}/suspend": OPERATORS,
    "post /api/admin/subscriptions/{subscription_id}/unsuspend": OPERATORS,
    "post /api/admin/subscriptions/{subscription_id}/terminate": OPERATORS,
    "post /api/admin/subscriptions/{subscription_id}/sync-plan": OPERATORS,
    "post /api/admin/subscriptions/{subscription_id}/reissue": OPERATORS,
    "get /api/admin/plan-changes": OPERATORS,
    "post /api/admin/plan-changes/{change_id}/retry": OPERATORS,
    "get /api/admin/scheduled-changes": OPERATORS,
    "post /api/admin/projections/{name}/rebuild": OPERATORS,
    "get /api/admin/accounts/{account_id}/explain/{resource}/{item_id}": SUPPORT,
}
BY_SIGNATURE = {"post /webhooks/whmcs", "post /webhooks/salesforce"}
REFUSALS = {
    "not_authenticated",
    "not_allowed",
    "customer_session_required",
    "second_factor_required",
}
OWN = {
    "order_id": "801A",
    "invoice_id": "77",
    "subscription_id": "55",
    "payment_method_id": "3",
    "command_id": "",
    "session_id": "",
}
"""What is Hana's, by the name of the path parameter."""
OTHERS = {"category": "sim", "sku": "SIM-5GB", "letter_id": "1", "name": "nothing", "resource": "orders"}

LogIn = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
async def routes(api: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Return (method, path) of every route."""
    document = json.loads(openapi_document())
    return [(method, path) for path, method, _ in operations(document)]


@pytest.fixture
def session(pool: asyncpg.Pool, settings: Settings) -> LogIn:
    """Open a session and return its headers; without a password, because there are many."""

    async def run(email: str, *, mfa: bool = False) -> dict[str, str]:
        user_id = await pool.fetchval("SELECT id FROM portal.users WHERE email = $1", email)
        opened = await session_store.open_session(pool, settings, user_id, "203.0.113.7", "test", mfa=mfa)
        return {"authorization": f"Bearer {opened.token}"}

    return run


@pytest.fixture
async def staff(pool: asyncpg.Pool) -> list[str]:
    names = ["support", "operator", "analyst"]
    for role in names:
        await pool.execute(
            "INSERT INTO portal.users (id, email, password_hash, role) VALUES ($1, $2, 'unused', $3)",
            uuid4(),
            f"{role}@example.jp",
            role,
        )
    return names


def address(path: str, ids: dict[str, str]) -> str:
    class Values(dict[str, str]):
        def __missing__(self, key: str) -> str:
            return str(UUID(int=1)) if key in ("session_id", "account_id", "change_id", "export_id") else "1"

    return path.format_map(Values({**OTHERS, **ids}))


async def call(api: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    body: Any = {} if method in ("post", "put", "patch") else None
    if path.endswith(("/preview", "/upgrade", "/downgrade")):
        body = {"sku": "SIM-5GB"}
    if path == "/api/events":  # a stream has no end: one that has begun is enough
        async with api.stream(method, path, headers={**headers, "last-event-id": "not a number"}) as response:
            await response.aread()
            return response
    more = {"x-request-id": "same", "idempotency-key": uuid4().hex}
    return await api.request(method, path, json=body, headers={**headers, **more})


def is_refused(response: httpx.Response) -> bool:
    return response.status_code in (401, 403) and response.json()["code"] in REFUSALS


async def test_every_route_is_in_the_table(routes: list[tuple[str, str]]) -> None:
    assert {f"{method} {path}" for method, path in routes} == set(WHO) | BY_SIGNATURE


async def test_every_route_lets_in_whom_it_should_and_nobody_else(
    api: httpx.AsyncClient, routes: list[tuple[str, str]], session: LogIn, add_customer: Any, staff: list[str]
) -> None:
    await add_customer("customer")
    wrong = []
    for method, path in routes:
        name = f"{method} {path}"
        if name in BY_SIGNATURE:
            continue
        for who in sorted(ANYBODY):
            headers = await session(f"{who}@example.jp", mfa=True) if who != "anonymous" else {}
            response = await call(api, method, address(path, {}), headers)
            if is_refused(response) == (who in WHO[name]):
                wrong.append(f"{who}: {name} answered {response.status_code} {response.text[:120]}")
            if who == "anonymous" and is_refused(response) and response.status_code != 401:
                wrong.append(f"{name} tells a stranger more than to log in: {response.text[:120]}")
    assert not wrong, "\n".join(wrong)


async def test_staff_without_a_second_factor_get_nowhere(
    api: httpx.AsyncClient, routes: list[tuple[str, str]], session: LogIn, staff: list[str]
) -> None:
    for role in staff:
        for method, path in routes:
            allowed = WHO.get(f"{method} {path}", ANYBODY)
            if role not in allowed or "anonymous" in allowed or path.startswith("/api/auth/"):
                continue
            response = await call(api, method, address(path, {}), await session(f"{role}@example.jp"))
            assert response.json()["code"] == "second_factor_required", path


def without_command(answer: httpx.Response) -> dict[str, Any]:
    """Return the body without the id of the command, which differs in every request."""
    return {name: value for name, value in answer.json().items() if name != "command_id"}


async def test_another_customers_resource_answers_as_a_missing_one(
    api: httpx.AsyncClient,
    pool: asyncpg.Pool,
    routes: list[tuple[str, str]],
    session: LogIn,
    add_customer: Any,
    feed: Any,
) -> None:
    hana_id = await add_customer("hana")
    await add_customer("kenji")
    await feed(
        [
            change("salesforce", "Order", "801A", ORDER, owner_id="account-hana"),
            change("whmcs", "invoice", "77", INVOICE, owner_id="client-hana"),
            change("whmcs", "service", "55", SERVICE, owner_id="client-hana"),
            change("whmcs", "client", "client-hana", CLIENT, owner_id="client-hana"),
            change("whmcs", "pay_method", "3", CARD, owner_id="client-hana"),
        ]
    )
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ('/data/Portal__chn', now())")
    hana, kenji = await session("hana@example.jp"), await session("kenji@example.jp")
    own = (await api.get("/api/auth/sessions", headers=hana)).json()["items"][0]["session_id"]
    command = uuid4()
    await pool.execute(
        "INSERT INTO portal.commands (id, scope, idempotency_key, name, account_id, body_hash, state, locked_until) "
        "VALUES ($1, $2, 'key', 'open_case', $3, '', 'done', now())",
        command,
        str(hana_id),
        hana_id,
    )
    ids = {**OWN, "session_id": own, "command_id": str(command)}
    own_paths = [(m, p) for m, p in routes if not p.startswith("/api/admin/")]
    personal = [(m, p) for m, p in own_paths if any(f"{{{name}}}" in p for name in OWN)]
    assert len(personal) >= 5
    for method, path in personal:
        hers = await call(api, method, address(path, ids), kenji)
        nobodys = await call(
            api, method, address(path, {name: "999999" for name in OWN if name != "session_id"}), kenji
        )
        assert (hers.status_code, without_command(hers)) == (nobodys.status_code, without_command(nobodys)), path
        assert hers.status_code in (404, 503), (path, hers.text)
        if method == "get":
            assert hers.status_code == 404, path
            assert (await call(api, method, address(path, ids), hana)).status_code in (200, 503), path


async def test_staff_access_is_audited_the_refused_too(
    api: httpx.AsyncClient, pool: asyncpg.Pool, session: LogIn, staff: list[str], add_customer: Any
) -> None:
    await add_customer("hana")
    await api.get("/api/admin/dead-letters", headers=await session("operator@example.jp", mfa=True))
    await api.get("/api/admin/dead-letters", headers=await session("analyst@example.jp", mfa=True))
    await api.get("/api/admin/dead-letters", headers=await session("hana@example.jp"))
    rows = await pool.fetch("SELECT outcome, target FROM portal.audit WHERE action = 'staff_access' ORDER BY id")
    assert [row["outcome"] for row in rows] == ["ok", "refused", "refused"]
    assert {row["target"] for row in rows} == {"GET /api/admin/dead-letters"}


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """Of docs/security.md: row → its words, and its routes."""
    text = (Path(__file__).parents[3] / "docs" / "security.md").read_text()
    table = text[text.index("| role |") : text.index("The longest prefix counts")]
    rows = re.findall(r"^\| ([a-z, ]+) \| (.+?) \| (.*?) ?\|$", table, re.M)
    return {name: (set(may.split("; ")), set(re.findall(r"`([^`]+)`", routes))) for name, may, routes in rows}


def row_of(route: DeclaredRoute) -> set[str]:
    """The rows of the documented table in which a route belongs."""
    if route.policy.roles is None:
        inside = route.policy.signed or route.path == "/metrics"
        return {"nobody, by signature or from inside" if inside else "nobody"}
    return {"everybody who is logged in"} if route.policy.roles == policy.SIGNED_IN else set(route.policy.roles)


def covers(prefix: str, path: str) -> bool:
    return path == prefix.rstrip("/") or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def test_the_table_of_roles_in_the_documentation_is_the_code() -> None:
    told = {name: prefixes for name, (_, prefixes) in documented().items() if name != "role"}
    prefixes, used = set().union(*told.values()), set()
    for route in routes_of(unconfigured()):
        longest = max((each for each in prefixes if covers(each, route.path)), key=len, default="")
        used.add(longest)
        assert {row for row, own in told.items() if longest in own} == row_of(route), (route.path, longest)
    assert used == prefixes


def test_staff_need_a_second_factor_everywhere_but_where_the_documentation_says() -> None:
    policies = [(route.path, route.policy) for route in routes_of(unconfigured()) if not route.policy.is_open]
    assert {path for path, policy in policies if not policy.second_factor} == {
        path for path, _ in policies if path.startswith("/api/auth/")
    }
    text = (Path(__file__).parents[3] / "docs" / "security.md").read_text()
    assert "everywhere but where they set it up:\nunder `/api/auth/`." in text
