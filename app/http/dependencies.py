"""The providers of what handlers depend on.

Those that reads use together form a chain (store, account, paging), so that Litestar resolves them one after another.
It starts independent ones as tasks of a group, which costs more than the framework's share of a read."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from litestar.di import Provide

from app.commands.execution.context import Actor, Context
from app.http.answering.handler_types import AnyRequest, AppContext, Caller, OwnAccount, ReadStore, context_of
from app.http.answering.languages import is_worded, language_of
from app.http.answering.paging import CountParameter, CursorParameter, LimitParameter, Paging
from app.http.answering.preconditions import held_in
from app.http.answering.query_response import joined
from app.http.answering.single_flight import SingleFlight
from app.http.policies.policy import policy_of
from app.http.routes.events import EventSources
from app.http.routes.health import CacheHealth, Readiness
from app.ingest.sources.admission import InboxAdmission
from app.queries.cases import CaseSource
from app.queries.reading.store import Store
from app.words.languages import DEFAULT


def actor_of(request: AnyRequest) -> Actor:
    """Return the caller, as the guards established it."""
    actor: Actor = request.state.actor
    return actor


def provide_context(request: AnyRequest, actor: Caller) -> Context:
    """Return the application's context."""
    return context_of(request)


def store_of(request: AnyRequest) -> Store:
    """Return the engines of the read side."""
    store: Store = request.app.state.store
    return store


def account_of(request: AnyRequest, store: ReadStore) -> UUID:
    """Return the account of the caller's session.

    Raises:
        NotAllowed: staff have no account of their own.
    """
    return actor_of(request).account_id_or_refuse()


def cases_source_of(request: AnyRequest, account: OwnAccount) -> CaseSource:
    """Return the source of support cases."""
    source: CaseSource = request.app.state.cases
    return source


def paging_of(
    request: AnyRequest,
    account: OwnAccount,
    limit: LimitParameter = 25,
    cursor: CursorParameter = None,
    count: CountParameter = False,
) -> Paging:
    """Return the page that the caller requests."""
    policy, held = policy_of(request.route_handler), _held(request)
    return Paging(policy, context_of(request).settings.keyring, account, limit, cursor, held, counted=count)


def _held(request: AnyRequest) -> frozenset[str]:
    """Return the states that the caller holds in the language of the answer."""
    language = language_of(request.scope) if is_worded(request.route_handler) else DEFAULT
    return held_in(joined(request, "if-none-match"), language)


def inbox_admission_of(request: AnyRequest, context: AppContext) -> InboxAdmission:
    """Return what admits webhooks while the inbox has room."""
    admission: InboxAdmission = request.app.state.inbox_admission
    return admission


def event_sources_of(request: AnyRequest, account: OwnAccount) -> EventSources:
    """Return what event streams read from and wait for."""
    sources: EventSources = request.app.state.event_sources
    return sources


def readiness_of(request: AnyRequest) -> Readiness:
    """Return the sources of this process's readiness."""
    readiness: Readiness = request.app.state.readiness
    return readiness


def cache_health_of(request: AnyRequest) -> SingleFlight[CacheHealth]:
    """Return the shared measurement of feeds, inbox and caches."""
    health: SingleFlight[CacheHealth] = request.app.state.cache_health
    return health


def metrics_text_of(request: AnyRequest) -> SingleFlight[bytes]:
    """Return the shared rendering of the metrics."""
    text: SingleFlight[bytes] = request.app.state.metrics_text
    return text


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "actor": actor_of,
    "context": provide_context,
    "store": store_of,
    "account": account_of,
    "cases_source": cases_source_of,
    "paging": paging_of,
    "inbox_admission": inbox_admission_of,
    "event_sources": event_sources_of,
    "readiness": readiness_of,
    "cache_health": cache_health_of,
    "metrics_text": metrics_text_of,
}
PROVIDERS = {name: Provide(provide, sync_to_thread=False) for name, provide in _FUNCTIONS.items()}
