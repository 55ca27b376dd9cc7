"""Register a proven customer number: a portal user with a WHMCS client and a Salesforce account.

A resumable process, journaled under the customer number: number verified in Salesforce → WHMCS client created → user
and id mapping stored → reported to Salesforce. After a crash at any step, the same request finishes it. WHMCS has no
idempotency: the journal records `adding` before AddClient is sent, and only then may a client with the same address and
number count as the result of an unanswered AddClient. Any other existing client must be linked, which requires its
password.

Writes: Salesforce Account, WHMCS client, portal.users, portal.id_mappings, portal.signups, portal.invitations,
portal.mails, ingest.inbox.
"""

import secrets
from typing import Any
from uuid import uuid4

import structlog
from msgspec.structs import asdict

from app.commands.account.report_to_salesforce import report_registration
from app.commands.execution.context import Context, Done
from app.commands.identity.enrolment import invitations, new_accounts, sign_up_journal
from app.commands.identity.enrolment.check_customer_number import account_of
from app.commands.identity.enrolment.new_accounts import Ids, NewAccount, NewAccountNotice
from app.commands.identity.enrolment.sign_up import SignUpFacts
from app.commands.identity.enrolment.sign_up_journal import Journal, StoredSignUp
from app.commands.identity.users import User
from app.errors import Conflict, RuleViolated, UpstreamRejected
from app.ingest.refetch import owners
from app.integrations.salesforce import wire
from app.integrations.whmcs.client import NewClient
from app.integrations.whmcs.faults import EMAIL_TAKEN
from app.words.languages import WHMCS_LANGUAGES
from app.words.sentence import say

log = structlog.get_logger()


async def register_customer(ctx: Context, facts: SignUpFacts) -> Done:
    """Create or finish the account of this customer number.

    Raises:
        RuleViolated: `customer_number_unknown`, `details_refused`.
        Conflict: `account_exists`, `whmcs_client_exists`, `signup_in_progress`.
        UpstreamError: repeat the request; it continues where this one stopped.
    """
    account = await account_of(ctx, facts.customer_number, fresh=True)
    if account is None:
        raise RuleViolated(say("identity.number_gone"), code="customer_number_unknown")
    async with ctx.locks.exclusively("sign_up", account["Id"]) as mine:
        if not mine:
            raise Conflict(
                say("identity.sign_up_in_progress"),
                code="signup_in_progress",
                retry_after_seconds=5,
            )
        return await _registered(ctx, facts, account)


async def _registered(ctx: Context, facts: SignUpFacts, account: dict[str, Any]) -> Done:
    number = facts.customer_number
    known = await sign_up_journal.stored(ctx.pool, account["Id"])
    await _refuse_duplicate(ctx, facts, known)
    journal = await sign_up_journal.begin(ctx.pool, number, facts.email, account["Id"])
    submission: int | None
    if known is None:
        if account.get(wire.ACCOUNT_WHMCS) and journal.step == "verified":
            raise _must_link()
        client_id = await _whmcs_client(ctx, journal, facts)
        known, submission = await _store(ctx, facts, account["Id"], client_id)
    else:
        submission = await owners.link(ctx.inbox, known.account_id, known.whmcs_client_id, account["Id"])
    await _report_to_salesforce(ctx, account, known.whmcs_client_id)
    await sign_up_journal.reach(ctx.pool, number, "done", email=known.user.email, whmcs_client_id=known.whmcs_client_id)
    result = NewAccount(known.user, known.account_id)
    return Done(result, submission, user_id=known.user.user_id, account_id=known.account_id)


async def _refuse_duplicate(ctx: Context, facts: SignUpFacts, known: StoredSignUp | None) -> None:
    """Refuse a duplicate of a finished sign-up; an unfinished one is finished by the request that began it."""
    if known:
        same = (known.user.email, known.password_hash) == (facts.email, facts.password_hash)
        if not (same and await sign_up_journal.is_open(ctx.pool, facts.customer_number)):
            raise Conflict(
                say("identity.number_taken"),
                code="account_exists",
            )
    elif await ctx.pool.fetchval("SELECT 1 FROM portal.users WHERE lower(email) = $1", facts.email):
        raise Conflict(say("identity.email_taken"), code="account_exists")


async def _whmcs_client(ctx: Context, journal: Journal, facts: SignUpFacts) -> str:
    """Return the one WHMCS client of this sign-up, with the details of the latest request."""
    number, pool = facts.customer_number, ctx.pool
    own = journal.whmcs_client_id
    if own is None and journal.step == "adding":
        own = await _client_of_lost_answer(ctx, journal.email, number)
    holder = await ctx.whmcs.client_id_by_email(facts.email)
    if holder not in (None, own):
        raise _must_link()
    if own:
        await ctx.whmcs.update_client(own, _details(facts))
    else:
        await sign_up_journal.reach(pool, number, "adding", email=facts.email, whmcs_client_id=None)
        own = await _added(ctx, facts)
    await sign_up_journal.reach(pool, number, "client", email=facts.email, whmcs_client_id=own)
    return own


async def _added(ctx: Context, facts: SignUpFacts) -> str:
    """Add the client with a random password: portal passwords stay in the portal."""
    new = NewClient(
        **_details(facts),
        password=secrets.token_urlsafe(24),
        customer_number=facts.customer_number,
        language=WHMCS_LANGUAGES[facts.language] if facts.language else "",
    )
    try:
        return await ctx.whmcs.add_client(new)
    except UpstreamRejected as error:
        # WHMCS accepts an address once: an unanswered AddClient may have succeeded after the lookup.
        if own := await _client_of_lost_answer(ctx, facts.email, facts.customer_number):
            return own
        if error.vendor_code == EMAIL_TAKEN:
            raise _must_link() from error
        raise RuleViolated(
            say("identity.sign_up_refused"),
            code="details_refused",
        ) from error


async def _client_of_lost_answer(ctx: Context, email: str, customer_number: str) -> str | None:
    """Find the client that an unanswered AddClient created."""
    found = await ctx.whmcs.client_by_email(email)
    return found.record_id if found and found.data["customer_number"] == customer_number else None


def _details(facts: SignUpFacts) -> dict[str, str]:
    return {
        "email": facts.email,
        "firstname": facts.first_name,
        "lastname": facts.last_name,
        "phonenumber": facts.phone,
        **asdict(facts.address),
    }


def _must_link() -> Conflict:
    return Conflict(
        say("identity.billing_account_exists"),
        code="whmcs_client_exists",
    )


async def _store(
    ctx: Context, facts: SignUpFacts, salesforce_account_id: str, whmcs_client_id: str
) -> tuple[StoredSignUp, int]:
    """Store user, mapping, mails and journal step in one transaction; returns the submission that makes them show."""
    names = {name: getattr(facts, name) for name in ("email", "first_name", "last_name")}
    user = User(user_id=uuid4(), role="customer", **names)
    number = facts.customer_number
    ids = Ids(customer_number=number, salesforce_account_id=salesforce_account_id, whmcs_client_id=whmcs_client_id)
    async with ctx.pool.acquire() as connection, connection.transaction():
        made = await new_accounts.add(
            connection,
            user,
            facts.password_hash,
            ids,
            NewAccountNotice(
                kind="account_signed_up", mailboxes=(*facts.proof.on_file, facts.email), language=facts.language
            ),
        )
        await invitations.use_all(connection, number)
        await sign_up_journal.reach(connection, number, "stored", email=user.email, whmcs_client_id=whmcs_client_id)
    await ctx.inbox.wake(made.to_wake)
    stored = StoredSignUp(
        user=user, account_id=made.account_id, whmcs_client_id=whmcs_client_id, password_hash=facts.password_hash
    )
    return stored, made.submission


async def _report_to_salesforce(ctx: Context, account: dict[str, Any], whmcs_client_id: str) -> None:
    """Report the account as registered. A refusal is logged for staff and does not undo the sign-up."""
    try:
        await report_registration(ctx.pool, ctx.salesforce, account, whmcs_client_id, signed_up=True)
    except UpstreamRejected as error:
        log.error("salesforce_refused_portal_status", salesforce_account_id=account["Id"], error=str(error))
