"""The OAuth endpoints: token (JWT bearer, client credentials), userinfo, revoke."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

import jwt
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.salesforce.org.org import INTEGRATION_USER, ORG_ID, Org
from sandbox.salesforce.org.sessions import close_session, open_session, session_of

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
FURTHEST_EXPIRY_SECONDS = 300 + 60
_LOGIN_HOSTS = ("https://login.salesforce.com", "https://test.salesforce.com")


class Refused(Exception):
    """An OAuth error: its code and description."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(code)
        self.response = JSONResponse({"error": code, "error_description": description}, status)


async def token(org: Org, request: Request, now_ms: int) -> Response:
    """Exchange an assertion or client credentials for an access token."""
    form = await request.form()
    try:
        grant = form.get("grant_type")
        if grant == JWT_BEARER:
            _check_assertion(org, str(form.get("assertion", "")), base_url(request), now_ms)
        elif grant == "client_credentials":
            _check_client(org, request, form)
        else:
            raise Refused("unsupported_grant_type", "grant type not supported")
    except Refused as refused:
        return refused.response
    body: dict[str, Any] = {
        "access_token": open_session(org, INTEGRATION_USER, now_ms),
        "scope": "api",
        "instance_url": base_url(request),
        "id": f"{base_url(request)}/id/{ORG_ID}/{INTEGRATION_USER}",
        "token_type": "Bearer",
    }
    if grant != JWT_BEARER:
        body |= {"issued_at": str(now_ms), "signature": base64.b64encode(b"sandbox signature").decode()}
    return JSONResponse(body)


def base_url(request: Request) -> str:
    """Return the URL under which the caller reached this org."""
    return f"{request.url.scheme}://{request.url.netloc}"


def _check_assertion(org: Org, assertion: str, own_url: str, now_ms: int) -> None:
    try:
        claims = jwt.decode(
            assertion,
            org.app.public_key_pem,
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False},
        )
        expires = int(claims["exp"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        raise Refused("invalid_grant", "invalid assertion") from None
    if claims.get("iss") != org.app.client_id:
        raise Refused("invalid_client_id", "client identifier invalid")
    if claims.get("sub") != org.app.username:
        raise Refused("invalid_grant", "user hasn't approved this consumer")
    audience = str(claims.get("aud", "")).rstrip("/")
    if audience not in (*_LOGIN_HOSTS, own_url, f"{own_url}/services/oauth2/token"):
        raise Refused("invalid_grant", "audience is invalid")
    moment = datetime.now(UTC).timestamp()
    if expires <= moment:
        raise Refused("invalid_grant", "expired authorization code")
    if expires > moment + FURTHEST_EXPIRY_SECONDS:
        raise Refused("invalid_grant", "assertion expires too far in the future")


def _check_client(org: Org, request: Request, form: FormData) -> None:
    client_id, secret = str(form.get("client_id", "")), str(form.get("client_secret", ""))
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Refused("invalid_client", "invalid client credentials", 401) from None
    if client_id != org.app.client_id:
        raise Refused("invalid_client_id", "client identifier invalid")
    if secret != org.app.client_secret:
        raise Refused("invalid_client", "invalid client credentials")


async def userinfo(org: Org, request: Request, now_ms: int) -> Response:
    """Return the user that the token stands for."""
    given = request.headers.get("authorization", "").partition(" ")[2] or request.query_params.get("access_token", "")
    session = session_of(org, given, now_ms)
    if session is None:
        return Response("Bad_OAuth_Token", 403, media_type="text/html")
    user = org.get("User", session.user_id) or {}
    url = base_url(request)
    return JSONResponse(
        {
            "sub": f"{url}/id/{ORG_ID}/{session.user_id}",
            "user_id": session.user_id,
            "organization_id": ORG_ID,
            "preferred_username": user.get("Username"),
            "name": user.get("Name"),
            "email": user.get("Email"),
            "active": True,
        }
    )


async def revoke(org: Org, request: Request, now_ms: int) -> Response:
    """End a token."""
    given = (await request.form()).get("token") or request.query_params.get("token")
    if not given or not close_session(org, str(given)):
        return JSONResponse({"error": "unsupported_token_type", "error_description": "this token is unknown"}, 400)
    return Response(status_code=200)
