"""Become a user of the portal: sign up, or link the billing account that there is."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.datastructures import Cookie
from litestar.params import JSONBody
from msgspec import Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity.enrolment.check_customer_number import COMMAND as CHECK_CUSTOMER_NUMBER
from app.commands.identity.enrolment.check_customer_number import CheckCustomerNumber, CustomerNumberChecked
from app.commands.identity.enrolment.complete_link import COMMAND as COMPLETE_LINK
from app.commands.identity.enrolment.complete_link import CompleteLink
from app.commands.identity.enrolment.complete_sign_up import COMMAND as COMPLETE_SIGN_UP
from app.commands.identity.enrolment.complete_sign_up import CompleteSignUp
from app.commands.identity.enrolment.link_account import COMMAND as LINK_ACCOUNT
from app.commands.identity.enrolment.link_account import LinkAccount
from app.commands.identity.enrolment.link_steps import (
    CHOOSE_BILLING_ACCOUNT,
    PROVE_LINK,
    ChooseBillingAccount,
    LinkOffered,
    ProveLink,
)
from app.commands.identity.enrolment.sign_up import COMMAND as SIGN_UP
from app.commands.identity.enrolment.sign_up import SignUp, SignUpBegun
from app.commands.identity.sessions.session_store import open_session
from app.commands.identity.users import User
from app.http.answering.command_response import run_command
from app.http.answering.handler_types import Caller, answers
from app.http.answering.session_cookie import cookie_for, leave_before
from app.http.guards.authentication import csrf_token


class SignedUp(Struct, frozen=True, kw_only=True):
    """The new user and account, in a session that has begun: as login answers it."""

    token: str
    expires_at: datetime
    csrf_token: str
    user: User
    account_id: UUID


@post(
    "/api/auth/customer-number/check",
    status_code=200,
    summary="Can this number sign up?",
    tags=["Sign-up"],
    responses=answers(CustomerNumberChecked, "Whether it can, or why not."),
)
async def check_number(
    request: Request[Any, Any, Any], actor: Caller, data: JSONBody[CheckCustomerNumber]
) -> Response[bytes]:
    """Asks Salesforce, remembered for 30 s. Never says whose number it is."""
    return await run_command(request, CHECK_CUSTOMER_NUMBER, actor, data)


@post(
    "/api/auth/signup",
    status_code=202,
    summary="Sign up",
    tags=["Sign-up"],
    responses=answers(SignUpBegun, "Begun, or not: the answer is the same.", status=202),
)
async def signup(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[SignUp]) -> Response[bytes]:
    """Mails a code to the address on file. Where there is none, it goes to the one given, if the family name or the
    postcode is that of the account. Companies that invite by letter print the code there. No answer tells whether the
    number, the facts or the address are known."""
    return await run_command(request, SIGN_UP, actor, data, status=202)


@post(
    "/api/auth/signup/complete",
    status_code=201,
    summary="Finish signing up",
    tags=["Sign-up"],
    responses=answers(SignedUp, "Signed up and logged in; the session is also set as a cookie.", status=201),
)
async def complete_signup(
    request: Request[Any, Any, Any], actor: Caller, data: JSONBody[CompleteSignUp]
) -> Response[bytes]:
    """Takes the code, makes the billing client and the portal user, and begins a session. After a failure the same
    request finishes what was begun. 401 `email_code_required` asks for the same again with `email_code`, which was
    mailed to the address given at sign-up."""
    return await _begin_session(request, COMPLETE_SIGN_UP, actor, data)


@post(
    "/api/auth/link",
    status_code=200,
    summary="Link a billing account",
    tags=["Sign-up"],
    responses=answers(LinkOffered, "Proven; `next` says how it goes on."),
)
async def link(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[LinkAccount]) -> Response[bytes]:
    """Verifies the billing system's password once; it is neither kept nor logged. Only billing accounts that the login
    owns can be linked."""
    return await run_command(request, LINK_ACCOUNT, actor, data)


@post(
    "/api/auth/link/code",
    status_code=200,
    summary="Prove the mailed code of a link",
    tags=["Sign-up"],
    responses=answers(LinkOffered, "Proven; `next` says how it goes on."),
)
async def link_code(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[ProveLink]) -> Response[bytes]:
    """When `next` is `code`: for logins with a second factor, which cannot be proven here, and for billing accounts
    that a mailbox on file has to confirm."""
    return await run_command(request, PROVE_LINK, actor, data)


@post(
    "/api/auth/link/choice",
    status_code=200,
    summary="Choose the billing account to link",
    tags=["Sign-up"],
    responses=answers(LinkOffered, "Chosen; `next` says how it goes on."),
)
async def link_choice(
    request: Request[Any, Any, Any], actor: Caller, data: JSONBody[ChooseBillingAccount]
) -> Response[bytes]:
    """When `next` is `choice`: the login owns several."""
    return await run_command(request, CHOOSE_BILLING_ACCOUNT, actor, data)


@post(
    "/api/auth/link/complete",
    status_code=201,
    summary="Finish linking",
    tags=["Sign-up"],
    responses=answers(SignedUp, "Linked and logged in; the session is also set as a cookie.", status=201),
)
async def complete_link(
    request: Request[Any, Any, Any], actor: Caller, data: JSONBody[CompleteLink]
) -> Response[bytes]:
    """Sets the portal password and begins a session. Invoices and subscriptions of the billing account show at once."""
    return await _begin_session(request, COMPLETE_LINK, actor, data)


async def _begin_session(request: Request[Any, Any, Any], command: Command, actor: Actor, data: Any) -> Response[bytes]:
    """Run a command that makes an account, and log its user in; the session that the browser had before ends."""
    context: Context = request.app.state.context
    cookies: list[Cookie] = []

    async def render(done: Done) -> bytes:
        made, agent = done.result, request.headers.get("user-agent", "")
        opened = await open_session(context.pool, context.settings, made.user.user_id, actor.address, agent)
        cookies.append(cookie_for(context.settings, opened))
        await leave_before(request)
        body = SignedUp(
            token=opened.token,
            expires_at=opened.expires_at,
            csrf_token=csrf_token(context.settings, opened.id),
            user=made.user,
            account_id=made.account_id,
        )
        return msgspec.json.encode(body)

    response = await run_command(request, command, actor, data, status=201, render=render)
    response.cookies.extend(cookies)
    return response


ROUTES = (check_number, signup, complete_signup, link, link_code, link_choice, complete_link)
