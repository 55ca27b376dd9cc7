"""The org over HTTP: /services/oauth2/* and /services/data/*."""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.salesforce.org.org import Org, Session
from sandbox.salesforce.org.sessions import session_of
from sandbox.salesforce.org.transaction import Transaction
from sandbox.salesforce.org.visibility import seen
from sandbox.salesforce.ports import SalesforceWorld, now_ms
from sandbox.salesforce.rest import gate, oauth
from sandbox.salesforce.rest.call import Call
from sandbox.salesforce.rest.composite import loads
from sandbox.salesforce.rest.errors import SalesforceError, invalid_session, not_found
from sandbox.salesforce.rest.query import batch_size
from sandbox.salesforce.rest.resources import dispatch, operation

VERSIONS = tuple(range(50, 68))
RETIRED_BELOW = 31
_VERSION = re.compile(r"v(\d{1,3})\.0")
_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]

OAuth = Callable[[Org, Request, int], Awaitable[Response]]


def app(world: SalesforceWorld) -> Starlette:
    """Build the REST side of an org. The same application serves http and https."""

    async def versions(request: Request) -> Response:
        async def work() -> Response:
            listed = [{"label": f"API {n}", "url": f"/services/data/v{n}.0", "version": f"{n}.0"} for n in VERSIONS]
            return JSONResponse(listed)

        return await gate.answer(world, request, "versions", work)

    async def data(request: Request) -> Response:
        segments = _segments(request)
        name = operation(request.method, segments[1:])
        return await gate.answer(world, request, name, lambda: _data(world, request, segments))

    def oauth_route(word: str, handle: OAuth) -> Route:
        async def endpoint(request: Request) -> Response:
            return await gate.answer(world, request, word, lambda: handle(world.salesforce, request, now_ms(world)))

        return Route(f"/services/oauth2/{word}", endpoint, methods=["GET", "POST"])

    return Starlette(
        routes=[
            oauth_route("token", oauth.token),
            oauth_route("userinfo", oauth.userinfo),
            oauth_route("revoke", oauth.revoke),
            Route("/services/data", versions),
            Route("/services/data/", versions),
            Route("/services/data/{path:path}", data, methods=_METHODS),
        ]
    )


async def _data(world: SalesforceWorld, request: Request, segments: tuple[str, ...]) -> Response:
    org, work = world.salesforce, None
    try:
        version = _checked_version(segments[0])
        session = _authenticate(org, request, now_ms(world))
        _count(org)
        origin = change_origin(version, request.headers.get("sforce-call-options", ""))
        work = Transaction(org, now_ms=now_ms(world), origin=origin, user_id=session.user_id, allowed=org.permissions)
        call = Call(
            org=seen(org, org.permissions),
            work=work,
            session=_token(request),
            version=version,
            method=request.method,
            parts=segments[1:],
            params=request.query_params,
            body=loads(await _json_body(request)),
            batch_size=batch_size(request.headers.get("sforce-query-options", "")),
        )
        reply = dispatch(call)
        work.commit()
        kind = "application/octetstream" if isinstance(reply.body, bytes) else "application/json;charset=UTF-8"
        response = Response(reply.encoded(), reply.status, reply.headers, kind)
    except BaseException as error:
        if work is not None:
            work.rollback()
        if not isinstance(error, SalesforceError):
            raise
        response = gate.failure(error)
    response.headers["Sforce-Limit-Info"] = f"api-usage={org.quota.used}/{org.quota.limit}"
    return response


def _segments(request: Request) -> tuple[str, ...]:
    """Return the path after /services/data/, cut before it is unquoted, so that an external id may hold a slash."""
    raw = request.scope["raw_path"].decode("ascii").partition("?")[0].removeprefix("/services/data/")
    return tuple(unquote(part) for part in raw.split("/") if part)


def _checked_version(segment: str) -> str:
    match = _VERSION.fullmatch(segment)
    if match is None or int(match[1]) > VERSIONS[-1]:
        raise not_found()
    if int(match[1]) < RETIRED_BELOW:
        raise SalesforceError("UNSUPPORTED_API_VERSION", f"API version {segment} is retired", status=410)
    return f"{match[1]}.0"


def _authenticate(org: Org, request: Request, moment_ms: int) -> Session:
    scheme = request.headers.get("authorization", "").partition(" ")[0]
    if scheme.lower() not in ("bearer", "oauth") or not _token(request):
        raise SalesforceError("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE", status=401)
    session = session_of(org, _token(request), moment_ms)
    if session is None:
        raise invalid_session()
    return session


def _token(request: Request) -> str:
    return request.headers.get("authorization", "").partition(" ")[2].strip()


def _count(org: Org) -> None:
    if org.quota.exhausted or org.quota.used >= org.quota.limit:
        raise SalesforceError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
    org.quota.used += 1


async def _json_body(request: Request) -> bytes:
    body = await request.body()
    kind = request.headers.get("content-type", "application/json")
    if body and "json" not in kind:
        message = f"Content-Type header specified in HTTP request is not supported: {kind}"
        raise SalesforceError("UNSUPPORTED_MEDIA_TYPE", message, status=415)
    return body


def change_origin(version: str, call_options: str) -> str:
    """Return the origin that the events of a REST write carry."""
    options = dict(pair.strip().partition("=")[::2] for pair in call_options.split(",") if "=" in pair)
    client = options.get("client")
    return f"com/salesforce/api/rest/{version}" + (f";client={client}" if client else "")
