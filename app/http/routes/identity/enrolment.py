"""Enrolment: sign up as a new customer, or link an existing billing account."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.datastructures import Cookie
from litestar.params import JSONBody
from msgspec import Struct

from app.commands.execution.context import Actor, Context, Done
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
from app.errors import NotAuthenticated
from app.http.answering.command_response import run_command
from app.http.answering.handler_types import AnyRequest, AppContext, Caller, answers
from app.http.answering.session_cookie import cookie_for, leave_before
from app.http.guards.authentication import csrf_token
from app.http.policies.policy import ANYBODY, Policy


class SignedUp(Struct, frozen=True, kw_only=True):
    """The new user and account, with a session as login returns it."""

    token: str
    expires_at: datetime
    csrf_token: str
    user: User
    account_id: UUID


@post(
    "/api/auth/customer-number/check",
    policy=Policy(roles=ANYBODY, limit="auth", command=CHECK_CUSTOMER_NUMBER),
    status_code=200,
    operation_id="checkCustomerNumber",
    summary="Can this number sign up?",
    tags=["Sign-up"],
    responses=answers(CustomerNumberChecked, "The result, with the reason if it cannot."),
)
async def check_number(request: AnyRequest, actor: Caller, data: JSONBody[CheckCustomerNumber]) -> Response[bytes]:
    """Check whether a customer number can sign up. Reads Salesforce, cached for 30 s, and never reveals whose number it
    is."""
    return await run_command(request, actor, data)


@post(
    "/api/auth/signup",
    policy=Policy(roles=ANYBODY, limit="auth", command=SIGN_UP),
    status_code=202,
    operation_id="signUp",
    summary="Sign up",
    tags=["Sign-up"],
    responses=answers(SignUpBegun, "The answer, which is the same whether the sign-up began or not.", status=202),
)
async def signup(request: AnyRequest, actor: Caller, data: JSONBody[SignUp]) -> Response[bytes]:
    """Mail a code to the address on file. Without one it goes to the given address, if the family name or the postcode
    matches the account. Companies that invite by letter print the code there. No answer reveals whether number, name,
    postcode or address are known."""
    return await run_command(request, actor, data, status=202)


@post(
    "/api/auth/signup/complete",
    policy=Policy(
        roles=ANYBODY,
        limit="auth",
        command=COMPLETE_SIGN_UP,
        consistency_token=True,
        session="begins",
        problems=(NotAuthenticated,),
    ),
    status_code=201,
    operation_id="completeSignUp",
    summary="Finish signing up",
    tags=["Sign-up"],
    responses=answers(SignedUp, "Signed up and logged in; the session is also set as a cookie.", status=201),
)
async def complete_signup(
    request: AnyRequest, actor: Caller, context: AppContext, data: JSONBody[CompleteSignUp]
) -> Response[bytes]:
    """Verify the code, create the billing client and the portal user, and start a session. After a failure the same
    request resumes. On 401 `email_code_required` repeat the request with `email_code`, which was mailed to the address
    given at sign-up."""
    return await _begin_session(request, context, actor, data)


@post(
    "/api/auth/link",
    policy=Policy(roles=ANYBODY, limit="auth", command=LINK_ACCOUNT, problems=(NotAuthenticated,)),
    status_code=200,
    operation_id="startLink",
    summary="Link a billing account",
    tags=["Sign-up"],
    responses=answers(LinkOffered, "Proven; `next` names the next step."),
)
async def link(request: AnyRequest, actor: Caller, data: JSONBody[LinkAccount]) -> Response[bytes]:
    """Verify the password of the billing system once; it is neither stored nor logged. Only billing accounts that the
    login owns can be linked."""
    return await run_command(request, actor, data)


@post(
    "/api/auth/link/code",
    policy=Policy(roles=ANYBODY, limit="auth", command=PROVE_LINK, problems=(NotAuthenticated,)),
    status_code=200,
    operation_id="proveLinkByCode",
    summary="Prove the mailed code of a link",
    tags=["Sign-up"],
    responses=answers(LinkOffered, "Proven; `next` names the next step."),
)
async def link_code(request: AnyRequest, actor: Caller, data: JSONBody[ProveLink]) -> Response[bytes]:
    """Verify the mailed code, when `next` is `code`. It is required for logins with a second factor, which cannot be
    verified here, and for billing accounts that a mailbox on file must confirm."""
    return await run_command(request, actor, data)


@post(
    "/api/auth/link/choice",
    policy=Policy(roles=ANYBODY, limit="auth", command=CHOOSE_BILLING_ACCOUNT),
    status_code=200,
    operation_id="chooseBillingAccount",
    summary="Choose the billing account to link",
    tags=["Sign-up"],
    responses=answers(LinkOffered, "Chosen; `next` names the next step."),
)
async def link_choice(request: AnyRequest, actor: Caller, data: JSONBody[ChooseBillingAccount]) -> Response[bytes]:
    """Choose one of several billing accounts of the login, when `next` is `choice`."""
    return await run_command(request, actor, data)


@post(
    "/api/auth/link/complete",
    policy=Policy(roles=ANYBODY, limit="auth", command=COMPLETE_LINK, consistency_token=True, session="begins"),
    status_code=201,
    operation_id="completeLink",
    summary="Finish linking",
    tags=["Sign-up"],
    responses=answers(SignedUp, "Linked and logged in; the session is also set as a cookie.", status=201),
)
async def complete_link(
    request: AnyRequest, actor: Caller, context: AppContext, data: JSONBody[CompleteLink]
) -> Response[bytes]:
    """Set the portal password and start a session. Invoices and subscriptions of the billing account are visible at
    once."""
    return await _begin_session(request, context, actor, data)


async def _begin_session(request: AnyRequest, context: Context, actor: Actor, data: Any) -> Response[bytes]:
    """Run a command that creates an account, and log its user in; the browser's earlier session ends."""
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

    response = await run_command(request, actor, data, status=201, render=render)
    response.cookies.extend(cookies)
    return response


ROUTES = (check_number, signup, complete_signup, link, link_code, link_choice, complete_link)
