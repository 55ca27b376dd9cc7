"""The routes that the fast path answers, in the form in which they are requested most: no parameters, the first page.

Each is an ordinary route whose policy says how it is read fast; the framework answers all its other forms.
"""

from collections.abc import Awaitable, Iterable
from uuid import UUID

from msgspec import Struct

from app.http.answering.languages import is_worded
from app.http.answering.query_response import PRIVATE, public_cache
from app.http.answering.signed_tokens import seal
from app.http.policies.ending import AnnouncedEnd
from app.http.policies.policy import FirstPage, ListQuery, Policy, Query, RateClass
from app.http.policies.table import DeclaredRoute
from app.http.versions.endings import operation_of
from app.keyring import Keyring
from app.queries.reading.page import Page
from app.queries.reading.store import Answer, Store
from app.settings import Settings

FIRST_PAGE = Page()
LONGEST_PATH = 200


class HotRoute(Struct, frozen=True):
    """A route as the fast path needs it.

    Attributes:
        template: the path's template, for logs and metrics.
        operation: the id of the operation in the document.
        query: reads the answer by store, account and the part of the path that the template leaves open.
        limit: the class in which its requests are counted.
        public: needs no session.
        shared: the same bytes for all accounts, cached once.
        ending: the announced end of the operation.
        worded: its answers can have sentences, and are cached by language.
    """

    template: str
    operation: str
    query: Query
    limit: RateClass
    cache: str
    public: bool
    shared: bool
    ending: AnnouncedEnd | None
    worded: bool


class HotRoutes:
    """The table of hot routes, by path."""

    def __init__(self, settings: Settings, routes: Iterable[DeclaredRoute]) -> None:
        found = [_hot(route, settings) for route in routes if route.policy.fast]
        self._whole = {route.template: route for route in found if "{" not in route.template}
        self._parts = {_fixed(route, 1): route for route in found if route.template.count("{") == 1}
        self._pairs = {_fixed(route, 2): route for route in found if route.template.count("{") == 2}

    def find(self, path: str) -> tuple[HotRoute, str] | None:
        """Find the route of a path as it was sent, and the part of it that the template leaves open. A path with a
        query string or with escapes is never hot."""
        if route := self._whole.get(path):
            return route, ""
        if len(path) > LONGEST_PATH or "?" in path or "%" in path:
            return None
        head, _, last = path.rpartition("/")
        if route := self._parts.get(head):
            return route, last
        head, _, first = head.rpartition("/")
        route = self._pairs.get(head)
        return (route, f"{first}/{last}") if route else None

    def all(self) -> list[HotRoute]:
        """List every hot route."""
        return [*self._whole.values(), *self._parts.values(), *self._pairs.values()]


def _hot(route: DeclaredRoute, settings: Settings) -> HotRoute:
    policy, fast = route.policy, route.policy.fast
    assert fast is not None
    return HotRoute(
        template=route.path,
        operation=operation_of(route.handler),
        query=_first_page(policy, fast.query, settings.keyring) if isinstance(fast, FirstPage) else fast.query,
        limit=policy.limit,
        cache=public_cache(settings) if policy.is_open else PRIVATE,
        public=policy.is_open,
        shared=fast.shared,
        ending=policy.ending,
        worded=is_worded(route.handler),
    )


def _first_page(policy: Policy, query: ListQuery, keyring: Keyring) -> Query:
    def first(store: Store, account_id: UUID, _: str) -> Awaitable[Answer]:
        purpose = f"cursor:{policy.cursor_scope(account_id)}"
        return query(store, account_id, FIRST_PAGE, lambda after: seal(keyring, purpose, after))

    return first


def _fixed(route: HotRoute, open_parts: int) -> str:
    """Return the path before the open parts, which must be its last ones."""
    fixed = route.template.rsplit("/", open_parts)[0]
    if "{" in fixed:
        raise ValueError(f"The fast path cannot answer {route.template}: only the last parts of a path may be open.")
    return fixed
