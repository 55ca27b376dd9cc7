"""Linking: an existing billing client, its password proven once, becomes a portal account; failures say why."""

from typing import Any

import pytest

from app.commands.execution.context import Context
from app.commands.identity.enrolment.complete_link import CompleteLink, complete_link
from app.commands.identity.enrolment.link_account import LinkAccount, link_account
from app.commands.identity.log_in import LogIn, log_in
from app.errors import Conflict, InvalidRequest, NotAuthenticated, PortalError, RateLimited, RuleViolated
from app.resources import Resources
from tests.fixtures.enrolling import ANYBODY, PASSWORD


@pytest.fixture
async def context(resources: Resources) -> Context:
    return resources.context


@pytest.fixture
def customer(sandbox: Any) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.customer(with_whmcs=True)
    return found


async def proven(context: Context, customer: dict[str, Any]) -> str:
    done = await link_account(context, ANYBODY, LinkAccount(customer["email"].upper(), customer["password"]))
    return str(done.result.link_token)


async def test_a_linked_customer_logs_in_with_the_new_password(context: Context, customer: dict[str, Any]) -> None:
    token = await proven(context, customer)
    done = await complete_link(context, ANYBODY, CompleteLink(token, PASSWORD))
    assert done.submission is not None
    mapping = await context.pool.fetchrow("SELECT * FROM portal.id_mappings")
    assert mapping["whmcs_client_id"] == str(customer["whmcs_client_id"])
    assert mapping["salesforce_account_id"] == customer["salesforce_account_id"]
    await log_in(context, ANYBODY, LogIn(customer["email"], PASSWORD), agent="test")
    with pytest.raises(NotAuthenticated):
        await log_in(context, ANYBODY, LogIn(customer["email"], customer["password"]), agent="test")
    account = await context.salesforce.get("Account", customer["salesforce_account_id"])
    assert account["Portal_Status__c"] == "Active"


async def test_the_billing_password_and_the_token_are_kept_nowhere(context: Context, customer: dict[str, Any]) -> None:
    token = await proven(context, customer)
    await complete_link(context, ANYBODY, CompleteLink(token, PASSWORD))
    tables = await context.pool.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
        "WHERE schemaname IN ('portal', 'ingest', 'mirror')"
    )
    for table in tables:
        for row in await context.pool.fetch(f"SELECT t::text AS content FROM {table['name']} t"):
            for secret in (customer["password"], token, PASSWORD):
                assert secret not in row["content"], table["name"]


async def test_a_token_is_good_once(context: Context, customer: dict[str, Any]) -> None:
    token = await proven(context, customer)
    await complete_link(context, ANYBODY, CompleteLink(token, PASSWORD))
    with pytest.raises(InvalidRequest) as caught:
        await complete_link(context, ANYBODY, CompleteLink(token, PASSWORD))
    assert caught.value.code == "link_token_invalid"


async def test_an_expired_or_made_up_token_is_refused(context: Context, customer: dict[str, Any]) -> None:
    token = await proven(context, customer)
    await context.pool.execute("UPDATE portal.enrolments SET expires_at = now() - interval '1 second'")
    for bad in (token, "made-up"):
        with pytest.raises(InvalidRequest):
            await complete_link(context, ANYBODY, CompleteLink(bad, PASSWORD))
    assert await context.pool.fetchval("SELECT count(*) FROM portal.users") == 0


async def test_a_weak_password_leaves_the_token_usable(context: Context, customer: dict[str, Any]) -> None:
    token = await proven(context, customer)
    with pytest.raises(InvalidRequest):
        await complete_link(context, ANYBODY, CompleteLink(token, "short"))
    await complete_link(context, ANYBODY, CompleteLink(token, PASSWORD))


async def test_a_wrong_password_is_refused_and_soon_blocked(context: Context, customer: dict[str, Any]) -> None:
    outcomes: list[type[PortalError]] = []
    for _ in range(7):
        try:
            await link_account(context, ANYBODY, LinkAccount(customer["email"], "not the password"))
        except PortalError as error:
            outcomes.append(type(error))
    assert outcomes == [NotAuthenticated] * 5 + [RateLimited] * 2


async def test_a_billing_account_is_linked_once(context: Context, customer: dict[str, Any]) -> None:
    await complete_link(context, ANYBODY, CompleteLink(await proven(context, customer), PASSWORD))
    with pytest.raises(Conflict) as caught:
        await proven(context, customer)
    assert caught.value.code == "account_exists"


async def test_without_a_customer_number_support_must_help(
    sandbox: Any, context: Context, customer: dict[str, Any]
) -> None:
    from app.integrations.whmcs.wire import serialized

    fields = {"customfields": serialized({context.settings.whmcs_customer_number_field_id: ""})}
    await context.whmcs.update_client(str(customer["whmcs_client_id"]), fields)
    with pytest.raises(RuleViolated) as caught:
        await proven(context, customer)
    assert caught.value.code == "customer_number_missing"
    await context.whmcs.update_client(
        str(customer["whmcs_client_id"]),
        {"customfields": serialized({context.settings.whmcs_customer_number_field_id: "C-NOBODY"})},
    )
    with pytest.raises(RuleViolated) as caught:
        await proven(context, customer)
    assert caught.value.code == "customer_number_unknown"
