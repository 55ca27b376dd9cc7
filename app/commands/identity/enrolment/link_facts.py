"""What is known of a link on its way, and how the account behind a client is found.

Reads: Salesforce Account and Contact, portal.users, portal.id_mappings.
"""

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from app.commands.execution.context import Context
from app.commands.identity.enrolment.check_customer_number import account_of
from app.commands.identity.enrolment.sign_up_proof import client_named
from app.errors import Conflict, RuleViolated
from app.integrations.salesforce import wire
from app.integrations.salesforce.on_file import on_file
from app.integrations.whmcs.client import WhmcsRecord

NextStep = Literal["code", "choice", "password"]


class OwnedClient(Struct, frozen=True, kw_only=True):
    """A client that the login owns. `mailbox` is its contact address."""

    whmcs_client_id: str
    first_name: str
    last_name: str
    company: str
    mailbox: str
    customer_number: str


class ChosenClient(Struct, frozen=True, kw_only=True):
    """The client that is linked, and the account it belongs to. `mailboxes` are those on file."""

    whmcs_client_id: str
    salesforce_account_id: str
    salesforce_account_name: str
    customer_number: str
    first_name: str
    last_name: str
    mailboxes: tuple[str, ...]


class LinkFacts(Struct, frozen=True, kw_only=True):
    """What is known by now. `code_to` is the mailbox that is still to be proven, `proven` those that are."""

    user_id: str
    email: str
    clients: tuple[OwnedClient, ...]
    code_to: str = ""
    proven: tuple[str, ...] = ()
    chosen: ChosenClient | None = None

    @property
    def next(self) -> NextStep:
        """What is to be done next."""
        if self.code_to:
            return "code"
        return "password" if self.chosen else "choice"


async def linkable(ctx: Context, clients: Sequence[WhmcsRecord], email: str) -> tuple[OwnedClient, ...]:
    """Those that can be linked.

    Raises:
        RuleViolated: `no_billing_account`, `account_closed`, `not_known_yet`: none, and why.
        Conflict: `account_exists`: each is linked already, or the login's address has a portal user.
    """
    if not clients:
        raise RuleViolated(
            "This login owns no billing account. If it was given access to somebody else's, the owner has to link it; "
            "otherwise please contact support.",
            code="no_billing_account",
        )
    states = {each.record_id: each.data["status"].strip().lower() for each in clients}
    open_ones = [each for each in clients if states[each.record_id] in ("active", "inactive")]
    if not open_ones and "closed" in states.values():
        raise RuleViolated("This billing account is closed. Please contact support.", code="account_closed")
    if not open_ones:
        raise RuleViolated("We cannot tell the state of this billing account. Please try again.", code="not_known_yet")
    linked = await ctx.pool.fetch(
        "SELECT whmcs_client_id AS id FROM portal.id_mappings WHERE whmcs_client_id = ANY($1)",
        [each.record_id for each in open_ones],
    )
    free = [each for each in open_ones if each.record_id not in {row["id"] for row in linked}]
    taken = await ctx.pool.fetchval("SELECT true FROM portal.users WHERE lower(email) = $1", email)
    if taken or not free:
        raise _linked()
    return tuple(_owned(each) for each in free)


def _owned(client: WhmcsRecord) -> OwnedClient:
    data = client.data
    return OwnedClient(
        whmcs_client_id=client.record_id,
        first_name=data["firstname"],
        last_name=data["lastname"],
        company=data["companyname"],
        mailbox=data["email"].strip().lower(),
        customer_number=data["customer_number"],
    )


def _linked() -> Conflict:
    return Conflict("This billing account is linked already. Please log in to the portal.", code="account_exists")


async def choose_only_client(ctx: Context, facts: LinkFacts) -> LinkFacts:
    """Choose where there is no choice. Nothing is looked up before the login is proven in full."""
    if facts.next != "choice" or len(facts.clients) > 1:
        return facts
    return await choose_client(ctx, facts, facts.clients[0])


async def choose_client(ctx: Context, facts: LinkFacts, client: OwnedClient) -> LinkFacts:
    """Find the account that a client belongs to. Its number stands in a field of WHMCS, and where Salesforce does not
    name the client, a mailbox on file there has to confirm it.

    Raises:
        RuleViolated: `customer_number_missing`, `customer_number_unknown`, `customer_number_mismatch`: only support can
            help.
        Conflict: `account_exists`.
    """
    if not client.customer_number:
        raise RuleViolated(
            "Your billing account has no customer number. Please contact support to have it added.",
            code="customer_number_missing",
        )
    account = await account_of(ctx, client.customer_number, fresh=True)
    if account is None:
        raise RuleViolated(
            "We do not know the customer number of your billing account. Please contact support.",
            code="customer_number_unknown",
        )
    if await ctx.pool.fetchval("SELECT 1 FROM portal.id_mappings WHERE salesforce_account_id = $1", account["Id"]):
        raise _linked()
    held = (await on_file(ctx.salesforce, account["Id"])).mailboxes
    code_to = _to_confirm(account, client, held)
    return replace(facts, chosen=_chosen(client, account, held), code_to="" if code_to in facts.proven else code_to)


def _to_confirm(account: dict[str, Any], client: OwnedClient, held: Sequence[str]) -> str:
    """The mailbox that must confirm that the account is this client's; empty where Salesforce itself says so."""
    named = client_named(account)
    if named == client.whmcs_client_id:
        return ""
    if named is None and held:
        return held[0]
    raise RuleViolated(
        "Your billing account bears a customer number that is not known to be its own. Please contact support.",
        code="customer_number_mismatch",
    )


def _chosen(client: OwnedClient, account: dict[str, Any], held: Sequence[str]) -> ChosenClient:
    return ChosenClient(
        whmcs_client_id=client.whmcs_client_id,
        salesforce_account_id=account["Id"],
        salesforce_account_name=account.get("Name") or "",
        customer_number=account[wire.ACCOUNT_NUMBER],
        first_name=client.first_name,
        last_name=client.last_name,
        mailboxes=(client.mailbox, *held),
    )
