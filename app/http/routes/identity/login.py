"""Log in, log out, and read the user of the session."""

from datetime import datetime
from uuid import UUID

from litestar import Response, get, post
from litestar.params import JSONBody
from msgspec import Struct

from app.commands.identity import log_in, second_factor
from app.commands.identity.log_in import LoggedIn, LogIn
from app.commands.identity.sessions import session_store
from app.commands.identity.users import User, user_of
from app.errors import NotAuthenticated
from app.http.answering.handler_types import AnyRequest, AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.answering.session_cookie import cookie_for, leave_before, signed_out
from app.http.guards.authentication import csrf_token
from app.http.policies.policy import ANYBODY, SIGNED_IN, Policy


class Me(Struct, frozen=True, kw_only=True):
    """The user of a session. `account_id` is null for staff; `csrf_token` as at login.

    `second_factor_on`: logging in requires a code. `second_factor_proven`: this session was opened with one, which
    staff routes require. `expires_at`: when the session ends in any case. `idle_expires_at`: until when it lasts at
    least if nothing else is requested with it; each request prolongs it, this one included."""

    user: User
    account_id: UUID | None
    """The account; null for staff."""
    csrf_token: str
    second_factor_on: bool
    """Whether the user has a second factor."""
    second_factor_proven: bool
    """Whether this session has proven it."""
    expires_at: datetime
    """When the session ends at the latest."""
    idle_expires_at: datetime
    """When it ends if nothing is requested until then."""


@post(
    "/api/auth/login",
    policy=Policy(roles=ANYBODY, limit="auth", session="begins", problems=(NotAuthenticated,)),
    status_code=200,
    operation_id="logIn",
    summary="Log in",
    tags=["Sessions"],
    responses=answers(LoggedIn, "A new session; also set as a cookie."),
)
async def login(request: AnyRequest, actor: Caller, context: AppContext, data: JSONBody[LogIn]) -> Response[bytes]:
    """Open a session: a bearer token, also set as a cookie. On 401 `mfa_required` repeat the request with `code`. The
    browser's previous session ends."""
    done = await log_in.log_in(context, actor, data, agent=request.headers.get("user-agent", ""))
    opened, user = done.result
    await leave_before(request)
    body = LoggedIn(
        token=opened.token, expires_at=opened.expires_at, csrf_token=csrf_token(context.settings, opened.id), user=user
    )
    return unstored(body, cookies=[cookie_for(context.settings, opened)])


@post(
    "/api/auth/logout",
    policy=Policy(roles=SIGNED_IN, second_factor=False, session="ends"),
    status_code=204,
    operation_id="logOut",
    summary="Log out",
    tags=["Sessions"],
)
async def logout(actor: Caller, context: AppContext) -> Response[None]:
    """End this session at once, in every process."""
    await log_in.log_out(context, actor)
    return signed_out(context.settings)


@get(
    "/api/auth/me",
    policy=Policy(roles=SIGNED_IN, second_factor=False, conditional=False),
    operation_id="getMe",
    summary="Who am I",
    tags=["Sessions"],
    responses=answers(Me, "The user of this session, and the account it acts for."),
)
async def me(actor: Caller, context: AppContext) -> Response[bytes]:
    """The user of this session, the account it acts for, the CSRF token, and the state of the second factor."""
    assert actor.user_id is not None
    user = await user_of(context.pool, actor.user_id)
    enrolled = await second_factor.is_enrolled(context.pool, actor.user_id)
    ends = await session_store.ends_of(context.pool, context.settings, actor)
    body = Me(
        user=user,
        account_id=actor.account_id,
        csrf_token=csrf_token(context.settings, actor.session_id),
        second_factor_on=enrolled,
        second_factor_proven=actor.mfa,
        expires_at=ends.expires_at,
        idle_expires_at=ends.idle_expires_at,
    )
    return unstored(body)


ROUTES = (login, logout, me)
