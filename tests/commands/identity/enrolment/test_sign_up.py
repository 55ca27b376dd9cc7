"""Sign-up: four writes in three systems, finished by a repetition wherever it broke, never a second WHMCS client."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from app.commands.execution.context import Context
from app.commands.identity import passwords
from app.commands.identity.enrolment import sign_up_journal
from app.commands.identity.enrolment.check_customer_number import CheckCustomerNumber, check_customer_number
from app.commands.identity.enrolment.complete_sign_up import CompleteSignUp, complete_sign_up
from app.commands.identity.log_in import LogIn, log_in
from app.errors import (
    Conflict,
    InvalidRequest,
    OutcomeUnknown,
    PortalError,
    RuleViolated,
    UpstreamError,
    UpstreamUnavailable,
)
from app.integrations.whmcs.client import NewClient
from app.resources import Resources, open_resources
from app.settings import Settings
from tests.fixtures.enrolling import ANYBODY, PASSWORD, TRIES, begun, mails, proof_of, request_of, signed_up


@pytest.fixture
async def context(sandbox_settings: Settings, pool: asyncpg.Pool, redis: Redis, sandbox: Any) -> AsyncIterator[Context]:
    """A portal on the sandbox with short time-outs for WHMCS."""
    quick = msgspec.structs.replace(sandbox_settings, whmcs_write_timeout_seconds=0.7, salesforce_timeout_seconds=3.0)
    async with open_resources(quick) as r:
        yield r.context


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
    done = await signed_up(context, sandbox, customer, email=customer["email"].upper())
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
    await signed_up(context, sandbox, customer)
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
    proof = await proof_of(context, sandbox, customer)
    await sandbox.fault(upstream, kind, operation, count=50)
    for _ in range(2 * TRIES):  # a right code is no failure, however often it is sent
        with pytest.raises(UpstreamError):
            await complete_sign_up(context, ANYBODY, proof)
        if operation != "*":
            break
    assert not await pool.fetchval("SELECT 1 FROM portal.signups WHERE finished_at IS NOT NULL")
    await sandbox.clear_faults()
    done = await once_let_in(context, proof)
    [client] = await whmcs_clients(sandbox, customer)
    assert await pool.fetchval("SELECT whmcs_client_id FROM portal.id_mappings") == str(client["id"])
    assert await pool.fetchval("SELECT count(*) FROM portal.users") == 1
    assert (await account(sandbox, customer))["Portal_Status__c"] == "Active"
    assert done.result.user.email == customer["email"].lower()
    assert len(await mails(context, sandbox, customer["email"])) == 2  # the code, and that it is done


async def once_let_in(context: Context, proof: CompleteSignUp) -> Any:
    """Sign up, and try again while a breaker is open."""
    async with asyncio.timeout(90):
        while True:
            try:
                return await complete_sign_up(context, ANYBODY, proof)
            except UpstreamUnavailable:
                await asyncio.sleep(0.2)


@pytest.mark.parametrize("upstream", ["salesforce"])
async def test_no_sign_up_begins_while_the_customer_number_cannot_be_checked(
    context: Context, sandbox: Any, pool: asyncpg.Pool, upstream: str
) -> None:
    await sandbox.fault(upstream, "down", count=50)
    with pytest.raises(UpstreamError):
        await begun(context, request_of(sandbox.customer(with_whmcs=False)))
    assert await pool.fetchval("SELECT count(*) FROM portal.enrolments") == 0


@pytest.mark.parametrize("step", ["verified", "adding"])
async def test_a_sign_up_that_was_killed_before_add_client_goes_on_there(
    context: Context, sandbox: Any, pool: asyncpg.Pool, step: sign_up_journal.SignUpStep
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    number, email = customer["customer_number"], customer["email"].lower()
    await sign_up_journal.begin(pool, number, email, customer["salesforce_account_id"])
    await sign_up_journal.reach(pool, number, step, email=email, whmcs_client_id=None)
    await signed_up(context, sandbox, customer)
    assert len(await whmcs_clients(sandbox, customer)) == 1


async def test_a_sign_up_that_was_killed_after_add_client_goes_on_there(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    proof = await proof_of(context, sandbox, customer)
    await pool.execute("ALTER TABLE portal.id_mappings RENAME TO elsewhere")
    try:
        with pytest.raises(asyncpg.UndefinedTableError):
            await complete_sign_up(context, ANYBODY, proof)
    finally:
        await pool.execute("ALTER TABLE portal.elsewhere RENAME TO id_mappings")
    number, email = customer["customer_number"], customer["email"].lower()
    await sign_up_journal.begin(pool, number, email, customer["salesforce_account_id"])
    client_id = await context.whmcs.add_client(
        NewClient(**details_of(customer), password="a-long-random-one", customer_number=number)
    )
    await sign_up_journal.reach(pool, number, "client", email=email, whmcs_client_id=client_id)
    await complete_sign_up(context, ANYBODY, proof)
    [client] = await whmcs_clients(sandbox, customer)
    assert await pool.fetchval("SELECT whmcs_client_id FROM portal.id_mappings") == str(client["id"]) == client_id
    assert (await account(sandbox, customer))["Portal_Status__c"] == "Active"


def details_of(customer: dict[str, Any]) -> dict[str, str]:
    request = request_of(customer)
    names = {"firstname": request.first_name, "lastname": request.last_name, "phonenumber": request.phone}
    return {"email": request.email, **names, **msgspec.structs.asdict(request.address)}


async def test_a_sign_up_that_was_killed_before_salesforce_heard_of_it_is_finished_by_its_request_or_by_a_worker(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    proof = await proof_of(context, sandbox, customer)
    await sandbox.fault("salesforce", "status", "sobjects.update:Account", count=50)
    with pytest.raises(UpstreamError):
        await complete_sign_up(context, ANYBODY, proof)
    await sandbox.clear_faults()
    await log_in(context, ANYBODY, LogIn(customer["email"], PASSWORD), agent="test")
    with pytest.raises(Conflict, match="account_exists"):  # begun anew
        await signed_up(context, sandbox, customer)
    await once_let_in(context, proof)
    assert await pool.fetchval("SELECT finished_at IS NOT NULL FROM portal.signups")
    assert await pool.fetchval("SELECT count(*) FROM portal.users") == 1


async def test_a_corrected_address_takes_over_the_client_that_an_unanswered_attempt_made(
    context: Context, sandbox: Any
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await sandbox.fault("whmcs", "timeout_after_write", "AddClient")
    with pytest.raises(OutcomeUnknown):
        await signed_up(context, sandbox, customer, email="tpyo@example.jp")
    await signed_up(context, sandbox, customer, email="typo@example.jp")
    [client] = await whmcs_clients(sandbox, customer)
    assert "typo@example.jp" in str(client)


async def test_of_two_simultaneous_sign_ups_one_succeeds_and_the_other_is_refused(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    proofs = [await proof_of(context, sandbox, customer, email=each) for each in (customer["email"], "other@x.jp")]
    signing = [complete_sign_up(context, ANYBODY, each) for each in proofs]
    answers = await asyncio.gather(*signing, return_exceptions=True)
    [refused] = [answer for answer in answers if isinstance(answer, PortalError)]
    assert isinstance(refused, Conflict)
    assert refused.code in ("signup_in_progress", "account_exists")
    assert len(await whmcs_clients(sandbox, customer)) == 1
    assert await pool.fetchval("SELECT count(*) FROM portal.users") == 1


async def test_more_sign_ups_at_once_than_the_pool_has_connections_all_finish(
    resources: Resources, sandbox: Any, pool: asyncpg.Pool
) -> None:
    patient = resources.context
    customers = [each for each in sandbox.state["customers"] if not each["whmcs_client_id"]][:14]
    proofs = [await proof_of(patient, sandbox, each) for each in customers]
    async with asyncio.timeout(90):
        await asyncio.gather(*(complete_sign_up(patient, ANYBODY, each) for each in proofs))
    assert await pool.fetchval("SELECT count(*) FROM portal.id_mappings") == 14


async def test_a_customer_number_is_the_same_in_any_case(context: Context, sandbox: Any, pool: asyncpg.Pool) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await signed_up(context, sandbox, customer, customer_number=f" {customer['customer_number'].lower()} ")
    assert await pool.fetchval("SELECT customer_number FROM portal.id_mappings") == customer["customer_number"]
    with pytest.raises(Conflict, match="account_exists"):
        await signed_up(context, sandbox, customer, email="other@example.jp")


async def test_a_finished_sign_up_is_not_made_again(context: Context, sandbox: Any) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await signed_up(context, sandbox, customer)
    with pytest.raises(Conflict, match="account_exists"):
        await signed_up(context, sandbox, customer)
    assert len(await whmcs_clients(sandbox, customer)) == 1


async def test_an_unfinished_sign_up_is_not_finished_with_another_password(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    await signed_up(context, sandbox, customer)
    await pool.execute("UPDATE portal.signups SET step = 'stored', finished_at = NULL")
    with pytest.raises(Conflict, match="account_exists"):
        await signed_up(context, sandbox, customer, password="somebody elses guess")
    await log_in(context, ANYBODY, LogIn(customer["email"], PASSWORD), agent="test")


async def test_a_customer_with_a_billing_client_is_asked_to_link_it(context: Context, sandbox: Any) -> None:
    billed, unbilled = sandbox.customer(with_whmcs=True), sandbox.customer(with_whmcs=False)
    for customer, email in ((billed, billed["email"]), (billed, "new@example.jp")):
        with pytest.raises(Conflict, match="whmcs_client_exists"):
            await signed_up(context, sandbox, customer, email=email)
    with pytest.raises(Conflict, match="whmcs_client_exists"):
        await signed_up(context, sandbox, unbilled, email=billed["email"])
    assert "AddClient" not in {call["operation"] for call in await sandbox.calls("whmcs")}


async def test_a_weak_password_and_refused_details_change_nothing(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    with pytest.raises(InvalidRequest):
        await begun(context, request_of(customer, password="password1234"))
    with pytest.raises(RuleViolated, match="details_refused"):
        await signed_up(context, sandbox, customer, email="strange@example.jp", phone="")
    assert await whmcs_clients(sandbox, customer) == []
    assert await pool.fetchval("SELECT count(*) FROM portal.users") == 0


async def test_a_number_that_went_meanwhile_is_not_signed_up(
    context: Context, sandbox: Any, pool: asyncpg.Pool
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    proof = await proof_of(context, sandbox, customer)
    (await sandbox.control.delete(f"/salesforce/Account/{customer['salesforce_account_id']}")).raise_for_status()
    with pytest.raises(RuleViolated, match="customer_number_unknown"):
        await complete_sign_up(context, ANYBODY, proof)


async def test_the_check_answers_yes_or_no_and_never_names_a_person(context: Context, sandbox: Any) -> None:
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
