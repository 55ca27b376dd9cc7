"""Begin a sign-up with a customer number, the details of a client, and a portal password.

The answer is the same for every number and every address. The details are stored sealed, and the password as a hash,
until a mailed or printed code completes the sign-up (`complete_sign_up`).

Reads: Salesforce Account and Contact, WHMCS client. Reads and writes: portal.enrolments. Writes: portal.mails.
"""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import asdict

from app.commands.execution import postal_addresses
from app.commands.execution.checks import run_checks
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity import login_throttle, passwords
from app.commands.identity.enrolment import enrolments, mailed_codes
from app.commands.identity.enrolment.check_customer_number import account_of
from app.commands.identity.enrolment.sign_up_proof import Proof, proof_of
from app.inputs.email import NewEmail
from app.inputs.numbers import Country, CustomerNumber, Phone, Postcode
from app.inputs.text import Line, LineOrNothing
from app.integrations.salesforce import wire
from app.postal import Address
from app.words.languages import Language

MOST_WRONG = 10
"""After so many wrong facts about one number in a day, only a mailbox on file or a letter proves it, and no fact
does."""
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
    """Prefecture, state or province; in Japan one of the 47, in kanji or letters."""
    postcode: Annotated[Postcode, Meta(min_length=1, max_length=20)]
    country: Annotated[Country, Meta(max_length=10)]


class SignUp(Struct, forbid_unknown_fields=True, kw_only=True):
    """The details that billing requires of a customer, and a password for the portal."""

    email: Annotated[NewEmail, Meta(max_length=254)]
    password: Annotated[str, Meta(max_length=1024)]
    first_name: ShortName
    last_name: ShortName
    phone: Annotated[Phone, Meta(max_length=60)]
    customer_number: Annotated[CustomerNumber, Meta(min_length=1, max_length=40)]
    address: SignUpAddress
    """The billing address."""


class SignUpBegun(Struct, frozen=True):
    """A sign-up that awaits its code. Send the token with the code from the mail, or from the letter."""

    signup_token: str
    expires_in_seconds: int = enrolments.LIFE_SECONDS


class SignUpFacts(Struct, frozen=True, kw_only=True):
    """The facts of a sign-up that awaits its code. `letter` is the hash of the printed code that proved it,
    `language` that of the request."""

    email: str
    password_hash: str
    first_name: str
    last_name: str
    phone: str
    customer_number: str
    address: SignUpAddress
    proof: Proof
    letter: str = ""
    language: Language | None = None


async def sign_up(ctx: Context, actor: Actor, request: SignUp) -> Done:
    """Mail a code if this number and these facts belong together; the answer is the same if they do not.

    Raises:
        InvalidRequest: weak password.
        RuleViolated: `address_invalid`.
        RateLimited: `too_many_attempts`.
        UpstreamError: repeat the request; nothing was begun.
    """
    personal, email = (request.email, request.first_name, request.last_name), request.email.lower()
    _, address = await run_checks(
        passwords.refuse_weak(request.password, "password", personal=personal), _checked(request.address)
    )
    number = request.customer_number.strip()
    # Counted per address: strangers must not lock out the owner of the number.
    await login_throttle.count(ctx, actor, "sign_up", f"{number.upper()}\0{actor.address}")
    password_hash = await passwords.hashed(request.password)
    account = await account_of(ctx, number, fresh=True)
    # Salesforce ignores case; everything is stored under its own spelling.
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
        language=actor.language,
    )
    return Done(await _begun(ctx, facts), target=subject_of(number))


async def _begun(ctx: Context, facts: SignUpFacts) -> SignUpBegun:
    """Store the sign-up before the wrong ones are counted, so that concurrent ones count too."""
    subject, proof = subject_of(facts.customer_number), facts.proof
    provable = bool(proof.mailbox) or ctx.settings.sign_up_proof == "letter"
    offered = await enrolments.begin(ctx.pool, ctx.settings, "sign_up", subject, facts, provable=provable)
    wrong = await ctx.pool.fetchval(_WRONG, subject, WRONG_WITHIN_SECONDS)
    mailbox = proof.mailbox if proof.on_file or wrong <= MOST_WRONG else ""
    await mailed_codes.enqueue(ctx.pool, "sign_up_code", mailbox, offered.id, offered.created_at, facts.language)
    return SignUpBegun(offered.token)


def subject_of(customer_number: str) -> str:
    """Return the key that sign-ups are counted by; one for everything that cannot be a customer number."""
    return customer_number.upper() if customer_number.isascii() and customer_number.isprintable() else "-"


async def _checked(address: SignUpAddress) -> SignUpAddress:
    return SignUpAddress(**asdict(postal_addresses.checked(Address(**asdict(address)), within="address.")))


COMMAND = Command(sign_up, writes=(), away="refuse", reads=("salesforce", "whmcs"), replayable=False)
