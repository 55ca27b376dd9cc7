"""Sign up: a person with a customer number becomes a portal user with a WHMCS client and a Salesforce account.

A resumable process, journaled under the customer number: number verified in Salesforce → WHMCS client created → user
and id mapping stored → Salesforce told. Kill it after any step and the same request finishes it. WHMCS has no
idempotency: the journal says `adding` before AddClient is sent, and only then may a client with the same address and
number be taken for the one that an unanswered AddClient made. Any other existing client must be linked, which asks for
its password.

Writes: Salesforce Account, WHMCS client, portal.users, portal.id_mappings, portal.signups.
"""

import secrets
from typing import Annotated, Any
from uuid import UUID, uuid4

import structlog
from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from app.commands import passwords, postal, sign_up_journal
from app.commands.context import Actor, Context, Done
from app.commands.customer_numbers import account_of
from app.commands.every_fault import every_fault
from app.commands.sign_up_journal import Journal, Stored
from app.commands.tell_salesforce import registered
from app.commands.users import User
from app.errors import Conflict, RuleViolated, UpstreamRejected
from app.ingest import accounts
from app.inputs.email import NewEmail
from app.inputs.numbers import Country, CustomerNumber, Phone, Postcode
from app.inputs.text import Line, LineOrNothing
from app.integrations.salesforce import wire
from app.integrations.whmcs.client import NewClient
from app.integrations.whmcs.faults import EMAIL_TAKEN
from app.readmodels import profiles

Short = Annotated[Line, Meta(min_length=1, max_length=100)]

log = structlog.get_logger()


class Address(Struct, forbid_unknown_fields=True, kw_only=True):
    """The billing address; `country` is ISO 3166 alpha-2."""

    address1: Short
    address2: Annotated[LineOrNothing, Meta(max_length=100)] = ""
    city: Short
    state: Short
    postcode: Annotated[Postcode, Meta(min_length=1, max_length=20)]
    country: Annotated[Country, Meta(max_length=10)]


class SignUp(Struct, forbid_unknown_fields=True, kw_only=True):
    """Everything WHMCS requires of a client, and a password for the portal."""

    email: Annotated[NewEmail, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=1024)]
    first_name: Short
    last_name: Short
    phone: Annotated[Phone, Meta(max_length=60)]
    customer_number: Annotated[CustomerNumber, Meta(min_length=1, max_length=40)]
    address: Address


class SignedUp(Struct, frozen=True):
    """The new user; log in next."""

    user: User
    account_id: UUID


async def sign_up(ctx: Context, actor: Actor, request: SignUp) -> Done:
    """Make or finish the sign-up of this customer number.

    Raises:
        InvalidRequest: weak password.
        RuleViolated: `customer_number_unknown`, `address_invalid`, `details_refused`.
        Conflict: `account_exists`, `whmcs_client_exists`, `signup_in_progress`.
        UpstreamError: try again; what was done is found again.
    """
    personal = (request.email, request.first_name, request.last_name)
    _, address = await every_fault(
        passwords.refuse_weak(request.password, "password", personal=personal), _checked(request.address)
    )
    request = replace(request, address=address)
    account = await account_of(ctx, request.customer_number.strip(), fresh=True)
    if account is None:
        raise RuleViolated(
            "We do not know this customer number. Please check it on your letters or contact support.",
            code="customer_number_unknown",
        )
    # Salesforce compares without regard to case; its own spelling is the one everything is kept under.
    request = replace(request, email=request.email.lower(), customer_number=account[wire.ACCOUNT_NUMBER])
    async with ctx.locks.exclusively("sign_up", account["Id"]) as mine:
        if not mine:
            raise Conflict(
                "This customer number is just being signed up. Please wait a moment.",
                code="signup_in_progress",
                retry_after_seconds=5,
            )
        return await _sign_up(ctx, actor, request, account)


async def _checked(address: Address) -> Address:
    return Address(**asdict(postal.checked(profiles.Address(**asdict(address)), within="address.")))


async def _sign_up(ctx: Context, actor: Actor, request: SignUp, account: dict[str, Any]) -> Done:
    number = request.customer_number
    known = await sign_up_journal.stored(ctx.pool, account["Id"])
    await _refuse_duplicate(ctx, request, known)
    journal = await sign_up_journal.begin(ctx.pool, number, request.email, account["Id"])
    if known is None:
        if account.get(wire.ACCOUNT_WHMCS) and journal.step == "verified":
            raise _must_link()
        client_id = await _whmcs_client(ctx, journal, request)
        known = await _store(ctx, request, account["Id"], client_id)
    submission = await accounts.link(ctx.inbox, known.account_id, known.whmcs_client_id, account["Id"])
    await _tell_salesforce(ctx, account, known.whmcs_client_id)
    await sign_up_journal.reach(ctx.pool, number, "done", email=known.user.email, whmcs_client_id=known.whmcs_client_id)
    result = SignedUp(known.user, known.account_id)
    return Done(result, submission, user_id=known.user.user_id, account_id=known.account_id)


async def _refuse_duplicate(ctx: Context, request: SignUp, known: Stored | None) -> None:
    """A finished sign-up is a duplicate; an unfinished one by who knows its address and password is a repetition."""
    if known:
        same = known.user.email == request.email and await passwords.matches(known.password_hash, request.password)
        if not (same and await sign_up_journal.is_open(ctx.pool, request.customer_number)):
            raise Conflict(
                "There is already an account for this customer number. Please log in, or reset your password.",
                code="account_exists",
            )
    elif await ctx.pool.fetchval("SELECT 1 FROM portal.users WHERE lower(email) = $1", request.email):
        raise Conflict("There is already an account with this e-mail address. Please log in.", code="account_exists")


async def _whmcs_client(ctx: Context, journal: Journal, request: SignUp) -> str:
    """The one WHMCS client of this sign-up, with the details of the latest request."""
    number, pool = request.customer_number, ctx.pool
    own = journal.whmcs_client_id
    if own is None and journal.step == "adding":
        own = await _unheard_of(ctx, journal.email, number)
    holder = await ctx.whmcs.client_id_by_email(request.email)
    if holder not in (None, own):
        raise _must_link()
    if own:
        await ctx.whmcs.update_client(own, _details(request))
    else:
        await sign_up_journal.reach(pool, number, "adding", email=request.email, whmcs_client_id=None)
        own = await _added(ctx, request)
    await sign_up_journal.reach(pool, number, "client", email=request.email, whmcs_client_id=own)
    return own


async def _added(ctx: Context, request: SignUp) -> str:
    """WHMCS gets a random password: portal passwords stay in the portal."""
    new = NewClient(**_details(request), password=secrets.token_urlsafe(24), customer_number=request.customer_number)
    try:
        return await ctx.whmcs.add_client(new)
    except UpstreamRejected as error:
        # WHMCS takes an address once: an unanswered AddClient may have been carried out after we looked.
        if own := await _unheard_of(ctx, request.email, request.customer_number):
            return own
        if error.vendor_code == EMAIL_TAKEN:
            raise _must_link() from error
        raise RuleViolated(
            "The billing system refused these details. Please check name, address and phone number.",
            code="details_refused",
        ) from error


async def _unheard_of(ctx: Context, email: str, customer_number: str) -> str | None:
    """The client that an AddClient without an answer made."""
    found = await ctx.whmcs.client_by_email(email)
    return found.record_id if found and found.data["customer_number"] == customer_number else None


def _details(request: SignUp) -> dict[str, str]:
    return {
        "email": request.email,
        "firstname": request.first_name,
        "lastname": request.last_name,
        "phonenumber": request.phone,
        **asdict(request.address),
    }


def _must_link() -> Conflict:
    return Conflict(
        "You already have a billing account with us. Please link it instead of signing up.",
        code="whmcs_client_exists",
    )


async def _store(ctx: Context, request: SignUp, salesforce_account_id: str, whmcs_client_id: str) -> Stored:
    user = User(
        user_id=uuid4(),
        email=request.email,
        first_name=request.first_name,
        last_name=request.last_name,
        role="customer",
    )
    password_hash = await passwords.hashed(request.password)
    account_id = await sign_up_journal.store(
        ctx.pool,
        user,
        password_hash,
        customer_number=request.customer_number,
        salesforce_account_id=salesforce_account_id,
        whmcs_client_id=whmcs_client_id,
    )
    return Stored(user=user, account_id=account_id, whmcs_client_id=whmcs_client_id, password_hash=password_hash)


async def _tell_salesforce(ctx: Context, account: dict[str, Any], whmcs_client_id: str) -> None:
    """Mark the account portal-active. A refusal does not undo a sign-up: it is for staff to see."""
    try:
        await registered(ctx.pool, ctx.salesforce, account, whmcs_client_id, signed_up=True)
    except UpstreamRejected as error:
        log.error("salesforce_refused_portal_status", salesforce_account_id=account["Id"], error=str(error))
