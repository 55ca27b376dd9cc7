"""Complete a link: after every proof, set a portal password and create the account.

Reads and writes: portal.enrolments. Writes: portal.users, portal.id_mappings, portal.mails, Salesforce Account.
"""

from typing import Annotated
from uuid import uuid4

import structlog
from msgspec import Meta, Struct

from app.commands.account.report_to_salesforce import report_registration
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity import passwords
from app.commands.identity.enrolment import enrolments, link_steps, new_accounts
from app.commands.identity.enrolment.link_facts import ChosenClient
from app.commands.identity.enrolment.link_steps import LinkToken
from app.commands.identity.enrolment.new_accounts import Ids, NewAccount, NewAccountNotice
from app.commands.identity.users import User
from app.errors import UpstreamError

log = structlog.get_logger()


class CompleteLink(Struct, forbid_unknown_fields=True):
    """The token of the last step, and the password for the portal."""

    link_token: LinkToken
    new_password: Annotated[str, Meta(max_length=1024)]


async def complete_link(ctx: Context, actor: Actor, request: CompleteLink) -> Done:
    """Create the portal user of a proven billing client.

    Raises:
        InvalidRequest: weak password, or `link_token_invalid`: used, expired or never issued.
        Conflict: `account_exists`; `link_step_wrong`: another step comes first.
    """
    waiting = await link_steps.expected(ctx, request.link_token, "password")
    facts, chosen = waiting.facts, waiting.facts.chosen
    assert chosen is not None
    personal = (facts.email, chosen.first_name, chosen.last_name)
    await passwords.refuse_weak(request.new_password, "new_password", personal=personal)
    password_hash = await passwords.hashed(request.new_password)
    user = User(
        user_id=uuid4(),
        email=facts.email,
        first_name=chosen.first_name,
        last_name=chosen.last_name,
        role="customer",
    )
    ids = Ids(
        customer_number=chosen.customer_number,
        salesforce_account_id=chosen.salesforce_account_id,
        whmcs_client_id=chosen.whmcs_client_id,
    )
    mailboxes = (*chosen.mailboxes, facts.email)
    async with ctx.pool.acquire() as connection, connection.transaction():
        if not await enrolments.use(connection, waiting.id):
            raise enrolments.refusal("link")
        made = await new_accounts.add(
            connection,
            user,
            password_hash,
            ids,
            NewAccountNotice(kind="account_linked", mailboxes=mailboxes, language=facts.language),
        )
    await ctx.inbox.wake(made.to_wake)
    await _report_to_salesforce(ctx, chosen)
    result = NewAccount(user, made.account_id)
    return Done(result, made.submission, target=ids.whmcs_client_id, user_id=user.user_id, account_id=made.account_id)


async def _report_to_salesforce(ctx: Context, chosen: ChosenClient) -> None:
    """Report the account as registered. If that fails now, the worker repeats it; the customer is linked all the
    same."""
    account = {"Id": chosen.salesforce_account_id, "Name": chosen.salesforce_account_name}
    try:
        await report_registration(ctx.pool, ctx.salesforce, account, chosen.whmcs_client_id, signed_up=False)
    except UpstreamError as error:
        log.warning("salesforce_told_of_link_later", salesforce_account_id=account["Id"], error=str(error))


COMMAND = Command(complete_link, writes=("salesforce",), away="refuse", replayable=False)
