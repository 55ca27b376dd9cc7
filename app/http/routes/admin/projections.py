"""Dead letters, read models and explanations for operators and support. Every access is audited; the command line can
do more."""

from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from app.audit import Operator
from app.commands.execution.context import Actor
from app.errors import NotFound
from app.http.answering.handler_types import AppContext, Caller, answers
from app.http.answering.query_response import unstored
from app.http.policies.policy import OPERATOR, SUPPORT, Policy
from app.ingest.apply import dead_letters, resolve
from app.ingest.apply.dead_letters import DeadLetter
from app.ingest.apply.resolve import Resolved
from app.ingest.lag.measure import measure
from app.ingest.lag.report import Measures
from app.inputs.text import Line
from app.projections import explain as explanations
from app.projections.engine import generations
from app.projections.engine.generations import Generation
from app.projections.explain.shapes import Explanation
from app.projections.rebuild import requests
from app.projections.registry import projectors

Id = Annotated[int, PathParameter(ge=1, le=2**62, description="The number of the dead letter.")]


class DeadLetters(Struct, frozen=True):
    """Dead letters, with personal data hidden."""

    items: list[DeadLetter]


class Discard(Struct, forbid_unknown_fields=True):
    """The reason for discarding, which the audit log keeps."""

    reason: Annotated[Line, Meta(min_length=1, max_length=500)]


class Decided(Struct, frozen=True):
    """The effect of a decision; `already` were decided before."""

    ids: list[int]
    """The ids that were decided now."""
    already: list[int]
    """The ids that were decided before."""


class Projections(Struct, frozen=True):
    """The lag of the portal, and the generations of all read models."""

    measures: Measures
    """The lag of the portal."""
    generations: list[Generation]
    """The generations of all read models."""


class RebuildAsked(Struct, frozen=True):
    """The read model that is rebuilt. A worker starts within half a minute; the generations show its progress."""

    name: str


@get(
    "/api/admin/dead-letters",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    operation_id="listDeadLetters",
    summary="What is parked",
    tags=["Operators"],
    responses=answers(DeadLetters, "At most 500, personal data hidden."),
)
async def list_dead_letters(
    context: AppContext,
    resolved: Annotated[bool, QueryParameter(description="Only decided ones, newest first.")] = False,
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
) -> Response[bytes]:
    """Open dead letters, oldest first."""
    return unstored(DeadLetters(await dead_letters.listed(context.pool, resolved=resolved, limit=limit)))


@post(
    "/api/admin/dead-letters/{letter_id:int}/retry",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="retryDeadLetter",
    summary="Try again",
    tags=["Operators"],
    responses=answers(Decided, "The dead letters that are tried again."),
)
async def retry(actor: Caller, context: AppContext, letter_id: Id) -> Response[bytes]:
    """Refetch the record from its upstream and retry all its dead letters at once. Safe to repeat."""
    done = await resolve.retry(context.pool, context.inbox.wake, [letter_id], operator_of(actor))
    return unstored(_decided(done))


@post(
    "/api/admin/dead-letters/{letter_id:int}/discard",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=200,
    operation_id="discardDeadLetter",
    summary="Give up an entry",
    tags=["Operators"],
    responses=answers(Decided, "The dead letters that are discarded."),
)
async def discard(actor: Caller, context: AppContext, letter_id: Id, data: JSONBody[Discard]) -> Response[bytes]:
    """Discard all dead letters of the record for good. Later changes proceed, and the record is refetched."""
    operator = operator_of(actor)
    done = await resolve.discard(context.pool, context.inbox.wake, [letter_id], operator, data.reason)
    return unstored(_decided(done))


@get(
    "/api/admin/projections",
    policy=Policy(roles=OPERATOR, asks_upstream=True),
    operation_id="listProjections",
    summary="How far behind, and which generations",
    tags=["Operators"],
    responses=answers(Projections, "Feeds, inbox lanes, dead letters and generations."),
)
async def list_projections(context: AppContext) -> Response[bytes]:
    """The lag and the generations, as `portal lag` and `portal rebuild` show them."""
    settings = context.settings
    found = await measure(context.pool, (settings.salesforce_channel, settings.salesforce_eligibility_topic))
    async with context.pool.acquire() as connection:
        return unstored(Projections(found, await generations.existing(connection)))


@post(
    "/api/admin/projections/{name:str}/rebuild",
    policy=Policy(roles=OPERATOR, asks_upstream=True, problems=(NotFound,)),
    status_code=202,
    operation_id="rebuildProjection",
    summary="Rebuild a read model",
    tags=["Operators"],
    responses=answers(RebuildAsked, "The read model that a worker rebuilds.", status=202),
)
async def ask_rebuild(context: AppContext, name: Annotated[str, PathParameter(max_length=60)]) -> Response[bytes]:
    """Rebuild a read model from the mirror, next to the generation that serves. Safe to repeat."""
    if name not in {each.name for each in projectors(context.settings)}:
        raise NotFound("There is no such read model.")
    await requests.add(context.pool, name)
    return unstored(RebuildAsked(name), status=202)


@get(
    "/api/admin/accounts/{account_id:uuid}/explain/{resource:str}/{item_id:str}",
    policy=Policy(roles=OPERATOR | SUPPORT, asks_upstream=True, problems=(NotFound,)),
    operation_id="explainRow",
    summary="Why an account shows what it shows",
    tags=["Operators"],
    responses=answers(Explanation, "The row, its records, and the inbox entries about them."),
)
async def explain(
    context: AppContext,
    account_id: Annotated[UUID, PathParameter(description="The id of the portal account.")],
    resource: Annotated[str, PathParameter(max_length=60, description="A read model, e.g. `invoices`.")],
    item_id: Annotated[str, PathParameter(max_length=100, description="The id of the item in its upstream.")],
) -> Response[bytes]:
    """Explain an item of an account: the row, the mirrored records and the inbox entries behind it. Ids, versions and
    times only, without the records' data."""
    named = {each.name: each for each in projectors(context.settings)}
    if resource not in named:
        raise NotFound("There is no such read model.")
    async with context.pool.acquire() as connection:
        found = await explanations.explain(connection, named[resource], item_id)
    if found.account_id != account_id:
        raise NotFound("Nothing of this account is known under that id.")
    return unstored(found)


def operator_of(actor: Actor) -> Operator:
    """Name the caller for the audit log."""
    return Operator(user_id=actor.user_id, request_id=actor.request_id, address=actor.address)


def _decided(done: Resolved) -> Decided:
    return Decided(done.ids, done.already)


ROUTES = (list_dead_letters, retry, discard, list_projections, ask_rebuild, explain)
