"""The dependencies of handlers by name and type, and the declaration of what a handler answers."""

from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import SkipValidation

from app.commands.execution.context import Actor, Context
from app.http.answering.paging import Paging
from app.queries.cases import CaseSource
from app.queries.reading.store import Store

AnyConnection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = Request[Any, Any, State]

T = TypeVar("T")
Injected: TypeAlias = NamedDependency[SkipValidation[T]]
"""A dependency that is given as its provider made it, without a check by the framework."""

Caller = Injected[Actor]
"""`actor`: the session's user and account, as the guards established them; anonymous on open routes."""
AppContext = Injected[Context]
"""`context`: settings, engines and clients of the upstreams, for commands."""
ReadStore = Injected[Store]
"""`store`: the engines of the read side."""
OwnAccount = Injected[UUID]
"""`account`: the account of the caller's session."""
CaseReader = Injected[CaseSource]
"""`cases_source`: where support cases are read."""
ListPaging = Injected[Paging]
"""`paging`: the page of a list that the caller requests."""


def context_of(connection: AnyConnection) -> Context:
    """Return the context of the application, for guards and for what has no dependencies injected."""
    context: Context = connection.app.state.context
    return context


def answers(kind: type, description: str, *, status: int = 200) -> dict[int, ResponseSpec]:
    """Declare for the OpenAPI document what a handler answers that sends ready bytes. Without examples: generated ones
    differ from run to run."""
    return {status: ResponseSpec(kind, generate_examples=False, description=description)}
