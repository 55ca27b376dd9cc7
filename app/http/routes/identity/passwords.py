"""A forgotten password, and another one."""

from typing import Any

from litestar import Request, Response, post
from litestar.params import JSONBody

from app.commands.identity.change_password import COMMAND as CHANGE_PASSWORD
from app.commands.identity.change_password import ChangePassword
from app.commands.identity.reset_password import FORGOT_PASSWORD, RESET_PASSWORD, ForgotPassword, ResetPassword
from app.http.answering.command_response import run_silently
from app.http.answering.handler_types import Caller


@post("/api/auth/password/forgot", status_code=204, summary="Forgot the password", tags=["Passwords"])
async def forgot(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[ForgotPassword]) -> Response[None]:
    """Mails a link, if there is such a user; the answer is the same if there is none."""
    return await run_silently(request, FORGOT_PASSWORD, actor, data)


@post("/api/auth/password/reset", status_code=204, summary="Set a new password", tags=["Passwords"])
async def reset(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[ResetPassword]) -> Response[None]:
    """Takes the token of the mailed link, once. Every session of the user ends; log in anew."""
    return await run_silently(request, RESET_PASSWORD, actor, data)


@post("/api/auth/password/change", status_code=204, summary="Change the password", tags=["Passwords"])
async def change(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[ChangePassword]) -> Response[None]:
    """Every other session of the user ends."""
    return await run_silently(request, CHANGE_PASSWORD, actor, data)


ROUTES = (forgot, reset, change)
