"""Sign-up, log in, log out, who am I."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie

from app.commands import log_in
from app.commands.context import Actor, Command, Context
from app.commands.customer_numbers import CheckCustomerNumber, check_customer_number
from app.commands.log_in import LoggedIn, LogIn
from app.commands.sign_up import SignUp, sign_up
from app.http.access import COOKIE, csrf_token
from app.http.run_command import run_command

CHECK = Command("check_customer_number", check_customer_number, replayable=False)
SIGN_UP = Command("sign_up", sign_up)


@post("/api/auth/customer-number/check", status_code=200, summary="Can this number sign up?", tags=["Sign-up"])
async def check_number(request: Request[Any, Any, Any], actor: Actor, data: CheckCustomerNumber) -> Response[bytes]:
    """Asks Salesforce, remembered for 30 s. Never says whose number it is."""
    return await run_command(request, CHECK, actor, data)


@post("/api/auth/signup", status_code=201, summary="Sign up", tags=["Sign-up"])
async def signup(request: Request[Any, Any, Any], actor: Actor, data: SignUp) -> Response[bytes]:
    """Makes the billing client and the portal user. After a failure the same request finishes what was begun."""
    return await run_command(request, SIGN_UP, actor, data, status=201)


@post("/api/auth/login", status_code=200, summary="Log in", tags=["Sessions"])
async def login(request: Request[Any, Any, Any], actor: Actor, data: LogIn) -> Response[bytes]:
    """Answers a bearer token and sets the same session as a cookie."""
    context: Context = request.app.state.context
    done = await log_in.log_in(context, actor, data, agent=request.headers.get("user-agent", ""))
    opened, user = done.result
    body = LoggedIn(
        token=opened.token, expires_at=opened.expires_at, csrf_token=csrf_token(context.settings, opened.id), user=user
    )
    cookie = Cookie(
        key=COOKIE,
        value=opened.token,
        httponly=True,
        secure=not context.settings.public_url.startswith("http://127.0.0.1"),
        samesite="lax",
        max_age=context.settings.session_absolute_seconds,
    )
    return Response(
        msgspec.json.encode(body),
        media_type="application/json",
        status_code=200,
        cookies=[cookie],
        headers={"Cache-Control": "no-store"},
    )


@post("/api/auth/logout", status_code=204, summary="Log out", tags=["Sessions"])
async def logout(request: Request[Any, Any, Any], actor: Actor) -> Response[None]:
    """Ends this session at once."""
    await log_in.log_out(request.app.state.context, actor)
    gone = Cookie(key=COOKIE, value="", httponly=True, samesite="lax", max_age=0)
    return Response(None, status_code=204, cookies=[gone], headers={"Cache-Control": "no-store"})


@get("/api/auth/me", summary="Who am I", tags=["Sessions"])
async def me(request: Request[Any, Any, Any], actor: Actor) -> Response[bytes]:
    """The user of this session, and the account it acts for."""
    context: Context = request.app.state.context
    assert actor.user_id is not None
    user = await log_in.user_of(context, actor.user_id)
    body = {"user": user, "account_id": actor.account_id, "csrf_token": csrf_token(context.settings, actor.session_id)}
    return Response(
        msgspec.json.encode(body), media_type="application/json", headers={"Cache-Control": "private, no-store"}
    )


ROUTES = (check_number, signup, login, logout, me)
