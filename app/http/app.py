"""The front door: every route, the guards before it, and what each request finds behind it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from litestar import Litestar, Request
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, Reference, SecurityScheme

from app.commands.context import Actor
from app.db import open_pool
from app.http import (
    account_read,
    account_write,
    admin,
    admin_fulfilments,
    admin_subscriptions,
    auth,
    auth_enrolment,
    auth_passwords,
    auth_second_factor,
    auth_sessions,
    billing_read,
    billing_write,
    case_attachments,
    cases,
    catalog,
    commands,
    events,
    health,
    networks,
    orders_read,
    orders_write,
    problems,
    subscriptions_write,
    webhooks,
)
from app.http.access import identify, refuse_unknown_parameters, require_json, require_right
from app.http.bounds import Bounds
from app.http.deadlines import Deadlines
from app.http.doorbells import Doorbells
from app.http.draining import Draining
from app.http.examination import Examination
from app.http.frame import Frame
from app.http.lane import Lane
from app.http.openapi import BrowsablePage, JsonDocument
from app.http.rate_limits import Counters, limit_rate
from app.http.roles import refuse_uncovered
from app.http.serving import Serving, open_serving
from app.http.strict_request import StrictRequest
from app.ingest.door import Door
from app.ingest.metrics import Metrics
from app.ingest.verification import Verifications
from app.queries.news import Bulletin
from app.resources import open_resources
from app.settings import Settings

ROUTES = (
    *auth_enrolment.ROUTES,
    *auth.ROUTES,
    *auth_sessions.ROUTES,
    *auth_passwords.ROUTES,
    *auth_second_factor.ROUTES,
    *account_read.ROUTES,
    *account_write.ROUTES,
    *catalog.ROUTES,
    *orders_read.ROUTES,
    *orders_write.ROUTES,
    *billing_read.ROUTES,
    *billing_write.ROUTES,
    *subscriptions_write.ROUTES,
    *cases.ROUTES,
    *case_attachments.ROUTES,
    *commands.ROUTES,
    *events.ROUTES,
    *admin.ROUTES,
    *admin_fulfilments.ROUTES,
    *admin_subscriptions.ROUTES,
    *webhooks.ROUTES,
    *health.ROUTES,
)

STATEMENT_SECONDS = 10.0
"""Of what a request asks of Postgres, one statement; workers have longer ones."""
READABLE_HEADERS = (
    *("X-Request-Id", "ETag", "Consistency", "Consistency-Token", "Command-Id", "Idempotency-Replayed"),
    *("RateLimit", "RateLimit-Policy", "Retry-After"),
)
"""What a browser lets scripts of an allowed origin read."""
SENDABLE_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "Consistency-Token", "Prefer", "X-CSRF-Token"),
    *("X-Request-Id", "If-None-Match", "Cache-Control", "Last-Event-ID"),
)


def build(settings: Settings) -> Litestar:
    """The application; resources open with it and close with it."""

    networks.check(settings)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with _opened(app, settings) as serving:
            lane.serving = serving
            try:
                yield
            finally:
                lane.serving = None
                await deadlines.finish()

    app = Litestar(
        route_handlers=list(ROUTES),
        guards=[networks.refuse_networks, identify, limit_rate, require_right, require_json, refuse_unknown_parameters],
        dependencies={"actor": Provide(actor_of)},
        exception_handlers=problems.HANDLERS,  # type: ignore[arg-type]
        lifespan=[lifespan],
        request_class=StrictRequest,
        cors_config=_cors(settings),
        request_max_body_size=settings.body_limit_bytes,
        openapi_config=_openapi(),
        logging_config=None,
    )
    refuse_uncovered(app)
    deadlines = Deadlines(app.asgi_handler, settings)  # type: ignore[arg-type]
    bounded = Bounds(deadlines, settings.requests_at_once)
    app.state.draining = draining = Draining(bounded)
    app.asgi_handler = Frame(draining)  # type: ignore[assignment]
    app.state.lane = lane = Lane(settings, app.cors_config, draining)
    return app


@asynccontextmanager
async def _opened(app: Litestar, settings: Settings) -> AsyncIterator[Serving]:
    """What requests find in the application's state, closed in reverse."""
    async with AsyncExitStack() as stack:
        r = await stack.enter_async_context(open_resources(settings, statement_seconds=STATEMENT_SECONDS))
        app.state.admission = r.admission
        app.state.health_pool = health_pool = await open_pool(settings.database_url, size=2, only_reads=True)
        stack.push_async_callback(health_pool.close)
        app.state.examination = examination = Examination(settings)
        stack.push_async_callback(examination.close)
        app.state.context = r.context
        app.state.cases = r.cases
        app.state.door = Door(r.pool, settings.inbox_high_water)
        app.state.metrics = Metrics(health_pool, (settings.salesforce_channel, settings.salesforce_eligibility_topic))
        app.state.verifications = Verifications(r.inbox, r.pool)
        app.state.doorbells = doorbells = Doorbells(
            r.redis, per_account=settings.event_streams_per_account, in_all=settings.event_streams
        )
        doorbells.open()
        async with open_serving(settings) as serving:
            app.state.store = serving.store
            app.state.bulletin = Bulletin(serving.store)
            app.state.counters = Counters(r.redis, serving.tallies)
            app.state.serving = serving
            try:
                yield serving
            finally:
                await doorbells.close()


def _cors(settings: Settings) -> CORSConfig | None:
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_credentials=True,
        allow_headers=list(SENDABLE_HEADERS),
        expose_headers=list(READABLE_HEADERS),
    )


async def actor_of(request: Request[object, object, State]) -> Actor:
    """Who acts, as the guard found out."""
    actor: Actor = request.state.actor
    return actor


def _openapi() -> OpenAPIConfig:
    schemes: dict[str, SecurityScheme | Reference] = {
        "bearer": SecurityScheme(type="http", scheme="bearer", description="The token that login answers."),
        "cookie": SecurityScheme(type="apiKey", name="portal_session", security_scheme_in="cookie"),
    }
    return OpenAPIConfig(
        title="Customer portal",
        version="0.1.0",
        description="Commands write to the systems of record; queries answer from read models with their age.",
        path="/schema",
        use_handler_docstrings=True,
        render_plugins=[JsonDocument(path="/openapi.json"), BrowsablePage(path="/")],
        components=Components(security_schemes=schemes),
        security=[{"bearer": []}, {"cookie": []}],
    )
