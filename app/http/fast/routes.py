"""The routes that the fast lane answers, in the form they are asked in most: no parameters, the first page.

Every one is an ordinary route as well, which describes it, and answers whatever is asked in another form.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from msgspec import Struct

from app.http.answering.query_response import PRIVATE, public_cache
from app.http.answering.signed_tokens import seal
from app.queries import catalog, invoices, orders, payment_methods, profiles, subscriptions
from app.queries.reading.page import Cursor, Page
from app.queries.reading.store import Answer, Store
from app.readmodels.table import GLOBAL_ACCOUNT
from app.settings import Settings

FIRST_PAGE = Page()
EVERYONE = str(GLOBAL_ACCOUNT)
LONGEST_PATH = 200

Query = Callable[[Store, UUID, str], Awaitable[Answer]]
List = Callable[[Store, UUID, Page, Cursor], Awaitable[Answer]]
"""A list of an account."""


class HotRoute(Struct, frozen=True):
    """One of them.

    Attributes:
        template: the ordinary route's.
        public: needs no session.
        shared: the same bytes for everyone, kept once.
        query: of the store, the account and the part of the path that names what is asked for.
    """

    template: str
    query: Query
    cache: str = PRIVATE
    public: bool = False
    shared: bool = False


class HotRoutes:
    """The table, by path."""

    def __init__(self, settings: Settings) -> None:
        def listed(template: str, query: List, scope: str) -> HotRoute:
            def first(store: Store, account: UUID, _: str) -> Awaitable[Answer]:
                purpose = f"cursor:{scope.format(account=account)}"
                return query(store, account, FIRST_PAGE, lambda after: seal(settings.keyring, purpose, after))

            return HotRoute(template, first)

        def public(template: str, query: Query) -> HotRoute:
            return HotRoute(template, query, public_cache(settings), public=True, shared=True)

        whole = [
            listed("/api/invoices", invoices.list_invoices, "invoices:{account}:"),
            listed("/api/subscriptions", subscriptions.list_subscriptions, "subscriptions:{account}"),
            listed("/api/orders", orders.list_orders, "orders:{account}"),
            listed("/api/payment-methods", payment_methods.list_payment_methods, "payment-methods:{account}"),
            HotRoute("/api/payment-gateways", lambda store, _, __: payment_methods.gateways(store), shared=True),
            HotRoute("/api/account/profile", lambda store, account, _: profiles.profile(store, account)),
            HotRoute("/api/account/address", lambda store, account, _: profiles.address(store, account)),
            HotRoute("/api/account/eligibility", lambda store, account, _: profiles.eligibility(store, account)),
            public("/api/public/services", lambda store, _, __: catalog.categories(store)),
        ]
        parts = [
            HotRoute("/api/invoices/{invoice_id}", invoices.invoice),
            HotRoute("/api/subscriptions/{subscription_id}", subscriptions.subscription),
            HotRoute("/api/orders/{order_id}", orders.order),
            public("/api/public/services/{category}", lambda store, _, last: catalog.category(store, last)),
        ]
        product = public("/api/public/services/{category}/{sku}", _product)
        self._whole = {route.template: route for route in whole}
        self._parts = {route.template.rpartition("/")[0]: route for route in parts}
        self._pairs = {product.template.rsplit("/", 2)[0]: product}

    def find(self, path: str) -> tuple[HotRoute, str] | None:
        """The route of a path as it was sent, and the part of it that names what is asked for. An address with a query
        or with escapes is none of them."""
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
        """Every one."""
        return [*self._whole.values(), *self._parts.values(), *self._pairs.values()]


def _product(store: Store, _: UUID, path: str) -> Awaitable[Answer]:
    category, sku = path.split("/", 1)
    return catalog.product(store, category, sku)
