"""Link an existing billing client: verify a WHMCS password once, to be replaced by a new portal password.

WHMCS identifies the user and the clients that the user owns; only those can be linked. The answer's `next` names the
step that follows: enter a mailed code (`code`), choose one of several clients (`choice`), or set a password.

Reads: WHMCS users and clients, Salesforce Account and Contact, portal.users, portal.id_mappings. Writes:
portal.enrolments, portal.mails.
"""

from typing import Annotated

from msgspec import Meta, Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity import login_throttle
from app.commands.identity.enrolment import enrolments, link_facts, link_steps
from app.commands.identity.enrolment.link_facts import LinkFacts
from app.errors import NotAuthenticated
from app.inputs.email import KnownEmail
from app.words.sentence import say


class LinkAccount(Struct, forbid_unknown_fields=True):
    """Credentials of the billing system, used once and never stored."""

    email: Annotated[KnownEmail, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=1024)]


async def link_account(ctx: Context, actor: Actor, request: LinkAccount) -> Done:
    """Verify a WHMCS login and begin to link one of its clients.

    Raises:
        NotAuthenticated: `invalid_credentials`.
        RateLimited: `too_many_attempts`.
        RuleViolated: `no_billing_account`, `account_closed`, `not_known_yet`, and with a single client what
            `link_facts.choose_client` raises.
        Conflict: `account_exists`.
    """
    email = request.email.strip().lower()
    await login_throttle.count(ctx, actor, "link_account", email)
    login = await ctx.whmcs.validate_login(email, request.password)
    if login is None:
        raise NotAuthenticated(say("identity.credentials_wrong"), code="invalid_credentials")
    await login_throttle.forget(ctx, actor, "link_account", email)
    clients = await link_facts.linkable(ctx, await ctx.whmcs.clients_owned_by(login.user_id, email), email)
    facts = LinkFacts(
        user_id=login.user_id,
        email=email,
        clients=clients,
        code_to=email if login.second_factor else "",
        language=actor.language,
    )
    facts = await link_facts.choose_only_client(ctx, facts)
    async with ctx.pool.acquire() as connection, connection.transaction():
        ids = [each.whmcs_client_id for each in clients]
        offered = await enrolments.begin(connection, ctx.settings, "link", login.user_id, facts, whmcs_client_ids=ids)
        answer = await link_steps.offer(connection, ctx.settings, offered.token, offered.id, offered.created_at, facts)
    return Done(answer, target=facts.chosen.whmcs_client_id if facts.chosen else "")


COMMAND = Command(link_account, writes=(), away="refuse", reads=("whmcs", "salesforce"), replayable=False)
