"""The steps between a proven WHMCS login and a linked account: prove a mailed code, choose a client.

Reads: Salesforce Account and Contact, portal.users, portal.id_mappings. Reads and writes: portal.enrolments. Writes:
portal.mails.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.structs import replace

from app.commands import attempts, enrolments, mailed_codes
from app.commands.context import Actor, Context, Done
from app.commands.customer_numbers import account_of
from app.commands.enrolments import Enrolment
from app.commands.sign_up_proof import client_named
from app.errors import Conflict, InvalidRequest, NotAuthenticated, RuleViolated, Violation
from app.inputs.numbers import Code
from app.integrations.salesforce import wire
from app.integrations.salesforce.on_file import on_file
from app.integrations.whmcs.client import Record
from app.settings import Settings

Token = Annotated[str, Meta(max_length=200)]
Next = Literal["code", "choice", "password"]


class BillingAccount(Struct, frozen=True, kw_only=True):
    """One of the clients that the login owns. `name` is the company's where there is one."""

    billing_account_id: str
    name: str
    customer_number: str


class LinkOffered(Struct, frozen=True, kw_only=True):
    """Send the token back with what `next` asks for: the mailed `code`, the `choice` of one of `billing_accounts`, or a
    new `password`. Every answer has another token, and the one before is good no more."""

    link_token: str
    next: Next
    billing_accounts: list[BillingAccount]
    expires_in_seconds: int = enrolments.LIFE_SECONDS


class ProveLink(Struct, forbid_unknown_fields=True):
    """The token and the mailed code."""

    link_token: Token
    code: Annotated[Code, Meta(max_length=40)]


class ChooseBillingAccount(Struct, forbid_unknown_fields=True):
    """The token and the id of one of the billing accounts that were offered."""

    link_token: Token
    billing_account_id: Annotated[str, Meta(max_length=20)]


class Owned(Struct, frozen=True, kw_only=True):
    """A client that the login owns. `mailbox` is its contact address."""

    whmcs_client_id: str
    first_name: str
    last_name: str
    company: str
    mailbox: str
    customer_number: str


class Chosen(Struct, frozen=True, kw_only=True):
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
    clients: tuple[Owned, ...]
    code_to: str = ""
    proven: tuple[str, ...] = ()
    chosen: Chosen | None = None

    @property
    def next(self) -> Next:
        """What is to be done next."""
        if self.code_to:
            return "code"
        return "password" if self.chosen else "choice"


async def linkable(ctx: Context, clients: Sequence[Record], email: str) -> tuple[Owned, ...]:
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


def _owned(client: Record) -> Owned:
    data = client.data
    return Owned(
        whmcs_client_id=client.record_id,
        first_name=data["firstname"],
        last_name=data["lastname"],
        company=data["companyname"],
        mailbox=data["email"].strip().lower(),
        customer_number=data["customer_number"],
    )


def _linked() -> Conflict:
    return Conflict("This billing account is linked already. Please log in to the portal.", code="account_exists")


async def settled(ctx: Context, facts: LinkFacts) -> LinkFacts:
    """Choose where there is no choice. Nothing is looked up before the login is proven in full."""
    if facts.next != "choice" or len(facts.clients) > 1:
        return facts
    return await chosen(ctx, facts, facts.clients[0])


async def chosen(ctx: Context, facts: LinkFacts, client: Owned) -> LinkFacts:
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


def _to_confirm(account: dict[str, Any], client: Owned, held: Sequence[str]) -> str:
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


def _chosen(client: Owned, account: dict[str, Any], held: Sequence[str]) -> Chosen:
    return Chosen(
        whmcs_client_id=client.whmcs_client_id,
        salesforce_account_id=account["Id"],
        salesforce_account_name=account.get("Name") or "",
        customer_number=account[wire.ACCOUNT_NUMBER],
        first_name=client.first_name,
        last_name=client.last_name,
        mailboxes=(client.mailbox, *held[:1]),
    )


async def prove_link(ctx: Context, actor: Actor, request: ProveLink) -> Done:
    """Take the mailed code.

    Raises:
        InvalidRequest: `link_token_invalid`.
        NotAuthenticated: `code_invalid`.
        RateLimited: `too_many_attempts`.
        Conflict: `link_step_wrong`: no code was asked for.
        And what `chosen` raises.
    """
    waiting = await expected(ctx, request.link_token, "code")
    await _count(ctx, actor, waiting, request.link_token)
    facts, asked_at = waiting.facts, waiting.created_at
    right = mailed_codes.is_code(ctx.settings, "link_code", waiting.subject, facts.code_to, asked_at, request.code)
    if not right:
        raise NotAuthenticated("This code is wrong. Please look at the mail again.", code="code_invalid")
    await _forget(ctx, actor, waiting)
    proven = replace(facts, proven=(*facts.proven, facts.code_to), code_to="")
    return await _advanced(ctx, request.link_token, waiting, await settled(ctx, proven))


async def choose_billing_account(ctx: Context, actor: Actor, request: ChooseBillingAccount) -> Done:
    """Choose the client to link.

    Raises:
        InvalidRequest: `link_token_invalid`; an id that was not offered.
        RateLimited: `too_many_attempts`.
        Conflict: `link_step_wrong`: there is nothing to choose.
        And what `chosen` raises.
    """
    waiting = await expected(ctx, request.link_token, "choice")
    await _count(ctx, actor, waiting, request.link_token)
    client = next((each for each in waiting.facts.clients if each.whmcs_client_id == request.billing_account_id), None)
    if client is None:
        sentence = "Choose one of the billing accounts that were offered."
        raise InvalidRequest(sentence, errors=[Violation("billing_account_id", "invalid_value", sentence)])
    await _forget(ctx, actor, waiting)
    facts = await chosen(ctx, waiting.facts, client)
    return await _advanced(ctx, request.link_token, waiting, facts)


async def expected(ctx: Context, token: str, step: Next) -> Enrolment[LinkFacts]:
    """The link behind a token, if this step is the next.

    Raises:
        InvalidRequest: `link_token_invalid`.
        Conflict: `link_step_wrong`.
    """
    waiting = await enrolments.held(ctx.pool, ctx.settings, "link", token, LinkFacts)
    if waiting.used:
        raise enrolments.refusal("link")
    if waiting.facts.next != step:
        wanted = {"code": "enter the mailed code", "choice": "choose a billing account", "password": "set a password"}
        raise Conflict(f"Please {wanted[waiting.facts.next]} first.", code="link_step_wrong")
    return waiting


async def _count(ctx: Context, actor: Actor, waiting: Enrolment[LinkFacts], token: str) -> None:
    """Bounded for each token, for each address and for each login."""
    await attempts.count(ctx, actor, "prove_link", waiting.subject)
    await enrolments.count_try(ctx.pool, "link", token)


async def _forget(ctx: Context, actor: Actor, waiting: Enrolment[LinkFacts]) -> None:
    await attempts.forget(ctx, actor, "prove_link", waiting.subject)
    await enrolments.forget_try(ctx.pool, waiting.id)


async def _advanced(ctx: Context, token: str, waiting: Enrolment[LinkFacts], facts: LinkFacts) -> Done:
    async with ctx.pool.acquire() as connection, connection.transaction():
        fresh = await enrolments.advance(connection, ctx.settings, "link", token, facts)
        answer = await offer(connection, ctx.settings, fresh, waiting.id, waiting.created_at, facts)
    return Done(answer, target=facts.chosen.whmcs_client_id if facts.chosen else "")


async def offer(
    connection: Any, settings: Settings, token: str, enrolment_id: UUID, created_at: datetime, facts: LinkFacts
) -> LinkOffered:
    """The answer to a step; the code that the next one needs is mailed."""
    await mailed_codes.ask(connection, "link_code", facts.code_to, enrolment_id, created_at)
    shown = [
        BillingAccount(
            billing_account_id=each.whmcs_client_id,
            name=each.company or f"{each.first_name} {each.last_name}".strip(),
            customer_number=each.customer_number,
        )
        for each in facts.clients
    ]
    return LinkOffered(link_token=token, next=facts.next, billing_accounts=shown if facts.next == "choice" else [])
