"""The application: its routes, the guards and middleware in front of them, and the state behind them."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib import metadata

import asyncpg
import structlog
from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, Reference, SecurityScheme

from app.concurrency_limit import ConcurrencyLimit
from app.db import open_pool
from app.http.answering import problems
from app.http.answering.content_coding import ContentCoding
from app.http.answering.session_cookie import cookie_name
from app.http.answering.single_flight import SingleFlight
from app.http.answering.strict_request import StrictRequest
from app.http.dependencies import PROVIDERS
from app.http.fast.layers import FastLayers, open_layers
from app.http.fast.path import FastPath
from app.http.guards import networks
from app.http.guards.authentication import identify, refuse_odd_parameters, require_json, require_right
from app.http.guards.client_address import check_networks
from app.http.guards.rate_limits import Counters, limit_rate
from app.http.middleware.cors import Cors, cors_of
from app.http.middleware.deadlines import Deadlines
from app.http.middleware.draining import Draining
from app.http.middleware.methods import Methods, methods_of
from app.http.middleware.request_bodies import RequestBodies
from app.http.middleware.request_context import RequestContext, Scope
from app.http.middleware.request_limits import LIVE_EACH, RequestLimits, count_to_account
from app.http.monitoring import metrics
from app.http.monitoring.health_checks import HealthChecks
from app.http.monitoring.process_metrics import ProcessMetrics
from app.http.policies.table import require_policies, routes_of
from app.http.reference.serving import document_router, plugins
from app.http.routes import (
    account,
    account_overview,
    capabilities,
    case_attachments,
    cases,
    catalog,
    charges,
    commands,
    documents,
    events,
    exports,
    health,
    invoices,
    orders,
    payment_attempts,
    payments,
    subscriptions,
    webhooks,
)
from app.http.routes.admin import captures, dunning, fulfilments, projections, providers, schedule
from app.http.routes.admin import subscriptions as admin_subscriptions
from app.http.routes.case_attachments import LARGEST_BODY_BYTES
from app.http.routes.events import EventSources
from app.http.routes.health import Readiness
from app.http.routes.identity import enrolment, login, passwords, second_factor, sessions
from app.http.streaming.stream_slots import StreamSlots
from app.http.streaming.subscribers import Subscribers
from app.http.versions.answers import VersionedAnswers
from app.http.versions.contract import Contract
from app.http.versions.endings import ending_operations, operation_of, overdue_operations, refuse_ended
from app.http.versions.negotiation import Negotiation
from app.http.versions.requests import adapt_request
from app.ingest.lag.metrics import Metrics
from app.ingest.refetch.verification import Verifications
from app.ingest.sources.admission import InboxAdmission
from app.inputs import return_url
from app.queries.changes import ChangeReader
from app.resources import Resources, open_resources
from app.settings import Settings

ROUTES = (
    *enrolment.ROUTES,
    *login.ROUTES,
    *sessions.ROUTES,
    *passwords.ROUTES,
    *second_factor.ROUTES,
    *account_overview.ROUTES,
    *capabilities.ROUTES,
    *account.ROUTES,
    *catalog.ROUTES,
    *charges.ROUTES,
    *orders.ROUTES,
    *invoices.ROUTES,
    *payments.ROUTES,
    *payment_attempts.ROUTES,
    *subscriptions.ROUTES,
    *cases.ROUTES,
    *case_attachments.ROUTES,
    *commands.ROUTES,
    *events.ROUTES,
    *exports.ROUTES,
    *projections.ROUTES,
    *fulfilments.ROUTES,
    *admin_subscriptions.ROUTES,
    *providers.ROUTES,
    *captures.ROUTES,
    *dunning.ROUTES,
    *schedule.ROUTES,
    *webhooks.ROUTES,
    *health.ROUTES,
    *documents.ROUTES,
    *metrics.ROUTES,
)

STATEMENT_SECONDS = 10.0
"""The bound of one statement of a request; workers have a longer one."""

log = structlog.get_logger()


def build(settings: Settings, contract: Contract | None = None) -> Litestar:
    """Build the application; its lifespan opens and closes the resources. `contract` are the versions it serves, by
    default the registered ones."""

    check_networks(settings)
    return_url.origins(settings)

    async def account_of(scope: Scope) -> str:
        return await fast_path.account(scope["headers"])

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with _opened(app, settings) as layers:
            fast_path.layers = layers
            try:
                yield
            finally:
                fast_path.layers = None
                await deadlines.finish()

    app = Litestar(
        route_handlers=list(ROUTES),
        guards=[
            *(adapt_request, networks.refuse_networks, identify, count_to_account, limit_rate),
            *(refuse_ended, require_right, require_json, refuse_odd_parameters),
        ],
        dependencies=PROVIDERS,
        exception_handlers=problems.HANDLERS,  # type: ignore[arg-type]
        lifespan=[lifespan],
        request_class=StrictRequest,
        request_max_body_size=settings.body_limit_bytes,
        openapi_config=_openapi(settings),
        logging_config=None,
    )
    require_policies(app)
    contract = _checked(app, contract or Contract())
    deadlines = Deadlines(app.asgi_handler, settings)  # type: ignore[arg-type]
    bodies = RequestBodies(
        RequestLimits(deadlines, settings), settings, {case_attachments.PATH: LARGEST_BODY_BYTES}, account_of
    )
    answering = Methods(ContentCoding(VersionedAnswers(bodies)), methods_of(app))
    versioned, cors = Negotiation(answering, contract, ending_operations(routes_of(app))), cors_of(settings)
    app.state.live_room = ConcurrencyLimit(settings.requests_at_once, LIVE_EACH)
    app.state.draining = draining = Draining(Cors(versioned, cors) if cors else versioned)
    app.asgi_handler = RequestContext(draining)  # type: ignore[assignment]
    app.state.fast_path = fast_path = FastPath(settings, cors, draining, routes_of(app), contract)
    return app


def _checked(app: Litestar, contract: Contract) -> Contract:
    """Refuse versions of operations that do not exist, and report what is past its end. It is refused by the clock, so
    a process that starts late is no reason to stop."""
    routes = routes_of(app)
    contract.require_operations(operation_of(route.handler) for route in routes)
    for name in [*contract.overdue(), *overdue_operations(routes, time.time())]:
        log.error("past_its_end", what=name)
    return contract


@asynccontextmanager
async def _opened(app: Litestar, settings: Settings) -> AsyncIterator[FastLayers]:
    """Open what requests find in the application's state, and close it in reverse."""
    async with AsyncExitStack() as stack:
        r = await stack.enter_async_context(open_resources(settings, statement_seconds=STATEMENT_SECONDS))
        health_pool = await open_pool(settings.database_url, size=2, only_reads=True)
        stack.push_async_callback(health_pool.close)
        checks = HealthChecks(settings)
        stack.push_async_callback(checks.close)
        app.state.context, app.state.cases, app.state.health_pool = r.context, r.cases, health_pool
        app.state.inbox_admission = InboxAdmission(r.pool, settings.inbox_high_water)
        app.state.verifications = Verifications(r.inbox, r.pool)
        app.state.stream_slots = slots = StreamSlots(
            r.redis, per_account=settings.event_streams_per_account, in_all=settings.event_streams
        )
        slots.open()
        stack.push_async_callback(slots.close)
        app.state.subscribers = subscribers = Subscribers(r.redis)
        subscribers.open()
        async with open_layers(settings) as layers:
            app.state.layers, app.state.store = layers, layers.store
            app.state.counters = Counters(r.redis, layers.counts)
            app.state.event_sources = EventSources(ChangeReader(layers.store), subscribers, slots, layers.session_ends)
            process_metrics = _monitored(app, r, layers, checks, health_pool)
            process_metrics.open()
            try:
                yield layers
            finally:
                await process_metrics.close()
                await subscribers.close()


def _monitored(
    app: Litestar, r: Resources, layers: FastLayers, checks: HealthChecks, health_pool: asyncpg.Pool
) -> ProcessMetrics:
    """Set up what the health and metrics routes answer from; return the metrics of this process, to be opened."""
    settings = r.settings
    app.state.admission = r.admission
    app.state.readiness = Readiness(checks, r.admission, app.state.draining)
    app.state.cache_health = SingleFlight(partial(health.cache_health, r.context, health_pool, checks, layers))
    process_metrics = ProcessMetrics(settings.metrics_dir, partial(metrics.own_counts, layers))
    measures = Metrics(health_pool, (settings.salesforce_channel, settings.salesforce_eligibility_topic))
    sources = metrics.MetricSources(r.redis, process_metrics, measures, health_pool, r.admission, settings)
    app.state.metrics_text = SingleFlight(partial(metrics.metrics_text, sources))
    return process_metrics


def _openapi(settings: Settings) -> OpenAPIConfig:
    schemes: dict[str, SecurityScheme | Reference] = {
        "bearer": SecurityScheme(type="http", scheme="bearer", description="The token that a login returns."),
        "cookie": SecurityScheme(type="apiKey", name=cookie_name(settings), security_scheme_in="cookie"),
    }
    return OpenAPIConfig(
        title="Customer portal",
        version=metadata.version("customer-portal"),
        description="Commands write to the systems of record. Queries answer from read models and tell their age.",
        openapi_router=document_router(),
        use_handler_docstrings=True,
        render_plugins=plugins(),
        components=Components(security_schemes=schemes),
        security=[{"bearer": []}, {"cookie": []}],
    )
