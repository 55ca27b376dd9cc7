"""The facts of a link in progress, and the lookup of the account behind a client.

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
from app.words.languages import Language
from app.words.sentence import say

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
    """The client to link, and the account that it belongs to. `mailboxes` are those on file."""

    whmcs_client_id: str
    salesforce_account_id: str
    salesforce_account_name: str
    customer_number: str
    first_name: str
    last_name: str
    mailboxes: tuple[str, ...]


class LinkFacts(Struct, frozen=True, kw_only=True):
    """The facts so far. `code_to` is the mailbox that is to be proven next, `proven` those that are proven,
    `language` that of the request."""

    user_id: str
    email: str
    clients: tuple[OwnedClient, ...]
    code_to: str = ""
    proven: tuple[str, ...] = ()
    chosen: ChosenClient | None = None
    language: Language | None = None

    @property
    def next(self) -> NextStep:
        """The next step."""
        if self.code_to:
            return "code"
        return "password" if self.chosen else "choice"


async def linkable(ctx: Context, clients: Sequence[WhmcsRecord], email: str) -> tuple[OwnedClient, ...]:
    """Return the clients that can be linked.

    Raises:
        RuleViolated: `no_billing_account`, `account_closed`, `not_known_yet`: there is none for this reason.
        Conflict: `account_exists`: all are already linked, or the login's address has a portal user.
    """
    if not clients:
        raise RuleViolated(
            say("identity.no_billing_account"),
            code="no_billing_account",
        )
    states = {each.record_id: each.data["status"].strip().lower() for each in clients}
    open_ones = [each for each in clients if states[each.record_id] in ("active", "inactive")]
    if not open_ones and "closed" in states.values():
        raise RuleViolated(say("identity.billing_account_closed"), code="account_closed")
    if not open_ones:
        raise RuleViolated(say("identity.billing_account_unknown"), code="not_known_yet")
    linked = await ctx.pool.fetch(
        "SELECT whmcs_client_id AS id FROM portal.id_mappings WHERE whmcs_client_id = ANY($1)",
        [each.record_id for each in open_ones],
    )
    unlinked = [each for each in open_ones if each.record_id not in {row["id"] for row in linked}]
    taken = await ctx.pool.fetchval("SELECT true FROM portal.users WHERE lower(email) = $1", email)
    if taken or not unlinked:
        raise _already_linked()
    return tuple(_owned(each) for each in unlinked)


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


def _already_linked() -> Conflict:
    return Conflict(say("identity.linked_already"), code="account_exists")


async def choose_only_client(ctx: Context, facts: LinkFacts) -> LinkFacts:
    """Choose the client if there is only one. Nothing is looked up before the login is fully proven."""
    if facts.next != "choice" or len(facts.clients) > 1:
        return facts
    return await choose_client(ctx, facts, facts.clients[0])


async def choose_client(ctx: Context, facts: LinkFacts, client: OwnedClient) -> LinkFacts:
    """Choose a client and find its account by the customer number in WHMCS. If Salesforce does not name the client, a
    mailbox on file there must confirm it.

    Raises:
        RuleViolated: `customer_number_missing`, `customer_number_unknown`, `customer_number_mismatch`: only support can
            resolve it.
        Conflict: `account_exists`.
    """
    if not client.customer_number:
        raise RuleViolated(
            say("identity.number_missing"),
            code="customer_number_missing",
        )
    account = await account_of(ctx, client.customer_number, fresh=True)
    if account is None:
        raise RuleViolated(
            say("identity.number_unknown"),
            code="customer_number_unknown",
        )
    if await ctx.pool.fetchval("SELECT 1 FROM portal.id_mappings WHERE salesforce_account_id = $1", account["Id"]):
        raise _already_linked()
    mailboxes = (await on_file(ctx.salesforce, account["Id"])).mailboxes
    code_to = _to_confirm(account, client, mailboxes)
    return replace(
        facts, chosen=_chosen(client, account, mailboxes), code_to="" if code_to in facts.proven else code_to
    )


def _to_confirm(account: dict[str, Any], client: OwnedClient, mailboxes: Sequence[str]) -> str:
    """Return the mailbox that must confirm the client's account; empty if Salesforce names the client."""
    named = client_named(account)
    if named == client.whmcs_client_id:
        return ""
    if named is None and mailboxes:
        return mailboxes[0]
    raise RuleViolated(
        say("identity.number_unconfirmed"),
        code="customer_number_mismatch",
    )


def _chosen(client: OwnedClient, account: dict[str, Any], mailboxes: Sequence[str]) -> ChosenClient:
    return ChosenClient(
        whmcs_client_id=client.whmcs_client_id,
        salesforce_account_id=account["Id"],
        salesforce_account_name=account.get("Name") or "",
        customer_number=account[wire.ACCOUNT_NUMBER],
        first_name=client.first_name,
        last_name=client.last_name,
        mailboxes=(client.mailbox, *mailboxes),
    )
