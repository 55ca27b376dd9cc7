"""The steps between a proven WHMCS login and a linked account: prove a mailed code, choose a client.

Reads and writes: portal.enrolments. Writes: portal.mails.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.structs import replace

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity import login_throttle
from app.commands.identity.enrolment import enrolments, mailed_codes
from app.commands.identity.enrolment.enrolments import PendingEnrolment
from app.commands.identity.enrolment.link_facts import LinkFacts, NextStep, choose_client, choose_only_client
from app.db import Db
from app.errors import Conflict, InvalidRequest, NotAuthenticated, Violation
from app.inputs.numbers import Code
from app.settings import Settings
from app.words.sentence import Sentence, say

LinkToken = Annotated[str, Meta(max_length=200)]


class BillingAccount(Struct, frozen=True, kw_only=True):
    """A billing account that the login owns. `name` is the company's if there is one."""

    billing_account_id: str
    """The id to choose it by."""
    name: str
    customer_number: str


class LinkOffered(Struct, frozen=True, kw_only=True):
    """The next step of a link. Send the token with what `next` asks for: the mailed `code`, the `choice` of one of
    `billing_accounts`, or a new `password`. Every answer has a new token and invalidates the former one."""

    link_token: str
    next: NextStep
    """What the next step asks for."""
    billing_accounts: list[BillingAccount]
    """The accounts to choose from, if `next` is `choice`."""
    expires_in_seconds: int = enrolments.LIFE_SECONDS


class ProveLink(Struct, forbid_unknown_fields=True):
    """The token and the mailed code."""

    link_token: LinkToken
    code: Annotated[Code, Meta(max_length=40)]


class ChooseBillingAccount(Struct, forbid_unknown_fields=True):
    """The token and the id of one of the offered billing accounts."""

    link_token: LinkToken
    billing_account_id: Annotated[str, Meta(max_length=20)]
    """The id of the chosen account."""


FIRST: Mapping[NextStep, Sentence] = {
    "code": say("identity.step_code_first"),
    "choice": say("identity.step_choice_first"),
    "password": say("identity.step_password_first"),
}
"""Step → what the customer reads who tries another one."""


async def prove_link(ctx: Context, actor: Actor, request: ProveLink) -> Done:
    """Verify the mailed code and continue with the next step.

    Raises:
        InvalidRequest: `link_token_invalid`.
        NotAuthenticated: `code_invalid`.
        RateLimited: `too_many_attempts`.
        Conflict: `link_step_wrong`: no code is expected.
        Also raises what `choose_client` raises.
    """
    waiting = await expected(ctx, request.link_token, "code")
    await _count(ctx, actor, waiting, request.link_token)
    facts, asked_at = waiting.facts, waiting.created_at
    right = mailed_codes.is_code(ctx.settings, "link_code", waiting.subject, facts.code_to, asked_at, request.code)
    if not right:
        raise NotAuthenticated(say("identity.code_wrong_mail"), code="code_invalid")
    await _forget(ctx, actor, waiting)
    proven = replace(facts, proven=(*facts.proven, facts.code_to), code_to="")
    return await _advanced(ctx, request.link_token, waiting, await choose_only_client(ctx, proven))


async def choose_billing_account(ctx: Context, actor: Actor, request: ChooseBillingAccount) -> Done:
    """Choose the client to link and continue with the next step.

    Raises:
        InvalidRequest: `link_token_invalid`; an id that was not offered.
        RateLimited: `too_many_attempts`.
        Conflict: `link_step_wrong`: there is nothing to choose.
        Also raises what `choose_client` raises.
    """
    waiting = await expected(ctx, request.link_token, "choice")
    await _count(ctx, actor, waiting, request.link_token)
    client = next((each for each in waiting.facts.clients if each.whmcs_client_id == request.billing_account_id), None)
    if client is None:
        sentence = say("identity.choose_offered")
        raise InvalidRequest(sentence, errors=[Violation("billing_account_id", "invalid_value", sentence)])
    await _forget(ctx, actor, waiting)
    facts = await choose_client(ctx, waiting.facts, client)
    return await _advanced(ctx, request.link_token, waiting, facts)


async def expected(ctx: Context, token: str, step: NextStep) -> PendingEnrolment[LinkFacts]:
    """Find the link of a token, if this is its next step.

    Raises:
        InvalidRequest: `link_token_invalid`.
        Conflict: `link_step_wrong`.
    """
    waiting = await enrolments.find(ctx.pool, ctx.settings, "link", token, LinkFacts)
    if waiting.used:
        raise enrolments.refusal("link")
    if waiting.facts.next != step:
        raise Conflict(FIRST[waiting.facts.next], code="link_step_wrong")
    return waiting


async def _count(ctx: Context, actor: Actor, waiting: PendingEnrolment[LinkFacts], token: str) -> None:
    """Count the try per token, per address and per login."""
    await login_throttle.count(ctx, actor, "prove_link", waiting.subject, alone=waiting.untried)
    await enrolments.count_try(ctx.pool, "link", token)


async def _forget(ctx: Context, actor: Actor, waiting: PendingEnrolment[LinkFacts]) -> None:
    await login_throttle.forget(ctx, actor, "prove_link", waiting.subject)
    await enrolments.forget_try(ctx.pool, waiting.id)


async def _advanced(ctx: Context, token: str, waiting: PendingEnrolment[LinkFacts], facts: LinkFacts) -> Done:
    async with ctx.pool.acquire() as connection, connection.transaction():
        fresh = await enrolments.advance(connection, ctx.settings, "link", token, facts)
        answer = await offer(connection, ctx.settings, fresh, waiting.id, waiting.created_at, facts)
    return Done(answer, target=facts.chosen.whmcs_client_id if facts.chosen else "")


async def offer(
    connection: Db, settings: Settings, token: str, enrolment_id: UUID, created_at: datetime, facts: LinkFacts
) -> LinkOffered:
    """Build the answer to a step, and enqueue the code that the next step needs."""
    await mailed_codes.enqueue(connection, "link_code", facts.code_to, enrolment_id, created_at, facts.language)
    shown = [
        BillingAccount(
            billing_account_id=each.whmcs_client_id,
            name=each.company or f"{each.first_name} {each.last_name}".strip(),
            customer_number=each.customer_number,
        )
        for each in facts.clients
    ]
    return LinkOffered(link_token=token, next=facts.next, billing_accounts=shown if facts.next == "choice" else [])


PROVE_LINK = Command(prove_link, writes=(), away="refuse", replayable=False)
CHOOSE_BILLING_ACCOUNT = Command(choose_billing_account, writes=(), away="refuse", replayable=False)
COMMANDS = (PROVE_LINK, CHOOSE_BILLING_ACCOUNT)
