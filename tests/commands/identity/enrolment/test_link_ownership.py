"""Ownership in linking: the linked client is the one that WHMCS says the login owns, whatever addresses there are."""

from typing import Any

import pytest

from app.commands.execution.context import Context
from app.errors import Conflict, NotAuthenticated, PortalError, RuleViolated
from app.resources import Resources
from tests.fixtures.enrolling import ANYBODY, PASSWORD, begun, linked, mails, offered, request_of

SPELLINGS = [(True, False), (1, 0), ("1", "0"), ("on", ""), ("true", "false"), ("1", None)]
"""How releases say yes and no."""


@pytest.fixture
async def context(resources: Resources) -> Context:
    return resources.context


@pytest.fixture
def customer(sandbox: Any) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.customer(with_whmcs=True)
    return found


async def a_login(sandbox: Any, email: str, **more: Any) -> int:
    """Create a user of WHMCS whose password is `pw`."""
    body = {"email": email, "password": "pw", **more}
    response = await sandbox.control.post("/whmcs/users", json=body)
    response.raise_for_status()
    return int(response.json()["id"])


async def dialect(sandbox: Any, **changed: Any) -> None:
    (await sandbox.control.put("/whmcs/dialect", json=changed)).raise_for_status()


async def without_get_users(sandbox: Any) -> None:
    (await sandbox.control.put("/whmcs/access", json={"denied_actions": ["GetUsers"]})).raise_for_status()


async def owner_moves(sandbox: Any, customer: dict[str, Any], email: str) -> None:
    """Change the address of the owner's login; the client keeps its own."""
    client = (await sandbox.control.get(f"/whmcs/clients/{customer['whmcs_client_id']}")).json()
    body = {"email": email, "password": "pw"}
    (await sandbox.control.patch(f"/whmcs/users/{client['owner_user_id']}", json=body)).raise_for_status()


async def refusal(context: Context, email: str, password: str = "pw") -> str:  # noqa: S107
    with pytest.raises(PortalError) as caught:
        await offered(context, email, password)
    return caught.value.code


async def linked_client(context: Context, email: str) -> str:
    await linked(context, (await offered(context, email, "pw")).link_token)
    return str(await context.pool.fetchval("SELECT whmcs_client_id FROM portal.id_mappings"))


async def test_a_strangers_login_with_the_address_of_a_client_opens_nothing(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    await owner_moves(sandbox, customer, "owner@example.net")
    await a_login(sandbox, customer["email"])
    assert await refusal(context, customer["email"]) == "no_billing_account"
    await without_get_users(sandbox)
    assert await refusal(context, customer["email"]) == "no_billing_account"
    assert await context.pool.fetchval("SELECT count(*) FROM portal.enrolments") == 0


async def test_a_login_that_differs_from_the_contact_address_links_its_own_client(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    await owner_moves(sandbox, customer, "Owner@Example.net")
    assert await linked_client(context, "owner@example.net") == customer["whmcs_client_id"]
    assert await context.pool.fetchval("SELECT email FROM portal.users") == "owner@example.net"


async def test_every_mailbox_on_file_is_notified_of_a_link(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    await owner_moves(sandbox, customer, "owner@example.net")
    body = {"AccountId": customer["salesforce_account_id"], "LastName": "Second", "Email": "Second@example.net"}
    (await sandbox.control.post("/salesforce/Contact", json=body)).raise_for_status()
    await linked_client(context, "owner@example.net")
    for mailbox in (customer["email"], "owner@example.net", "second@example.net"):
        [told] = await mails(context, sandbox, mailbox)
        assert "linked to the customer portal" in told["text"]


@pytest.mark.parametrize("denied", [False, True])
async def test_a_sub_user_cannot_link_the_client_of_another_owner(
    context: Context, sandbox: Any, customer: dict[str, Any], denied: bool
) -> None:
    await a_login(sandbox, "helper@example.net", clients=[customer["whmcs_client_id"]])
    await owner_moves(sandbox, customer, "owner@example.net")
    await a_login(sandbox, customer["email"], clients=[customer["whmcs_client_id"]])
    if denied:
        await without_get_users(sandbox)
    for email in ("helper@example.net", customer["email"]):
        assert await refusal(context, email) == "no_billing_account"


async def test_a_search_that_finds_others_first_finds_the_right_user(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    await owner_moves(sandbox, customer, "a@example.co")
    other = next(each for each in sandbox.state["customers"][1:] if each["whmcs_client_id"])
    await owner_moves(sandbox, other, "a@example.com")  # begins with the other address
    assert await linked_client(context, "a@example.co") == customer["whmcs_client_id"]


async def test_a_user_behind_a_page_of_others_is_found(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    for number in range(110):
        await a_login(sandbox, f"a@example.co{number:03d}.jp")
    made = await a_login(sandbox, "a@example.co", owns=[customer["whmcs_client_id"]])
    assert made > 110
    assert await linked_client(context, "a@example.co") == customer["whmcs_client_id"]


@pytest.mark.parametrize(("yes", "no"), SPELLINGS)
@pytest.mark.parametrize("listed", [True, False])
async def test_owning_is_read_in_every_spelling_and_without_the_list_of_clients(
    context: Context, sandbox: Any, customer: dict[str, Any], yes: Any, no: Any, listed: bool
) -> None:
    await dialect(sandbox, yes=yes, no=no, users_list_clients=listed)
    await a_login(sandbox, "helper@example.net", clients=[customer["whmcs_client_id"]])
    assert await refusal(context, "helper@example.net") == "no_billing_account"
    await offered(context, customer["email"], customer["password"])


@pytest.mark.parametrize("clients_list_users", [True, False])
async def test_without_get_users_the_owner_is_proven_by_the_client_itself(
    context: Context, sandbox: Any, customer: dict[str, Any], clients_list_users: bool
) -> None:
    await without_get_users(sandbox)
    await dialect(sandbox, clients_list_users=clients_list_users)
    found = await offered(context, customer["email"], customer["password"])
    assert found.next == "password"


@pytest.mark.parametrize("words", ["API Function Not Found", "Command Not Found"])
async def test_a_release_that_does_not_know_get_users_is_asked_the_other_way(
    context: Context, sandbox: Any, customer: dict[str, Any], words: str
) -> None:
    answer = f'{{"result":"error","message":"{words}"}}'
    await sandbox.fault("whmcs", "rewrite", "GetUsers", count=None, how="scalar")
    await sandbox.clear_faults()
    await sandbox.fault("whmcs", "rewrite", "GetUsers", count=None, find='"result":"success"', replace=answer[1:-1])
    assert (await offered(context, customer["email"], customer["password"])).next == "password"


async def test_what_the_two_answers_disagree_about_is_not_owned(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    """GetUsers says yes of a client whose own list names another owner, and the other way round."""
    await sandbox.fault("whmcs", "rewrite", "GetUsers", count=None, find='"isOwner":false', replace='"isOwner":true')
    await a_login(sandbox, "helper@example.net", clients=[customer["whmcs_client_id"]])
    assert await refusal(context, "helper@example.net") == "no_billing_account"
    await sandbox.clear_faults()
    await sandbox.fault("whmcs", "rewrite", "GetUsers", count=None, find='"isOwner":true', replace='"isOwner":false')
    assert await refusal(context, customer["email"], customer["password"]) == "no_billing_account"


@pytest.mark.parametrize("spelling", ['"userid":""', '"userid":null', '"userid":0', '"userid":"x"', '"user":7'])
async def test_a_login_without_a_user_is_no_proof(
    context: Context, sandbox: Any, customer: dict[str, Any], spelling: str
) -> None:
    client = (await sandbox.control.get(f"/whmcs/clients/{customer['whmcs_client_id']}")).json()
    present = f'"userid":{client["owner_user_id"]}'
    await sandbox.fault("whmcs", "rewrite", "ValidateLogin", find=present, replace=spelling)
    assert await refusal(context, customer["email"], customer["password"]) == "upstream_unavailable"


@pytest.mark.parametrize(
    ("status", "code"), [("Closed", "account_closed"), ("", "not_known_yet"), ("Zombie", "not_known_yet")]
)
async def test_a_client_that_is_not_open_is_refused(
    context: Context, sandbox: Any, customer: dict[str, Any], status: str, code: str
) -> None:
    await sandbox.control.patch(f"/whmcs/clients/{customer['whmcs_client_id']}", json={"status": status})
    assert await refusal(context, customer["email"], customer["password"]) == code


async def test_an_inactive_client_can_be_linked(context: Context, sandbox: Any, customer: dict[str, Any]) -> None:
    await sandbox.control.patch(f"/whmcs/clients/{customer['whmcs_client_id']}", json={"status": "Inactive"})
    assert (await offered(context, customer["email"], customer["password"])).next == "password"


async def test_a_login_without_a_client_of_its_own_is_refused(context: Context, sandbox: Any) -> None:
    await a_login(sandbox, "nobody@example.net")
    with pytest.raises(RuleViolated) as caught:
        await offered(context, "nobody@example.net", "pw")
    assert caught.value.code == "no_billing_account"
    with pytest.raises(NotAuthenticated):
        await offered(context, "nobody@example.net", "wrong")


async def test_a_customer_number_of_somebody_else_does_not_open_their_account(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    """The number stands in a field of WHMCS, which a customer may be able to edit there."""
    victim = next(each for each in sandbox.state["customers"][1:] if each["whmcs_client_id"])
    field = context.settings.whmcs_customer_number_field_id
    body = {"customfields": {str(field): victim["customer_number"]}}
    (await sandbox.control.patch(f"/whmcs/clients/{customer['whmcs_client_id']}", json=body)).raise_for_status()
    assert await refusal(context, customer["email"], customer["password"]) == "customer_number_mismatch"


async def test_an_address_that_has_a_portal_user_is_not_linked_again(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    await owner_moves(sandbox, customer, "owner@example.net")
    await linked_client(context, "owner@example.net")
    other = next(each for each in sandbox.state["customers"][1:] if each["whmcs_client_id"])
    client = (await sandbox.control.get(f"/whmcs/clients/{customer['whmcs_client_id']}")).json()
    await sandbox.control.patch(
        f"/whmcs/clients/{other['whmcs_client_id']}", json={"owner_user_id": client["owner_user_id"]}
    )
    with pytest.raises(Conflict) as caught:
        await offered(context, "owner@example.net", "pw")
    assert caught.value.code == "account_exists"


async def test_a_sign_up_with_a_linked_customers_number_changes_nothing(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    await linked(context, (await offered(context, customer["email"], customer["password"])).link_token)
    before = await context.pool.fetch("SELECT * FROM portal.users")
    await begun(context, request_of(customer, email="thief@example.net", password=f"{PASSWORD}!"), ANYBODY)
    assert await context.pool.fetch("SELECT * FROM portal.users") == before
