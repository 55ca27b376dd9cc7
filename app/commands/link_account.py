"""Link an existing billing client: its WHMCS password is verified once and forgotten; a new portal password takes over.

Two steps. The first proves who it is and gives a short-lived, single-use link token; the second sets the password and
makes user and id mapping.

Writes: portal.link_tokens, portal.users, portal.id_mappings, Salesforce Account.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

import structlog
from msgspec import Meta, Struct

from app.commands import attempts, passwords, sign_up_journal
from app.commands.context import Actor, Context, Done
from app.commands.customer_numbers import account_of
from app.commands.sessions import digest
from app.commands.sign_up import SignedUp
from app.commands.tell_salesforce import registered
from app.commands.users import User
from app.errors import Conflict, InvalidRequest, NotAuthenticated, RuleViolated, UpstreamError
from app.ingest import accounts
from app.inputs.email import KnownEmail
from app.integrations.salesforce import wire
from app.integrations.whmcs.client import Record

TOKEN_SECONDS = 900

_OFFERED = "SELECT * FROM portal.link_tokens WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now()"
_USE = (
    "UPDATE portal.link_tokens SET used_at = now() "
    "WHERE token_hash = $1 AND used_at IS NULL AND expires_at > now() RETURNING true"
)

log = structlog.get_logger()


class LinkAccount(Struct, forbid_unknown_fields=True):
    """Credentials of the billing system, used once and never kept."""

    email: Annotated[KnownEmail, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=1024)]


class LinkOffered(Struct, frozen=True):
    """Send the token back with a new password."""

    link_token: str
    expires_in_seconds: int = TOKEN_SECONDS


class CompleteLink(Struct, forbid_unknown_fields=True):
    """The token of the first step, and the password for the portal."""

    link_token: Annotated[str, Meta(max_length=200)]
    new_password: Annotated[str, Meta(max_length=1024)]


async def link_account(ctx: Context, actor: Actor, request: LinkAccount) -> Done:
    """Prove ownership of a billing client.

    Raises:
        NotAuthenticated: `invalid_credentials`.
        RateLimited: `too_many_attempts`.
        RuleViolated: `customer_number_missing`, `customer_number_unknown`: only support can help.
        Conflict: `account_exists`.
    """
    email = request.email.strip().lower()
    await attempts.count(ctx, actor, "link_account", email)
    if not await ctx.whmcs.validate_login(email, request.password):
        raise NotAuthenticated("E-mail address or password is wrong.", code="invalid_credentials")
    await attempts.forget(ctx, actor, "link_account", email)
    client = await ctx.whmcs.client_by_email(email)
    if client is None or not client.data["customer_number"]:
        raise RuleViolated(
            "Your billing account has no customer number. Please contact support to have it added.",
            code="customer_number_missing",
        )
    account = await account_of(ctx, client.data["customer_number"], fresh=True)
    if account is None:
        raise RuleViolated(
            "We do not know the customer number of your billing account. Please contact support.",
            code="customer_number_unknown",
        )
    await _refuse_linked(ctx, client, account["Id"])
    token = await _offer(ctx, email, client, account)
    return Done(LinkOffered(token), target=client.record_id)


async def _refuse_linked(ctx: Context, client: Record, salesforce_account_id: str) -> None:
    linked = await ctx.pool.fetchval(
        "SELECT 1 FROM portal.id_mappings WHERE whmcs_client_id = $1 OR salesforce_account_id = $2",
        client.record_id,
        salesforce_account_id,
    )
    if linked:
        raise Conflict("This billing account is linked already. Please log in to the portal.", code="account_exists")


async def _offer(ctx: Context, email: str, client: Record, account: dict[str, Any]) -> str:
    token = secrets.token_urlsafe(32)
    await ctx.pool.execute(
        "INSERT INTO portal.link_tokens (token_hash, email, first_name, last_name, whmcs_client_id, "
        "salesforce_account_id, salesforce_account_name, customer_number, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        digest(token),
        email,
        client.data["firstname"],
        client.data["lastname"],
        client.record_id,
        account["Id"],
        account.get("Name") or "",
        account[wire.ACCOUNT_NUMBER],
        datetime.now(UTC) + timedelta(seconds=TOKEN_SECONDS),
    )
    return token


async def complete_link(ctx: Context, actor: Actor, request: CompleteLink) -> Done:
    """Make the portal user of a proven billing client.

    Raises:
        InvalidRequest: weak password, or `link_token_invalid`: used, expired or never issued.
        Conflict: `account_exists`.
    """
    row = await ctx.pool.fetchrow(_OFFERED, digest(request.link_token))
    if row is None:
        raise _invalid_link()
    personal = (row["email"], row["first_name"], row["last_name"])
    await passwords.refuse_weak(request.new_password, "new_password", personal=personal)
    if not await ctx.pool.fetchval(_USE, digest(request.link_token)):
        raise _invalid_link()
    names = {name: row[name] for name in ("email", "first_name", "last_name")}
    user = User(user_id=uuid4(), role="customer", **names)
    account_id = await sign_up_journal.store(
        ctx.pool,
        user,
        await passwords.hashed(request.new_password),
        customer_number=row["customer_number"],
        salesforce_account_id=row["salesforce_account_id"],
        whmcs_client_id=row["whmcs_client_id"],
    )
    submission = await accounts.link(ctx.inbox, account_id, row["whmcs_client_id"], row["salesforce_account_id"])
    await _tell_salesforce(ctx, row)
    return Done(SignedUp(user, account_id), submission, user_id=user.user_id, account_id=account_id)


def _invalid_link() -> InvalidRequest:
    return InvalidRequest("This link has expired or was used. Please link again.", code="link_token_invalid")


async def _tell_salesforce(ctx: Context, row: Any) -> None:
    """Mark the account portal-active. The customer is linked whether or not Salesforce hears of it now."""
    account = {"Id": row["salesforce_account_id"], "Name": row["salesforce_account_name"]}
    try:
        await registered(ctx.pool, ctx.salesforce, account, row["whmcs_client_id"], signed_up=False)
    except UpstreamError as error:
        log.warning("salesforce_told_of_link_later", salesforce_account_id=account["Id"], error=str(error))
