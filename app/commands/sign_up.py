"""Sign up: a person with a customer number becomes a portal user with a WHMCS client and a Salesforce account.

A resumable process, journaled in portal.signups under the customer number: customer number verified in Salesforce →
WHMCS client created → user and id mapping stored → Salesforce told. Kill it after any step and the same request
finishes it. WHMCS has no idempotency: the journal says `adding` before AddClient is sent, and only then may a client
found under the same address and number be taken for the one an unanswered AddClient made. Any other existing client must
be linked, which asks for its password.

Writes: Salesforce Account, WHMCS client, portal.users, portal.id_mappings, portal.signups.
"""

import secrets
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import structlog
from msgspec import Meta, Struct

from app.commands import audit, passwords
from app.commands.context import Actor, Context, Done
from app.commands.customer_numbers import account_of
from app.errors import Conflict, InvalidRequest, RuleViolated, UpstreamError, UpstreamRejected, Violation
from app.ingest import accounts
from app.integrations.salesforce import wire
from app.integrations.whmcs.client import NewClient

LOCK_SPACE = 0x51D
Short = Annotated[str, Meta(min_length=1, max_length=100)]

log = structlog.get_logger()


class Address(Struct, forbid_unknown_fields=True, kw_only=True):
    """The billing address; `country` is ISO 3166 alpha-2."""

    address1: Short
    address2: Annotated[str, Meta(max_length=100)] = ""
    city: Short
    state: Short
    postcode: Annotated[str, Meta(min_length=1, max_length=20)]
    country: Annotated[str, Meta(pattern="^[A-Z]{2}$")]


class SignUp(Struct, forbid_unknown_fields=True, kw_only=True):
    """Everything WHMCS requires of a client, and a password for the portal."""

    email: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254)]
    password: Annotated[str, Meta(max_length=1024)]
    first_name: Short
    last_name: Short
    phone: Annotated[str, Meta(pattern=r"^[+0-9() -]{6,30}$")]
    customer_number: Annotated[str, Meta(min_length=1, max_length=40)]
    address: Address


class User(Struct, frozen=True, kw_only=True):
    """A portal user."""

    user_id: UUID
    email: str
    first_name: str
    last_name: str
    role: str


class SignedUp(Struct, frozen=True):
    """The new user; log in next."""

    user: User
    account_id: UUID


async def sign_up(ctx: Context, actor: Actor, request: SignUp) -> Done:
    """Make or finish the sign-up of this customer number.

    Raises:
        InvalidRequest: weak password.
        RuleViolated: `customer_number_unknown`.
        Conflict: `account_exists`, `email_taken`, `whmcs_client_exists`, `signup_in_progress`.
        UpstreamError: try again; what was done is found again.
    """
    if weakness := passwords.weakness(request.password):
        raise InvalidRequest(
            "Please choose another password.", errors=[Violation("password", "weak_password", weakness)]
        )
    async with ctx.pool.acquire() as connection:
        if not await connection.fetchval(
            "SELECT pg_try_advisory_lock($1, hashtext($2))", LOCK_SPACE, request.customer_number
        ):
            raise Conflict("This customer number is just being signed up.", code="signup_in_progress")
        try:
            return await _sign_up(ctx, connection, actor, request)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1, hashtext($2))", LOCK_SPACE, request.customer_number)


async def _sign_up(ctx: Context, connection: Any, actor: Actor, request: SignUp) -> Done:
    await _refuse_duplicates(connection, request)
    account = await account_of(ctx, request.customer_number, fresh=True)
    if account is None:
        raise RuleViolated(
            "We do not know this customer number. Please check it on your letters or contact support.",
            code="customer_number_unknown",
        )
    await _journal(connection, request, account["Id"])
    client_id = await _whmcs_client(ctx, connection, request)
    user, account_id = await _store(connection, request, account["Id"], client_id)
    submission = await accounts.link(ctx.inbox, account_id, client_id, account["Id"])
    await _tell_salesforce(ctx, account, client_id)
    await connection.execute(
        "UPDATE portal.signups SET step = 'done', finished_at = now() WHERE customer_number = $1",
        request.customer_number,
    )
    await audit.record(ctx.pool, actor, "sign_up", "ok", user_id=user.user_id, account_id=account_id)
    return Done(SignedUp(user, account_id), submission)


async def _refuse_duplicates(connection: Any, request: SignUp) -> None:
    """A finished sign-up is a duplicate; an unfinished one by the same person is a retry."""
    unfinished = await connection.fetchval(
        "SELECT email FROM portal.signups WHERE customer_number = $1 AND finished_at IS NULL", request.customer_number
    )
    mapped = await connection.fetchval(
        "SELECT 1 FROM portal.id_mappings WHERE customer_number = $1", request.customer_number
    )
    if mapped and unfinished != request.email.lower():
        raise Conflict(
            "There is already an account for this customer number. Please log in, or reset your password.",
            code="account_exists",
        )
    user = await connection.fetchval("SELECT 1 FROM portal.users WHERE lower(email) = $1", request.email.lower())
    if user and not mapped:
        raise Conflict("There is already an account with this e-mail address. Please log in.", code="email_taken")


async def _journal(connection: Any, request: SignUp, salesforce_account_id: str) -> None:
    await connection.execute(
        "INSERT INTO portal.signups AS s (customer_number, email, step, salesforce_account_id) "
        "VALUES ($1, $2, 'verified', $3) ON CONFLICT (customer_number) DO UPDATE SET updated_at = now(), "
        "step = CASE WHEN s.email = excluded.email THEN s.step ELSE 'verified' END, "
        "whmcs_client_id = CASE WHEN s.email = excluded.email THEN s.whmcs_client_id END, email = excluded.email",
        request.customer_number,
        request.email.lower(),
        salesforce_account_id,
    )


async def _whmcs_client(ctx: Context, connection: Any, request: SignUp) -> str:
    """The WHMCS client of this sign-up: journaled, or made by an unanswered earlier attempt, or new."""
    step, known = await connection.fetchrow(
        "SELECT step, whmcs_client_id FROM portal.signups WHERE customer_number = $1", request.customer_number
    )
    if known:
        return str(known)
    client_id = await _found_client(ctx, request, adopt=step == "adding")
    if client_id is None:
        await _reach(connection, request, "adding", None)
        client_id = await ctx.whmcs.add_client(_new_client(request))
    await _reach(connection, request, "client", client_id)
    return client_id


async def _reach(connection: Any, request: SignUp, step: str, client_id: str | None) -> None:
    await connection.execute(
        "UPDATE portal.signups SET step = $2, whmcs_client_id = $3, updated_at = now() WHERE customer_number = $1",
        request.customer_number,
        step,
        client_id,
    )


async def _found_client(ctx: Context, request: SignUp, *, adopt: bool) -> str | None:
    found = await ctx.whmcs.client_by_email(request.email.lower())
    if found is None:
        return None
    if adopt and found.data["customer_number"] == request.customer_number:
        return found.record_id
    raise Conflict(
        "You already have a billing account under this e-mail address. Please link it instead of signing up.",
        code="whmcs_client_exists",
    )


def _new_client(request: SignUp) -> NewClient:
    """WHMCS gets a random password: portal passwords stay in the portal."""
    address = {name: getattr(request.address, name) for name in Address.__struct_fields__}
    return NewClient(
        email=request.email.lower(),
        password=secrets.token_urlsafe(24),
        firstname=request.first_name,
        lastname=request.last_name,
        phonenumber=request.phone,
        customer_number=request.customer_number,
        **address,
    )


async def _store(
    connection: Any, request: SignUp, salesforce_account_id: str, whmcs_client_id: str
) -> tuple[User, UUID]:
    """User and mapping in one transaction; a retry finds both, with the password of the first attempt."""
    row = await connection.fetchrow(
        "SELECT m.account_id, u.id, u.email, u.first_name, u.last_name, u.role FROM portal.id_mappings m "
        "JOIN portal.users u ON u.id = m.user_id WHERE m.customer_number = $1",
        request.customer_number,
    )
    if row:
        names = ("email", "first_name", "last_name", "role")
        return User(user_id=row["id"], **{name: row[name] for name in names}), row["account_id"]
    password_hash = await passwords.hashed(request.password)
    user = User(
        user_id=uuid4(),
        email=request.email.lower(),
        first_name=request.first_name,
        last_name=request.last_name,
        role="customer",
    )
    account_id = uuid4()
    try:
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO portal.users (id, email, password_hash, first_name, last_name) "
                "VALUES ($1, $2, $3, $4, $5)",
                user.user_id,
                user.email,
                password_hash,
                user.first_name,
                user.last_name,
            )
            await connection.execute(
                "INSERT INTO portal.id_mappings "
                "(account_id, user_id, whmcs_client_id, salesforce_account_id, customer_number) "
                "VALUES ($1, $2, $3, $4, $5)",
                account_id,
                user.user_id,
                whmcs_client_id,
                salesforce_account_id,
                request.customer_number,
            )
    except asyncpg.UniqueViolationError as error:
        raise Conflict(
            "There is already an account with these details. Please log in.", code="account_exists"
        ) from error
    return user, account_id


async def _tell_salesforce(ctx: Context, account: dict[str, Any], whmcs_client_id: str) -> None:
    """Mark the account portal-active. Salesforce being away does not undo a sign-up; a refusal is for staff to see."""
    fields = {
        wire.ACCOUNT_PORTAL_STATUS: "Active",
        wire.ACCOUNT_PORTAL_SOURCE: "New Signup",
        wire.ACCOUNT_WHMCS: f"#{whmcs_client_id} - {account.get('Name') or ''}"[:255],
    }
    try:
        await ctx.salesforce.update("Account", account["Id"], fields)
    except UpstreamRejected as error:
        log.error("salesforce_refused_portal_status", salesforce_account_id=account["Id"], error=str(error))
    except UpstreamError as error:
        log.warning("salesforce_not_told_retry_finishes", salesforce_account_id=account["Id"], error=str(error))
        raise
