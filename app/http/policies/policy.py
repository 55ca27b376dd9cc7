"""The policy of a route, declared once on its handler.

    @get("/api/orders/{order_id:str}", policy=Policy(roles=CUSTOMER, problems=(NotFound,), fast=FastRead(orders.order)))

Guards, rate limiter, OpenAPI document and fast path read it and derive nothing from a path.
`app/http/policies/table.py` refuses to start an application that has a route without one; `portal routes` prints
them all.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal
from uuid import UUID

from litestar.handlers.base import BaseRouteHandler
from msgspec import Struct

from app.commands.execution.context import Command
from app.errors import PortalError
from app.http.policies.ending import AnnouncedEnd
from app.queries.reading.page import Cursor, Page
from app.queries.reading.store import Answer, Store

OPTION = "policy"
"""The key under which Litestar keeps the policy among a handler's options."""

ANYBODY = None
CUSTOMER = frozenset({"customer"})
SUPPORT, OPERATOR, ANALYST = frozenset({"support"}), frozenset({"operator"}), frozenset({"analyst"})
STAFF = SUPPORT | OPERATOR | ANALYST
SIGNED_IN = CUSTOMER | STAFF

RateClass = Literal["none", "public", "auth", "internal", "payment", "live", "account"]
Network = Literal["any", "admin", "internal", "webhook"]
KeyUse = Literal["required", "accepted", "ignored"]

Query = Callable[[Store, UUID, str], Awaitable[Answer]]
"""Reads for an account what the last part of the path names."""
ListQuery = Callable[[Store, UUID, Page, Cursor], Awaitable[Answer]]
"""Reads a page of an account's list."""


def for_account(query: Callable[[Store, UUID], Awaitable[Answer]]) -> Query:
    """Adapt a query of an account that needs nothing of the path."""
    return lambda store, account_id, _: query(store, account_id)


def for_everyone(query: Callable[[Store], Awaitable[Answer]]) -> Query:
    """Adapt a query whose answer is the same for all accounts."""
    return lambda store, _, __: query(store)


class FastRead(Struct, frozen=True):
    """The plainest form of a route, without query parameters, as the fast path reads it.

    Attributes:
        query: reads the answer.
        shared: the same bytes for all accounts, cached once.
    """

    query: Query
    shared: bool = False


class FirstPage(Struct, frozen=True):
    """The first page of a list, as the fast path reads it, with the cursors of the route's policy."""

    query: ListQuery
    shared: bool = False


class Policy(Struct, frozen=True, kw_only=True):
    """The access, limits, problems and command of a route.

    Attributes:
        roles: the roles whose sessions may call it. `ANYBODY` needs no session and ignores one, so that the answer is
            the same for everyone.
        second_factor: staff must have proven a second factor in this session.
        signed: a signature takes the place of a session, as on webhooks.
        limit: the class in which its requests are counted.
        command: the command that it runs, if any.
        takes_key: its command is kept under an `Idempotency-Key`.
        consistency_token: the answer carries a `Consistency-Token` for the command's effect.
        shows_state: a write that answers what a read does, with its validator once that shows the effect.
        session: whether its answer sets the session cookie, or removes it.
        problems: errors beyond those that follow from the other attributes and from the handler's signature.
        asks_upstream: it calls an upstream while the caller waits, so that few run at once for one account.
        conditional: a read that honours validators and, with a session, consistency headers.
        cursor: the scope that binds the cursors of a list, a template of `account` and `variant`.
        fast: the form of the route that the fast path answers; None for routes that only the framework answers.
        ending: the announced end of the operation, or of fields of it.
    """

    roles: frozenset[str] | None
    second_factor: bool = True
    signed: bool = False
    limit: RateClass = "account"
    command: Command | None = None
    takes_key: bool = True
    consistency_token: bool = False
    shows_state: bool = False
    session: Literal["kept", "begins", "ends"] = "kept"
    problems: tuple[type[PortalError], ...] = ()
    asks_upstream: bool = False
    conditional: bool = True
    cursor: str = ""
    fast: FastRead | FirstPage | None = None
    ending: AnnouncedEnd | None = None

    def __post_init__(self) -> None:
        """Refuse policies that contradict themselves.

        Raises:
            ValueError: names the contradiction.
        """
        if self.is_open and self.limit in ("account", "payment", "live"):
            raise ValueError(f"A route without a session cannot be limited as {self.limit!r}: nobody has an account.")
        if self.fast and not (self.is_open or self.roles == CUSTOMER):
            raise ValueError("The fast path answers customers and routes without a session only.")
        if self.fast and self.limit not in ("public", "account"):
            raise ValueError(f"The fast path does not count requests as {self.limit!r}.")
        if isinstance(self.fast, FirstPage) and not self.cursor:
            raise ValueError("The first page of a list needs the scope of its cursors.")

    @property
    def is_open(self) -> bool:
        """True for routes that need no session."""
        return self.roles is None

    @property
    def is_staff_only(self) -> bool:
        """True for routes that no customer may call."""
        return self.roles is not None and self.roles.isdisjoint(CUSTOMER)

    @property
    def network(self) -> Network:
        """The networks, named by a setting, from which the route can be reached."""
        if self.is_staff_only:
            return "admin"
        if self.limit == "internal":
            return "internal"
        return "webhook" if self.signed else "any"

    @property
    def idempotency_key(self) -> KeyUse:
        """The use that this route makes of an `Idempotency-Key`."""
        if self.command is None or not self.takes_key:
            return "ignored"
        return self.command.idempotency_key

    def cursor_scope(self, account_id: object, variant: str = "") -> str:
        """Render the scope that binds cursors to one list of one account, in one order."""
        return self.cursor.format(account=account_id, variant=variant)


def policy_of(handler: BaseRouteHandler) -> Policy:
    """Return the policy of a handler; `require_policies` has made sure that there is one."""
    policy: Policy = handler.opt[OPTION]
    return policy


def declared(handler: BaseRouteHandler) -> Policy | None:
    """Return the policy of a handler, or None where it declares none."""
    found: Any = handler.opt.get(OPTION)
    return found if isinstance(found, Policy) else None
