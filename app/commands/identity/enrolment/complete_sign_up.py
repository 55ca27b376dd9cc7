"""Complete a sign-up with the code that was mailed, or printed in a letter.

Only the owner of the mailbox on file, or of the letter, can continue and learns of errors. A login address that differs
from the proven one is proven by a second code.

Reads and writes: portal.enrolments. Writes: portal.mails, and what `register_customer` writes.
"""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity import login_throttle, readable_codes
from app.commands.identity.enrolment import enrolments, invitations, mailed_codes
from app.commands.identity.enrolment.enrolments import PendingEnrolment
from app.commands.identity.enrolment.register_customer import register_customer
from app.commands.identity.enrolment.sign_up import SignUpFacts
from app.commands.identity.sessions.session_store import digest
from app.errors import Conflict, NotAuthenticated
from app.inputs import numbers
from app.words.sentence import say

SignUpCode = Annotated[numbers.Code, Meta(max_length=40)]


class CompleteSignUp(Struct, forbid_unknown_fields=True, kw_only=True):
    """The token of the first step and the code from the mail, or from the letter.

    `email_code` is required after the answer `email_code_required`: the login address differs from the proven one, and
    was mailed a code of its own.
    """

    signup_token: Annotated[str, Meta(max_length=200)]
    code: SignUpCode
    """The code from the mail, or from the letter."""
    email_code: SignUpCode = ""
    """The code that was mailed to the address given at sign-up, once it is asked for."""


async def complete_sign_up(ctx: Context, actor: Actor, request: CompleteSignUp) -> Done:
    """Create the account, or finish what an earlier attempt began.

    Raises:
        InvalidRequest: `signup_token_invalid`.
        NotAuthenticated: `code_invalid`, `email_code_required`.
        RateLimited: `too_many_attempts`.
        Conflict: `account_exists`, `whmcs_client_exists`, `signup_in_progress`.
        RuleViolated: `details_refused`, `customer_number_unknown`: it no longer exists.
        UpstreamError: repeat the request; it continues where this one stopped.
    """
    waiting = await enrolments.find(ctx.pool, ctx.settings, "sign_up", request.signup_token, SignUpFacts)
    if waiting.used:
        raise Conflict(say("identity.signed_up_already"), code="account_exists")
    # Customer numbers are public: strangers who try codes for this one must not hold up the holder of the right code.
    await login_throttle.count(ctx, actor, "prove_sign_up", waiting.subject, alone=waiting.untried)
    await enrolments.count_try(ctx.pool, "sign_up", request.signup_token)
    facts, mailbox = await _proven(ctx, waiting, request.code)
    if facts.email != mailbox:
        await _prove_address(ctx, waiting, request.email_code)
    await enrolments.forget_try(ctx.pool, waiting.id)
    await login_throttle.forget(ctx, actor, "prove_sign_up", waiting.subject)
    done = await register_customer(ctx, facts)
    await enrolments.use(ctx.pool, waiting.id)
    return done


async def _proven(ctx: Context, waiting: PendingEnrolment[SignUpFacts], typed: str) -> tuple[SignUpFacts, str]:
    """Verify the code and return the facts and the mailbox that it proves; a letter proves none. A letter's code is
    used up with the account: that it was right is stored, so that the same request can resume after a failure."""
    facts, asked_at = waiting.facts, waiting.created_at
    mailbox = facts.proof.mailbox
    if mailed_codes.is_code(ctx.settings, "sign_up_code", waiting.subject, mailbox, asked_at, typed):
        return facts, mailbox
    letter = digest(readable_codes.plain(typed)).hex()
    if letter == facts.letter:
        return facts, ""
    if await invitations.is_code(ctx.pool, facts.customer_number, typed):
        facts = replace(facts, letter=letter)
        await enrolments.store_facts(ctx.pool, ctx.settings, waiting.id, facts)
        return facts, ""
    raise _wrong()


async def _prove_address(ctx: Context, waiting: PendingEnrolment[SignUpFacts], typed: str) -> None:
    """Require proof that the caller owns the login address."""
    facts, asked_at = waiting.facts, waiting.created_at
    if not typed:
        await mailed_codes.enqueue(ctx.pool, "sign_up_email_code", facts.email, waiting.id, asked_at, facts.language)
        await enrolments.forget_try(ctx.pool, waiting.id)
        raise NotAuthenticated(
            say("identity.another_code_mailed"),
            code="email_code_required",
        )
    if not mailed_codes.is_code(ctx.settings, "sign_up_email_code", waiting.subject, facts.email, asked_at, typed):
        raise _wrong()


def _wrong() -> NotAuthenticated:
    return NotAuthenticated(say("identity.code_wrong_mail_or_letter"), code="code_invalid")


COMMAND = Command(complete_sign_up, writes=("whmcs", "salesforce"), away="refuse", replayable=False)
