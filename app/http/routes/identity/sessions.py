"""List and end the user's sessions, and mail sign-in codes."""

from typing import Annotated
from uuid import UUID

from litestar import Response, delete, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Struct

from app.commands.identity.mail_sign_in_code import COMMAND as MAIL_SIGN_IN_CODE
from app.commands.identity.mail_sign_in_code import MailSignInCode
from app.commands.identity.sessions import session_store
from app.commands.identity.sessions.revoke_sessions import REVOKE_SESSION, REVOKE_SESSIONS
from app.commands.identity.sessions.session_store import Session
from app.errors import NotFound
from app.http.answering.command_response import run_silently
from app.http.answering.handler_types import AnyRequest, AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.answering.session_cookie import signed_out
from app.http.policies.policy import ANYBODY, SIGNED_IN, Policy


@post(
    "/api/auth/login/code",
    policy=Policy(roles=ANYBODY, limit="auth", command=MAIL_SIGN_IN_CODE, takes_key=False),
    status_code=204,
    operation_id="mailSignInCode",
    summary="Mail me a sign-in code",
    tags=["Sessions"],
)
async def mail_code(request: AnyRequest, actor: Caller, data: JSONBody[MailSignInCode]) -> Response[None]:
    """Mail a code with which a user who gets `too_many_attempts` because of others can log in: send it as `email_code`
    with the password. The answer is the same if there is no such user."""
    return await run_silently(request, actor, data)


class Sessions(Struct, frozen=True):
    """The sessions of the user, the most recently used first."""

    items: list[Session]


@get(
    "/api/auth/sessions",
    policy=Policy(roles=SIGNED_IN, second_factor=False, conditional=False),
    operation_id="listSessions",
    summary="Where am I logged in?",
    tags=["Sessions"],
    responses=answers(Sessions, "Every active session."),
)
async def list_sessions(actor: Caller, context: AppContext) -> Response[bytes]:
    """The user's active sessions, the most recently used first."""
    return unstored(Sessions(await session_store.live(context.pool, context.settings, actor)))


@delete(
    "/api/auth/sessions/{session_id:uuid}",
    policy=Policy(
        roles=SIGNED_IN,
        second_factor=False,
        command=REVOKE_SESSION,
        takes_key=False,
        session="ends",
        problems=(NotFound,),
    ),
    status_code=204,
    operation_id="endSession",
    summary="End a session",
    tags=["Sessions"],
)
async def end_session(
    request: AnyRequest,
    actor: Caller,
    context: AppContext,
    session_id: Annotated[UUID, PathParameter(description="From the list of sessions.")],
) -> Response[None]:
    """End one of your own sessions at once, in every process."""
    done = await run_silently(request, actor, session_id)
    return signed_out(context.settings) if session_id == actor.session_id else done


@delete(
    "/api/auth/sessions",
    policy=Policy(roles=SIGNED_IN, second_factor=False, command=REVOKE_SESSIONS, takes_key=False, session="ends"),
    status_code=204,
    operation_id="endSessions",
    summary="Log out everywhere",
    tags=["Sessions"],
)
async def end_sessions(request: AnyRequest, actor: Caller, context: AppContext) -> Response[None]:
    """End all your sessions, including this one."""
    await run_silently(request, actor, None)
    return signed_out(context.settings)


ROUTES = (mail_code, list_sessions, end_session, end_sessions)
