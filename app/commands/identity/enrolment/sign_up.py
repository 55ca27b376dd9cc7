"""Begin to sign up: a customer number, the details of a client, and a password for the portal.

The answer is the same for every number and every address. What was sent waits, sealed, until a mailed or printed code
completes it (`complete_sign_up`); the password waits as a hash.

Reads: Salesforce Account and Contact, WHMCS client. Reads and writes: portal.enrolments. Writes: portal.mails.
"""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

from app.commands.execution import postal_addresses
from app.commands.execution.context import Actor, Context, Done
from app.commands.execution.every_fault import every_fault
from app.commands.identity import login_throttle, passwords
from app.commands.identity.enrolment import enrolments, mailed_codes
from app.commands.identity.enrolment.check_customer_number import account_of
from app.commands.identity.enrolment.sign_up_proof import Proof, proof_of
from app.inputs.email import NewEmail
from app.inputs.numbers import Country, CustomerNumber, Phone, Postcode
from app.inputs.text import Line, LineOrNothing
from app.integrations.salesforce import wire
from app.postal import Address

MOST_WRONG = 10
"""After so many wrong facts about one number in a day, facts prove nothing about it: only a mailbox on file does, or a
letter."""
WRONG_WITHIN_SECONDS = 86_400

_WRONG = (
    "SELECT count(*) FROM portal.enrolments WHERE purpose = 'sign_up' AND subject = $1 AND NOT provable "
    "AND created_at > now() - $2 * interval '1 second'"
)

ShortName = Annotated[Line, Meta(min_length=1, max_length=100)]


class SignUpAddress(Struct, forbid_unknown_fields=True, kw_only=True):
    """The billing address; `country` is ISO 3166 alpha-2."""

    address1: ShortName
    address2: Annotated[LineOrNothing, Meta(max_length=100)] = ""
    city: ShortName
    state: ShortName
    postcode: Annotated[Postcode, Meta(min_length=1, max_length=20)]
    country: Annotated[Country, Meta(max_length=10)]


class SignUp(Struct, forbid_unknown_fields=True, kw_only=True):
    """Everything WHMCS requires of a client, and a password for the portal."""

    email: Annotated[NewEmail, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=1024)]
    first_name: ShortName
    last_name: ShortName
    phone: Annotated[Phone, Meta(max_length=60)]
    customer_number: Annotated[CustomerNumber, Meta(min_length=1, max_length=40)]
    address: SignUpAddress


class SignUpBegun(Struct, frozen=True):
    """Send the token back with the code from the mail, or from the letter."""

    signup_token: str
    expires_in_seconds: int = enrolments.LIFE_SECONDS


class SignUpFacts(Struct, frozen=True, kw_only=True):
    """A sign-up that waits for its code. `letter` is the printed code that proved it, as a hash."""

    email: str
    password_hash: str
    first_name: str
    last_name: str
    phone: str
    customer_number: str
    address: SignUpAddress
    proof: Proof
    letter: str = ""


async def sign_up(ctx: Context, actor: Actor, request: SignUp) -> Done:
    """Have a code mailed, if this number and these facts belong together, and answer the same if they do not.

    Raises:
        InvalidRequest: weak password.
        RuleViolated: `address_invalid`.
        RateLimited: `too_many_attempts`.
        UpstreamError: try again; nothing was begun.
    """
    personal, email = (request.email, request.first_name, request.last_name), request.email.lower()
    _, address = await every_fault(
        passwords.refuse_weak(request.password, "password", personal=personal), _checked(request.address)
    )
    number = request.customer_number.strip()
    # Counted for each address apart: strangers must not shut the door of somebody else's number.
    await login_throttle.count(ctx, actor, "sign_up", f"{number.upper()}\0{actor.address}")
    password_hash = await passwords.hashed(request.password)
    account = await account_of(ctx, number, fresh=True)
    # Salesforce compares without regard to case; its own spelling is the one everything is kept under.
    number = account[wire.ACCOUNT_NUMBER] if account else subject_of(number)
    facts = SignUpFacts(
        email=email,
        password_hash=password_hash,
        first_name=request.first_name,
        last_name=request.last_name,
        phone=request.phone,
        customer_number=number,
        address=address,
        proof=await proof_of(ctx, account, email, request.last_name, address.postcode),
    )
    return Done(await _begun(ctx, facts), target=subject_of(number))


async def _begun(ctx: Context, facts: SignUpFacts) -> SignUpBegun:
    """Write it down before the wrong ones are counted, so that many at once are counted too."""
    subject, proof = subject_of(facts.customer_number), facts.proof
    provable = bool(proof.mailbox) or ctx.settings.sign_up_proof == "letter"
    offered = await enrolments.begin(ctx.pool, ctx.settings, "sign_up", subject, facts, provable=provable)
    wrong = await ctx.pool.fetchval(_WRONG, subject, WRONG_WITHIN_SECONDS)
    mailbox = proof.mailbox if proof.on_file or wrong <= MOST_WRONG else ""
    await mailed_codes.ask(ctx.pool, "sign_up_code", mailbox, offered.id, offered.created_at)
    return SignUpBegun(offered.token)


def subject_of(customer_number: str) -> str:
    """What a sign-up is counted by; one word for all that can be no customer number."""
    return customer_number.upper() if customer_number.isascii() and customer_number.isprintable() else "-"


async def _checked(address: SignUpAddress) -> SignUpAddress:
    return SignUpAddress(**asdict(postal_addresses.checked(Address(**asdict(address)), within="address.")))
