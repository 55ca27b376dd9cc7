"""Between a proven login and a linked account: a mailed code, a choice, and tokens that are good for one step."""

import asyncio
from typing import Any

import pytest

from app.commands.execution.context import Actor, Context
from app.commands.identity.enrolment import enrolments
from app.commands.identity.enrolment.complete_link import CompleteLink, complete_link
from app.commands.identity.enrolment.link_steps import (
    ChooseBillingAccount,
    LinkOffered,
    ProveLink,
    choose_billing_account,
    prove_link,
)
from app.errors import Conflict, InvalidRequest, NotAuthenticated, PortalError, RateLimited
from app.resources import Resources
from tests.commands.identity.enrolment.test_link_ownership import a_login, dialect, owner_moves
from tests.fixtures.enrolling import ANYBODY, PASSWORD, TRIES, code_to, linked, mails, offered

LOGIN = "both@example.net"


@pytest.fixture
async def context(resources: Resources) -> Context:
    return resources.context


@pytest.fixture
def two(sandbox: Any) -> list[dict[str, Any]]:
    found = [each for each in sandbox.state["customers"] if each["whmcs_client_id"]]
    return found[:2]


@pytest.fixture
async def owner_of_two(sandbox: Any, two: list[dict[str, Any]]) -> None:
    await a_login(sandbox, LOGIN, owns=[each["whmcs_client_id"] for each in two])


def elsewhere(number: int) -> Actor:
    return Actor(address=f"198.51.100.{number}", request_id="test")


async def choose(context: Context, token: str, client_id: str, actor: Actor = ANYBODY) -> LinkOffered:
    found: LinkOffered = (await choose_billing_account(context, actor, ChooseBillingAccount(token, client_id))).result
    return found


async def prove(context: Context, token: str, code: str, actor: Actor = ANYBODY) -> LinkOffered:
    found: LinkOffered = (await prove_link(context, actor, ProveLink(token, code))).result
    return found


async def code_of(call: Any) -> str:
    with pytest.raises(PortalError) as caught:
        await call
    return caught.value.code


async def with_second_factor(sandbox: Any, customer: dict[str, Any]) -> None:
    client = (await sandbox.control.get(f"/whmcs/clients/{customer['whmcs_client_id']}")).json()
    body = {"second_factor": True}
    (await sandbox.control.patch(f"/whmcs/users/{client['owner_user_id']}", json=body)).raise_for_status()


@pytest.mark.usefixtures("owner_of_two")
async def test_the_owner_of_several_clients_chooses_without_the_password(
    context: Context, two: list[dict[str, Any]]
) -> None:
    first = await offered(context, LOGIN, "pw")
    assert first.next == "choice"
    shown = {each.billing_account_id: each.customer_number for each in first.billing_accounts}
    assert shown == {each["whmcs_client_id"]: each["customer_number"] for each in two}
    second = await choose(context, first.link_token, two[1]["whmcs_client_id"])
    assert (second.next, second.billing_accounts) == ("password", [])
    await linked(context, second.link_token)
    assert await context.pool.fetchval("SELECT whmcs_client_id FROM portal.id_mappings") == two[1]["whmcs_client_id"]


@pytest.mark.usefixtures("owner_of_two")
async def test_only_what_was_offered_can_be_chosen(context: Context, sandbox: Any, two: list[dict[str, Any]]) -> None:
    token = (await offered(context, LOGIN, "pw")).link_token
    other = [each for each in sandbox.state["customers"] if each["whmcs_client_id"]][5]
    for wrong in (other["whmcs_client_id"], "", "0", "../1001"):
        with pytest.raises(InvalidRequest) as caught:
            await choose(context, token, wrong)
        assert [each.field for each in caught.value.errors] == ["billing_account_id"]
    assert (await choose(context, token, two[0]["whmcs_client_id"])).next == "password"


@pytest.mark.usefixtures("owner_of_two")
async def test_choices_are_bounded_for_each_token_wherever_they_come_from(
    context: Context, two: list[dict[str, Any]]
) -> None:
    token = (await offered(context, LOGIN, "pw")).link_token
    for number in range(TRIES):
        assert await code_of(choose(context, token, "1", elsewhere(number))) == "invalid_request"
    assert await code_of(choose(context, token, two[0]["whmcs_client_id"], elsewhere(9))) == "link_token_invalid"


@pytest.mark.usefixtures("owner_of_two")
async def test_choices_are_bounded_for_each_address_whatever_the_token(
    context: Context, two: list[dict[str, Any]]
) -> None:
    tokens = [(await offered(context, LOGIN, "pw")).link_token for _ in range(2)]
    for token in (*[tokens[0]] * 3, *[tokens[1]] * 2):
        assert await code_of(choose(context, token, "1")) == "invalid_request"
    with pytest.raises(RateLimited):
        await choose(context, tokens[1], two[0]["whmcs_client_id"])


@pytest.mark.usefixtures("owner_of_two")
async def test_a_token_is_good_for_one_step_and_one_of_two_at_once(context: Context, two: list[dict[str, Any]]) -> None:
    token = (await offered(context, LOGIN, "pw")).link_token
    choices = [choose(context, token, each["whmcs_client_id"]) for each in two]
    answers = await asyncio.gather(*choices, return_exceptions=True)
    [won] = [each for each in answers if isinstance(each, LinkOffered)]
    [lost] = [each for each in answers if isinstance(each, PortalError)]
    assert lost.code == "link_token_invalid"
    assert await code_of(linked(context, token)) == "link_token_invalid"
    await linked(context, won.link_token)


@pytest.mark.usefixtures("owner_of_two")
async def test_no_step_can_be_left_out(context: Context, sandbox: Any, two: list[dict[str, Any]]) -> None:
    token = (await offered(context, LOGIN, "pw")).link_token
    for call in (linked(context, token), prove(context, token, "ABCD-EFGH")):
        with pytest.raises(Conflict) as caught:
            await call
        assert caught.value.code == "link_step_wrong"
    chosen = await choose(context, token, two[0]["whmcs_client_id"])
    assert await code_of(choose(context, chosen.link_token, two[1]["whmcs_client_id"])) == "link_step_wrong"


@pytest.mark.usefixtures("owner_of_two")
async def test_closed_and_linked_clients_are_not_offered(
    context: Context, sandbox: Any, two: list[dict[str, Any]]
) -> None:
    await sandbox.control.patch(f"/whmcs/clients/{two[0]['whmcs_client_id']}", json={"status": "Closed"})
    await linked(context, (await offered(context, LOGIN, "pw")).link_token)
    assert await context.pool.fetchval("SELECT whmcs_client_id FROM portal.id_mappings") == two[1]["whmcs_client_id"]


@pytest.mark.parametrize("spelling", [True, 1, "1", "true", "on", "yes", "Enabled", "totp", ["totp"]])
async def test_a_second_factor_is_made_up_for_by_a_mailed_code(
    context: Context, sandbox: Any, two: list[dict[str, Any]], spelling: Any
) -> None:
    await dialect(sandbox, two_factor_on=spelling)
    await with_second_factor(sandbox, two[0])
    first = await offered(context, two[0]["email"], two[0]["password"])
    assert (first.next, first.billing_accounts) == ("code", [])
    assert await code_of(linked(context, first.link_token)) == "link_step_wrong"
    assert await code_of(prove(context, first.link_token, "2222-2222")) == "code_invalid"
    code = await code_to(context, sandbox, two[0]["email"])
    second = await prove(context, first.link_token, code.lower().replace("-", " "))
    assert second.next == "password"
    await linked(context, second.link_token)


@pytest.mark.parametrize("spelling", ["", None, False, 0, "off"])
async def test_a_login_without_whmcs_session_has_a_second_factor_whatever_is_said_of_it(
    context: Context, sandbox: Any, two: list[dict[str, Any]], spelling: Any
) -> None:
    await dialect(sandbox, two_factor_on=spelling)
    await with_second_factor(sandbox, two[0])
    assert (await offered(context, two[0]["email"], two[0]["password"])).next == "code"


@pytest.mark.parametrize("spelling", [True, "true", "1", "maybe", {"app": 1}])
async def test_a_session_does_not_outweigh_a_second_factor(
    context: Context, sandbox: Any, two: list[dict[str, Any]], spelling: Any
) -> None:
    await dialect(sandbox, two_factor_off=spelling)
    assert (await offered(context, two[0]["email"], two[0]["password"])).next == "code"


@pytest.mark.parametrize("spelling", [False, 0, "0", "false", "", None])
async def test_no_second_factor_is_read_in_every_spelling(
    context: Context, sandbox: Any, two: list[dict[str, Any]], spelling: Any
) -> None:
    await dialect(sandbox, two_factor_off=spelling)
    assert (await offered(context, two[0]["email"], two[0]["password"])).next == "password"


@pytest.mark.usefixtures("owner_of_two")
async def test_what_a_login_owns_is_told_once_the_code_is_proven(context: Context, sandbox: Any) -> None:
    users = (await sandbox.control.get("/whmcs/users", params={"email": LOGIN})).json()["records"]
    await sandbox.control.patch(f"/whmcs/users/{users[0]['id']}", json={"second_factor": True})
    first = await offered(context, LOGIN, "pw")
    assert (first.next, first.billing_accounts) == ("code", [])
    second = await prove(context, first.link_token, await code_to(context, sandbox, LOGIN))
    assert (second.next, len(second.billing_accounts)) == ("choice", 2)


async def test_codes_are_bounded_for_each_token_and_then_even_the_right_one_is_refused(
    context: Context, sandbox: Any, two: list[dict[str, Any]]
) -> None:
    await with_second_factor(sandbox, two[0])
    token = (await offered(context, two[0]["email"], two[0]["password"])).link_token
    right = await code_to(context, sandbox, two[0]["email"])
    tries = (prove(context, token, "2222-2222", elsewhere(number)) for number in range(3 * TRIES))
    codes = [await code_of(each) for each in tries]
    assert codes == ["code_invalid"] * TRIES + ["link_token_invalid"] * 2 * TRIES
    assert await code_of(prove(context, token, right, elsewhere(99))) == "link_token_invalid"


async def test_many_guesses_at_once_are_counted_too(context: Context, sandbox: Any, two: list[dict[str, Any]]) -> None:
    await with_second_factor(sandbox, two[0])
    token = (await offered(context, two[0]["email"], two[0]["password"])).link_token
    guesses = [prove(context, token, "2222-2222", elsewhere(number)) for number in range(20)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(each, NotAuthenticated) for each in answers) == TRIES


async def test_a_code_opens_no_other_link(context: Context, sandbox: Any, two: list[dict[str, Any]]) -> None:
    for each in two:
        await with_second_factor(sandbox, each)
    mine, theirs = [(await offered(context, each["email"], each["password"])).link_token for each in two]
    assert await code_of(prove(context, theirs, await code_to(context, sandbox, two[0]["email"]))) == "code_invalid"
    assert (await prove(context, mine, await code_to(context, sandbox, two[0]["email"]))).next == "password"


async def test_links_begun_by_others_do_not_silence_the_owners_own(
    context: Context, sandbox: Any, two: list[dict[str, Any]]
) -> None:
    await with_second_factor(sandbox, two[0])
    for number in range(8):
        await offered(context, two[0]["email"], two[0]["password"], elsewhere(number))
    mine = await offered(context, two[0]["email"], two[0]["password"], elsewhere(200))
    assert len(await mails(context, sandbox, two[0]["email"])) <= 2 * 3  # three in each half hour
    assert (await prove(context, mine.link_token, await code_to(context, sandbox, two[0]["email"]))).next == "password"


async def test_a_link_of_another_secret_or_past_its_time_is_over(
    context: Context, sandbox: Any, two: list[dict[str, Any]]
) -> None:
    token = (await offered(context, two[0]["email"], two[0]["password"])).link_token
    await context.pool.execute("UPDATE portal.enrolments SET sealed_facts = 'x'")
    assert await code_of(linked(context, token)) == "link_token_invalid"
    token = (await offered(context, two[0]["email"], two[0]["password"])).link_token
    await context.pool.execute("UPDATE portal.enrolments SET expires_at = now()")
    assert await code_of(linked(context, token)) == "link_token_invalid"


async def test_a_sign_up_token_links_nothing(context: Context, two: list[dict[str, Any]]) -> None:
    token = (await offered(context, two[0]["email"], two[0]["password"])).link_token
    await context.pool.execute("UPDATE portal.enrolments SET purpose = 'sign_up'")
    assert await code_of(linked(context, token)) == "link_token_invalid"


async def test_where_salesforce_does_not_name_the_client_its_mailbox_has_to_confirm(
    context: Context, sandbox: Any, two: list[dict[str, Any]]
) -> None:
    await owner_moves(sandbox, two[0], "thief@example.net")
    body = {"WH_Account__c": None}
    await sandbox.control.patch(f"/salesforce/Account/{two[0]['salesforce_account_id']}", json=body)
    first = await offered(context, "thief@example.net", "pw")
    assert first.next == "code"
    assert await mails(context, sandbox, "thief@example.net") == []
    code = await code_to(context, sandbox, two[0]["email"])
    await linked(context, (await prove(context, first.link_token, code)).link_token)


async def test_where_nobody_can_confirm_the_number_support_must_help(
    context: Context, sandbox: Any, two: list[dict[str, Any]]
) -> None:
    account = two[0]["salesforce_account_id"]
    await sandbox.control.patch(f"/salesforce/Account/{account}", json={"WH_Account__c": None})
    contacts = (await sandbox.control.get("/salesforce/Contact", params={"AccountId": account})).json()
    for each in contacts.get("records", contacts):
        if each["AccountId"] == account:
            await sandbox.control.patch(f"/salesforce/Contact/{each['Id']}", json={"Email": None})
    assert await code_of(offered(context, two[0]["email"], two[0]["password"])) == "customer_number_mismatch"


async def test_of_two_simultaneous_links_one_succeeds(context: Context, two: list[dict[str, Any]]) -> None:
    token = (await offered(context, two[0]["email"], two[0]["password"])).link_token
    finishing = [complete_link(context, ANYBODY, CompleteLink(token, PASSWORD)) for _ in range(5)]
    answers = await asyncio.gather(*finishing, return_exceptions=True)
    assert sum(not isinstance(each, BaseException) for each in answers) == 1
    assert await context.pool.fetchval("SELECT count(*) FROM portal.users") == 1
    assert enrolments.MOST_TRIES == TRIES


async def test_a_killed_link_leaves_nothing_or_everything(context: Context, two: list[dict[str, Any]]) -> None:
    """User, mapping, mails and the request to read the account are one transaction."""
    token = (await offered(context, two[0]["email"], two[0]["password"])).link_token
    await context.pool.execute(
        "CREATE FUNCTION portal.trip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'killed'; END $$"
    )
    await context.pool.execute(
        "CREATE TRIGGER trip BEFORE INSERT ON ingest.inbox FOR EACH ROW EXECUTE FUNCTION portal.trip()"
    )
    try:
        with pytest.raises(Exception, match="changes"):
            await linked(context, token)
    finally:
        await context.pool.execute("DROP TRIGGER trip ON ingest.inbox")
        await context.pool.execute("DROP FUNCTION portal.trip")
    assert await context.pool.fetchval("SELECT count(*) FROM portal.users") == 0
    await linked(context, token)
    assert await context.pool.fetchval("SELECT count(*) FROM ingest.inbox") == 6
