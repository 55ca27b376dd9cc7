"""Pages for developers: where the API leads to, and the errors that every problem's `type` names."""

from litestar import Response, get
from litestar.enums import MediaType

from app.http.policies.policy import ANYBODY, Policy
from app.http.reference import errors, versions
from app.http.reference.frame import framed

CACHE = {"Cache-Control": "public, max-age=300"}
START = """
<p>This is the API of the customer portal.</p>
<ul>
<li><a href='/schema'>Reference</a>: every operation with its parameters, answers, errors and samples
<li><a href='/docs/errors'>Errors</a>: every code, what it means and what to do
<li><a href='/schema/openapi.json'>openapi.json</a>: the document for generators of clients
<li><a href='/api/public/services'>The public catalog</a>: a first answer without a session
<li><a href='/api/health/ready'>Readiness</a>
</ul>
"""


@get(
    "/",
    policy=Policy(roles=ANYBODY, limit="public", conditional=False),
    media_type=MediaType.HTML,
    include_in_schema=False,
)
async def start() -> Response[bytes]:
    """Lead to the documents of the API."""
    return Response(framed("Customer portal API", START), headers=CACHE)


@get(
    "/docs/errors",
    policy=Policy(roles=ANYBODY, limit="public", conditional=False),
    media_type=MediaType.HTML,
    include_in_schema=False,
)
async def error_codes() -> Response[bytes]:
    """Answer with the page that the `type` of every problem names."""
    return Response(errors.page(), headers=CACHE)


@get(
    "/docs/versions",
    policy=Policy(roles=ANYBODY, limit="public", conditional=False),
    media_type=MediaType.HTML,
    include_in_schema=False,
)
async def version_changes() -> Response[bytes]:
    """Answer with the page that `Link` of a deprecated answer names."""
    return Response(versions.page(), headers=CACHE)


ROUTES = (start, error_codes, version_changes)
