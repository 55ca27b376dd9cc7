"""Sign-up: four writes in three systems, finished by a repetition wherever it broke, never a second WHMCS client."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from app.commands import passwords, sign_up_journal
from app.commands.context import Actor, Context
from app.commands.customer_numbers import CheckCustomerNumber, check_customer_number
from app.commands.log_in import LogIn, log_in
from app.commands.sign_up import Address, SignUp, sign_up
from app.errors import (
    Conflict,
    InvalidRequest,
    OutcomeUnknown,
    PortalError,
    RuleViolated,
    UpstreamError,
    UpstreamUnavailable,
)
from app.resources import open_resources
from app.settings import Settings

ANYBODY = Actor(address="203.0.113.7", request_id="test")
PASSWORD = "paper crane lantern 24"


@pytest.fixture
async def context(sandbox_settings: Settings, pool: asyncpg.Pool, redis: Redis, sandbox: Any) -> AsyncIterator[Context]:
    """A portal on the sandbox that gives up on WHMCS soon."""
    quick = msgspec.structs.replace(sandbox_settings, whmcs_write_timeout_seconds=0.7, salesforce_timeout_seconds=3.0)
    async with open_resources(quick) as r:
        yield r.context


def request_of(customer: dict[str, Any], **changes: Any) -> SignUp:
    fields: dict[str, Any] = {
        "email": customer["email"],
        "password": PASSWORD,
        "first_name": customer["first_name"],
        "last_name": customer["last_name"],
        "phone": "03-1234-5678",
        "customer_number": customer["customer_number"],
        "address": Address(
            address1="1-2-3 Shibuya", city="Shibuya-ku", state="Tokyo", postcode="150-0002", country="JP"
        ),
    }
    return SignUp(**{**fields, **changes})


async def whmcs_clients(sandbox: Any, customer: dict[str, Any]) -> list[dict[str, Any]]:
    """WHMCS clients that carry this customer number."""
    listed = (await sandbox.control.get("/whmcs/clients")).json()
    clients = listed if isinstance(listed, list) else next(each for each in listed.values() if isinstance(each, list))
    return [client for client in clients if customer["customer_number"] in str(client)]


async def account(sandbox: Any, customer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (
        await sandbox.control.get(f"/salesforce/Account/{customer['salesforce_account_id']}")
    ).json()
    return found


async def test_a_sign_up_joins_three_systems(context: Context, sandbox: Any, pool: asyncpg.Pool) -> None:
    customer = sandbox.customer(with_whmcs=False)
    done = await sign_up(context, ANYBODY, request_of(customer, email=customer["email"].upper()))
    [client] = await whmcs_clients(sandbox, customer)
    mapping = await pool.fetchrow("SELECT * FROM portal.id_mappings")
    assert done.result.account_id == mapping["account_id"]
    assert done.result.user.email == customer["email"].lower()
    assert mapping["salesforce_account_id"] == customer["salesforce_account_id"]
    assert mapping["whmcs_client_id"] == str(client["id"])
    told = await account(sandbox, customer)
    assert (told["Portal_Status__c"], told["Portal_Registration_Source__c"]) == ("Active", "New Signup")
    assert told["WH_Account__c"].startswith(f"#{client['id']} - ")
    assert await pool.fetchval("SELECT finished_at IS NOT NULL FROM portal.signups")
    objects = {row["object"] for row in await pool.fetch("SELECT object FROM ingest.inbox")}
    assert objects == {"account", "client", "client_invoices", "client_services", "pay_methods", "account_history"}


async def test_the_password_is_kept_as_a_hash_only_and_opens_the_portal(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await sign_up(context, ANYBODY, request_of(customer))
    for table in ("portal.users", "portal.signups", "portal.audit", "ingest.inbox"):
        assert not await pool.fetchval(f"SELECT bool_or(t::text LIKE '%{PASSWORD}%') FROM {table} t")
    assert PASSWORD not in str(await whmcs_clients(sandbox, customer))
    assert await passwords.matches(await pool.fetchval("SELECT password_hash FROM portal.users"), PASSWORD)
    await log_in(context, ANYBODY, LogIn(customer["email"], PASSWORD), agent="test")


@pytest.mark.parametrize(
    ("upstream", "operation", "kind"),
    [
        ("salesforce", "*", "down"),
        ("whmcs", "*", "down"),
        ("whmcs", "AddClient", "down"),
        ("whmcs", "AddClient", "timeout_after_write"),
        ("salesforce", "sobjects.update:Account", "status"),
        ("salesforce", "sobjects.update:Account", "timeout_after_write"),
    ],
)
async def test_what_an_upstream_broke_the_same_request_finishes(
    context: Context, sandbox: Any, pool: asyncpg.Pool, upstream: str, operation: str, kind: str
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await sandbox.fault(upstream, kind, operation, count=50)
    with pytest.raises(UpstreamError):
        await sign_up(context, ANYBODY, request_of(customer))
    assert not await pool.fetchval("SELECT 1 FROM portal.signups WHERE finished_at IS NOT NULL")
    await sandbox.clear_faults()
    done = await once_let_in(context, customer)
    [client] = await whmcs_clients(sandbox, customer)
    assert await pool.fetchval("SELECT whmcs_client_id FROM portal.id_mappings") == str(client["id"])
    assert await pool.fetchval("SELECT count(*) FROM portal.users") == 1
    assert (await account(sandbox, customer))["Portal_Status__c"] == "Active"
    assert done.result.user.email == customer["email"].lower()


async def once_let_in(context: Context, customer: dict[str, Any]) -> Any:
    """Sign up, again and again while the portal leaves an upstream alone that did not answer a moment ago."""
    async with asyncio.timeout(90):
        while True:
            try:
                return await sign_up(context, ANYBODY, request_of(customer))
            except UpstreamUnavailable:
                await asyncio.sleep(0.2)


@pytest.mark.parametrize("step", ["verified", "adding"])
async def test_a_sign_up_that_was_killed_before_add_client_goes_on_there(
    context: Context, sandbox: Any, pool: asyncpg.Pool, step: sign_up_journal.Step
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    number, email = customer["customer_number"], customer["email"].lower()
    await sign_up_journal.begin(pool, number, email, customer["salesforce_account_id"])
    await sign_up_journal.reach(pool, number, step, email=email, whmcs_client_id=None)
    await sign_up(context, ANYBODY, request_of(customer))
    assert len(await whmcs_clients(sandbox, customer)) == 1


@pytest.mark.parametrize("step", ["client", "stored"])
async def test_a_sign_up_that_was_killed_after_add_client_goes_on_there(
    context: Context, sandbox: Any, pool: asyncpg.Pool, step: str
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await sign_up(context, ANYBODY, request_of(customer))
    [client] = await whmcs_clients(sandbox, customer)
    if step == "client":
        await pool.execute("TRUNCATE portal.users CASCADE")
    await pool.execute("UPDATE portal.signups SET step = $1, finished_at = NULL", step)
    body = {"WH_Account__c": None, "Portal_Status__c": "Not Yet"}
    await sandbox.control.patch(f"/salesforce/Account/{customer['salesforce_account_id']}", json=body)
    await sign_up(context, ANYBODY, request_of(customer))
    assert len(await whmcs_clients(sandbox, customer)) == 1
    assert await pool.fetchval("SELECT whmcs_client_id FROM portal.id_mappings") == str(client["id"])
    assert (await account(sandbox, customer))["Portal_Status__c"] == "Active"


async def test_a_corrected_address_takes_over_the_client_that_an_unanswered_attempt_made(
    context: Context, sandbox: Any
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await sandbox.fault("whmcs", "timeout_after_write", "AddClient")
    with pytest.raises(OutcomeUnknown):
        await sign_up(context, ANYBODY, request_of(customer, email="tpyo@example.jp"))
    await sign_up(context, ANYBODY, request_of(customer, email="typo@example.jp"))
    [client] = await whmcs_clients(sandbox, customer)
    assert "typo@example.jp" in str(client)


async def test_of_two_at_once_one_wins_and_the_other_is_told(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    requests = [request_of(customer), request_of(customer, email="other@example.jp")]
    answers = await asyncio.gather(*(sign_up(context, ANYBODY, each) for each in requests), return_exceptions=True)
    [refused] = [answer for answer in answers if isinstance(answer, PortalError)]
    assert isinstance(refused, Conflict)
    assert refused.code in ("signup_in_progress", "account_exists")
    assert len(await whmcs_clients(sandbox, customer)) == 1
    assert await pool.fetchval("SELECT count(*) FROM portal.users") == 1


async def test_more_sign_ups_at_once_than_the_pool_has_connections_all_finish(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customers = [each for each in sandbox.state["customers"] if not each["whmcs_client_id"]][:14]
    async with asyncio.timeout(60):
        await asyncio.gather(*(sign_up(context, ANYBODY, request_of(each)) for each in customers))
    assert await pool.fetchval("SELECT count(*) FROM portal.id_mappings") == 14


async def test_a_customer_number_is_the_same_in_any_case(context: Context, sandbox: Any, pool: asyncpg.Pool) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await sign_up(context, ANYBODY, request_of(customer, customer_number=f" {customer['customer_number'].lower()} "))
    assert await pool.fetchval("SELECT customer_number FROM portal.id_mappings") == customer["customer_number"]
    with pytest.raises(Conflict, match="account_exists"):
        await sign_up(context, ANYBODY, request_of(customer, email="other@example.jp"))


async def test_a_finished_sign_up_is_not_made_again(context: Context, sandbox: Any) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await sign_up(context, ANYBODY, request_of(customer))
    with pytest.raises(Conflict, match="account_exists"):
        await sign_up(context, ANYBODY, request_of(customer))
    assert len(await whmcs_clients(sandbox, customer)) == 1


async def test_an_unfinished_sign_up_is_not_finished_with_another_password(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await sign_up(context, ANYBODY, request_of(customer))
    await pool.execute("UPDATE portal.signups SET step = 'stored', finished_at = NULL")
    with pytest.raises(Conflict, match="account_exists"):
        await sign_up(context, ANYBODY, request_of(customer, password="somebody elses guess"))


async def test_a_customer_with_a_billing_client_is_told_to_link_it(context: Context, sandbox: Any) -> None:
    billed, unbilled = sandbox.customer(with_whmcs=True), sandbox.customer(with_whmcs=False)
    for request in (
        request_of(billed),
        request_of(billed, email="new@example.jp"),
        request_of(unbilled, email=billed["email"]),
    ):
        with pytest.raises(Conflict, match="whmcs_client_exists"):
            await sign_up(context, ANYBODY, request)
    assert "AddClient" not in {call["operation"] for call in await sandbox.calls("whmcs")}


async def test_an_unknown_number_a_weak_password_and_refused_details_change_nothing(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    with pytest.raises(RuleViolated, match="customer_number_unknown"):
        await sign_up(context, ANYBODY, request_of(customer, customer_number="C-999999' OR Name LIKE '%"))
    with pytest.raises(InvalidRequest):
        await sign_up(context, ANYBODY, request_of(customer, password="password1234"))
    with pytest.raises(RuleViolated, match="details_refused"):
        await sign_up(context, ANYBODY, request_of(customer, email="strange@example.jp", phone=""))
    assert await whmcs_clients(sandbox, customer) == []
    assert await pool.fetchval("SELECT count(*) FROM portal.users") == 0


async def test_the_check_tells_whether_and_never_who(context: Context, sandbox: Any) -> None:
    billed, free = sandbox.customer(with_whmcs=True), sandbox.customer(with_whmcs=False)

    async def check(number: str) -> dict[str, Any]:
        done = await check_customer_number(context, ANYBODY, CheckCustomerNumber(number))
        found: dict[str, Any] = msgspec.to_builtins(done.result)
        return found

    assert await check(free["customer_number"]) == {"can_sign_up": True, "reason": None}
    assert await check(billed["customer_number"]) == {"can_sign_up": False, "reason": "already_registered"}
    assert await check("C-999999") == {"can_sign_up": False, "reason": "unknown"}


async def test_the_check_asks_salesforce_once_in_thirty_seconds_even_for_a_no(
    context: Context, sandbox: Any, redis: Redis
) -> None:
    await check_customer_number(context, ANYBODY, CheckCustomerNumber("C-999999"))
    asked = len(await sandbox.calls("salesforce"))
    for _ in range(5):
        await check_customer_number(context, ANYBODY, CheckCustomerNumber("C-999999"))
    assert len(await sandbox.calls("salesforce")) == asked
    [key] = await redis.keys("portal:customer-number:*")
    assert 0 < await redis.ttl(key) <= 30
