"""WHMCS over HTTP: the API, single sign-on and the client area; the same application serves http and https."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.faults import gate
from sandbox.ports import World
from sandbox.whmcs import api
from sandbox.whmcs.client_area import http_app, pdf
from sandbox.whmcs.client_area.http_app import Form

PAGES: tuple[tuple[str, str, Callable[[World, Request, Form], Response]], ...] = (
    ("/viewinvoice.php", "page.viewinvoice", http_app.with_session(http_app.invoice)),
    (
        "/index.php/account/paymentmethods",
        "page.paymentmethods",
        http_app.with_session(http_app.payment_methods),
    ),
    ("/clientarea.php", "page.clientarea", http_app.with_session(http_app.home)),
    ("/dl.php", "page.download", http_app.with_session(pdf.download)),
    ("/oauth/singlesignon.php", "page.singlesignon", lambda world, request, form: http_app.redeem(world, request)),
)


def app(world: World) -> Starlette:
    """Build the whole installation."""

    async def call(request: Request) -> Response:
        return await api.endpoint(world, request)

    routes = [Route("/includes/api.php", call, methods=["POST"])]
    return Starlette(routes=routes + [_page(world, *each) for each in PAGES])


def _page(world: World, path: str, operation: str, handle: Callable[[World, Request, Form], Response]) -> Route:
    async def endpoint(request: Request) -> Response:
        form = await http_app.form_of(request)

        async def work() -> Response:
            return handle(world, request, form)

        return await gate.answer(world, request, api.UPSTREAM, operation, work)

    return Route(path, endpoint, methods=["GET", "POST"])
