"""Reset a forgotten password, or change the password."""

from litestar import Response, post
from litestar.params import JSONBody

from app.commands.identity.change_password import COMMAND as CHANGE_PASSWORD
from app.commands.identity.change_password import ChangePassword
from app.commands.identity.reset_password import FORGOT_PASSWORD, RESET_PASSWORD, ForgotPassword, ResetPassword
from app.http.answering.command_response import run_silently
from app.http.answering.handler_types import AnyRequest, Caller
from app.http.policies.policy import ANYBODY, SIGNED_IN, Policy


@post(
    "/api/auth/password/forgot",
    policy=Policy(roles=ANYBODY, limit="auth", command=FORGOT_PASSWORD, takes_key=False),
    status_code=204,
    operation_id="forgotPassword",
    summary="Forgot the password",
    tags=["Passwords"],
)
async def forgot(request: AnyRequest, actor: Caller, data: JSONBody[ForgotPassword]) -> Response[None]:
    """Mail a link to reset the password if the user exists. The answer is the same if not."""
    return await run_silently(request, actor, data)


@post(
    "/api/auth/password/reset",
    policy=Policy(roles=ANYBODY, limit="auth", command=RESET_PASSWORD, takes_key=False),
    status_code=204,
    operation_id="resetPassword",
    summary="Set a new password",
    tags=["Passwords"],
)
async def reset(request: AnyRequest, actor: Caller, data: JSONBody[ResetPassword]) -> Response[None]:
    """Set a new password with the token of the mailed link, which works once. All sessions of the user end; log in
    again."""
    return await run_silently(request, actor, data)


@post(
    "/api/auth/password/change",
    policy=Policy(roles=SIGNED_IN, second_factor=False, limit="auth", command=CHANGE_PASSWORD, takes_key=False),
    status_code=204,
    operation_id="changePassword",
    summary="Change the password",
    tags=["Passwords"],
)
async def change(request: AnyRequest, actor: Caller, data: JSONBody[ChangePassword]) -> Response[None]:
    """Change the password. All other sessions of the user end."""
    return await run_silently(request, actor, data)


ROUTES = (forgot, reset, change)
