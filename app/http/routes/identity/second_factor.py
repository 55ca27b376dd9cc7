"""Set up, confirm and turn off the second factor."""

from typing import Any

import msgspec
from litestar import Response, post
from litestar.datastructures import Cookie
from litestar.params import JSONBody

from app.commands.execution.context import Actor, Done
from app.commands.identity.change_second_factor import (
    CONFIRM_SECOND_FACTOR,
    DISABLE_SECOND_FACTOR,
    ENROL_SECOND_FACTOR,
    ConfirmSecondFactor,
    DisableSecondFactor,
    EnrolSecondFactor,
    SecondFactorOn,
    SessionRenewed,
)
from app.commands.identity.second_factor import Enrolment
from app.http.answering.command_response import run_command
from app.http.answering.handler_types import AnyRequest, AppContext, Caller, answers
from app.http.answering.session_cookie import cookie_for
from app.http.guards.authentication import csrf_token
from app.http.policies.policy import SIGNED_IN, Policy
from app.settings import Settings


@post(
    "/api/auth/mfa/enrol",
    policy=Policy(roles=SIGNED_IN, second_factor=False, limit="auth", command=ENROL_SECOND_FACTOR),
    status_code=200,
    operation_id="enrolSecondFactor",
    summary="Set up a second factor",
    tags=["Second factor"],
    responses=answers(Enrolment, "Show it as a QR code, then confirm."),
)
async def enrol(request: AnyRequest, actor: Caller, data: JSONBody[EnrolSecondFactor]) -> Response[bytes]:
    """Create a secret for an authenticator app. It takes effect when it is confirmed."""
    return await run_command(request, actor, data)


@post(
    "/api/auth/mfa/confirm",
    policy=Policy(roles=SIGNED_IN, second_factor=False, limit="auth", command=CONFIRM_SECOND_FACTOR, session="begins"),
    status_code=200,
    operation_id="confirmSecondFactor",
    summary="Confirm the second factor",
    tags=["Second factor"],
    responses=answers(SecondFactorOn, "The second factor is on; the recovery codes are shown once."),
)
async def confirm(
    request: AnyRequest, actor: Caller, context: AppContext, data: JSONBody[ConfirmSecondFactor]
) -> Response[bytes]:
    """Turn the second factor on: logging in requires a code from now on. All other sessions end. This session continues
    under the new token in the answer, which is also set as a cookie; the old token is refused."""
    return await _renewing(request, context.settings, actor, data, SecondFactorOn)


@post(
    "/api/auth/mfa/disable",
    policy=Policy(roles=SIGNED_IN, second_factor=False, limit="auth", command=DISABLE_SECOND_FACTOR, session="begins"),
    status_code=200,
    operation_id="disableSecondFactor",
    summary="Turn the second factor off",
    tags=["Second factor"],
    responses=answers(SessionRenewed, "Off; the session's new token."),
)
async def disable(
    request: AnyRequest, actor: Caller, context: AppContext, data: JSONBody[DisableSecondFactor]
) -> Response[bytes]:
    """Turn the second factor off. Requires both factors, and is refused for staff. This session continues under a new
    token, as after confirming; other sessions stay as they are."""
    return await _renewing(request, context.settings, actor, data, SessionRenewed)


async def _renewing(
    request: AnyRequest, settings: Settings, actor: Actor, data: Any, shape: type[SessionRenewed]
) -> Response[bytes]:
    """Run a command that renews the session, and answer with token and cookie as login does."""
    cookies: list[Cookie] = []

    async def render(done: Done) -> bytes:
        opened, more = done.result
        cookies.append(cookie_for(settings, opened))
        csrf = csrf_token(settings, opened.id)
        return msgspec.json.encode(shape(token=opened.token, expires_at=opened.expires_at, csrf_token=csrf, **more))

    response = await run_command(request, actor, data, render=render)
    response.cookies.extend(cookies)
    return response


ROUTES = (enrol, confirm, disable)
