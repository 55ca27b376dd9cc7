"""The second factor: set up, confirm, turn off."""

from typing import Any

from litestar import Request, Response, post
from litestar.params import JSONBody

from app.commands.change_second_factor import (
    ConfirmSecondFactor,
    DisableSecondFactor,
    EnrolSecondFactor,
    SecondFactorOn,
)
from app.commands.registry import CONFIRM_SECOND_FACTOR, DISABLE_SECOND_FACTOR, ENROL_SECOND_FACTOR
from app.commands.second_factor import Enrolment
from app.http.inputs import Caller, answers
from app.http.run_command import run_command, run_silently


@post(
    "/api/auth/mfa/enrol",
    status_code=200,
    summary="Set up a second factor",
    tags=["Second factor"],
    responses=answers(Enrolment, "Show it as a QR code, then confirm."),
)
async def enrol(request: Request[Any, Any, Any], actor: Caller, data: JSONBody[EnrolSecondFactor]) -> Response[bytes]:
    """A secret for an authenticator app. It counts once it is confirmed."""
    return await run_command(request, ENROL_SECOND_FACTOR, actor, data)


@post(
    "/api/auth/mfa/confirm",
    status_code=200,
    summary="Confirm the second factor",
    tags=["Second factor"],
    responses=answers(SecondFactorOn, "In force; keep the recovery codes."),
)
async def confirm(
    request: Request[Any, Any, Any], actor: Caller, data: JSONBody[ConfirmSecondFactor]
) -> Response[bytes]:
    """From now on logging in needs a code. Every other session ends."""
    return await run_command(request, CONFIRM_SECOND_FACTOR, actor, data)


@post("/api/auth/mfa/disable", status_code=204, summary="Turn the second factor off", tags=["Second factor"])
async def disable(
    request: Request[Any, Any, Any], actor: Caller, data: JSONBody[DisableSecondFactor]
) -> Response[None]:
    """Needs both factors. Members of staff cannot."""
    return await run_silently(request, DISABLE_SECOND_FACTOR, actor, data)


ROUTES = (enrol, confirm, disable)
